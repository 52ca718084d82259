package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
)

// limit is a bound and no design: each message is encoded once, the text is cut out of
// the usual chunk without a parser, and request bodies are copied through a pool.
var limit = peer{"limit", func(t task) (run, error) {
	if t.memory || t.responses {
		return nil, errNoForm
	}
	t.client = &http.Client{Transport: pooledTransport(t.client.Transport.(*http.Transport))}
	l := &limitLoop{floorLoop{task: t, tools: floorTools()}}
	return l.run, nil
}}

// A limitLoop is a floorLoop with a different run.
type limitLoop struct {
	floorLoop // embedded: a limitLoop calls the same tools within the same number of turns
}

func (l *limitLoop) run(ctx context.Context) (string, error) {
	head, err := json.Marshal(floorRequest{modelName, []floorMessage{}, nil, l.stream})
	if err != nil {
		return "", err
	}
	tools, err := json.Marshal(l.tools)
	if err != nil {
		return "", err
	}
	// The messages come last, so that the body of a turn begins with the last body.
	start, _, _ := bytes.Cut(head, []byte(`"messages":[]`))
	body := append(make([]byte, 0, 4<<10), start...)
	body = append(append(body, `"tools":`...), tools...)
	if l.stream {
		body = append(body, `,"stream":true`...)
	}
	body = append(body, `,"messages":[`...)
	body, err = appendMessages(body, floorMessage{Role: "system", Content: system}, floorMessage{Role: "user", Content: question})
	for range l.maxTurns() {
		if err != nil {
			return "", err
		}
		m, err := answer(ctx, l.task, append(body, "]}"...), usualText)
		if err != nil || len(m.ToolCalls) == 0 {
			return m.Content, err
		}
		messages := []floorMessage{m}
		for _, call := range m.ToolCalls {
			result, err := l.callTool(ctx, call.Function)
			if err != nil {
				return "", err
			}
			messages = append(messages, floorMessage{Role: "tool", Content: result, ToolCallID: call.ID})
		}
		if body, err = appendMessages(body, messages...); err != nil {
			return "", err
		}
	}
	return "", errTurns
}

func appendMessages(body []byte, messages ...floorMessage) ([]byte, error) {
	for _, m := range messages {
		encoded, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		if body[len(body)-1] != '[' {
			body = append(body, ',')
		}
		body = append(body, encoded...)
	}
	return body, nil
}

// usualText returns the text of a chunk whose delta is only text without escapes.
func usualText(data []byte) ([]byte, bool) {
	_, rest, found := bytes.Cut(data, []byte(`"delta":{"content":"`))
	end := bytes.IndexAny(rest, `"\`)
	if !found || end < 0 || !bytes.HasPrefix(rest[end:], []byte(`"}`)) {
		return nil, false
	}
	return rest[:end], true
}

// pooledTransport returns a copy of t without the buffer that net/http allocates for
// each request body.
func pooledTransport(t *http.Transport) *http.Transport {
	t = t.Clone()
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return pooledConn{c}, nil
	}
	return t
}

type pooledConn struct {
	net.Conn // embedded: only ReadFrom differs
}

var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// ReadFrom replaces the ReadFrom of the connection, which allocates.
func (c pooledConn) ReadFrom(r io.Reader) (int64, error) {
	buffer := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buffer)
	return io.CopyBuffer(struct{ io.Writer }{c.Conn}, r, buffer[:])
}
