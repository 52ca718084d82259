package mcp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// A foe is a server that speaks in lines and may write anything. It runs in this
// process or in a process of its own.
type foe struct {
	in  *bufio.Reader
	out io.Writer
	log io.Writer // its standard error; in memory nobody reads it
	// start counts the starts of this server from 1. In a process it is 0.
	start int
	// end crashes the server.
	end func()
	// hang waits for the end of the server.
	hang func()
}

// A heard is a message that a foe has received.
type heard struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

func (h heard) cursor() string {
	var p struct{ Cursor string }
	_ = json.Unmarshal(h.Params, &p)
	return p.Cursor
}

func (h heard) token() string {
	var p struct {
		Meta struct {
			Token string `json:"progressToken"`
		} `json:"_meta"`
	}
	_ = json.Unmarshal(h.Params, &p)
	return p.Meta.Token
}

// say writes a line unchanged.
func (f *foe) say(format string, args ...any) {
	_, _ = fmt.Fprintf(f.out, format+"\n", args...)
}

func (f *foe) answer(h heard, result string) {
	f.say(`{"jsonrpc":"2.0","id":%s,"result":%s}`, h.ID, result)
}

func (f *foe) refuse(h heard, code int, message string) {
	text, _ := json.Marshal(message) // a string always has a JSON form
	f.say(`{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%s}}`, h.ID, code, text)
}

const (
	hello     = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"foe","version":"1"}}`
	workTool  = `{"name":"work","description":"Works.","inputSchema":{"type":"object"}}`
	workTools = `{"tools":[` + workTool + `]}`
	worked    = `{"content":[{"type":"text","text":"Worked."}]}`
)

// A misdeed replaces the answer of a correct server. If it returns false, the foe
// answers correctly.
type misdeed func(f *foe, h heard) bool

func polite(*foe, heard) bool { return false }

// serve answers requests until the input ends.
func (f *foe) serve(do misdeed) {
	for {
		line, err := f.in.ReadBytes('\n')
		if err != nil {
			return
		}
		var h heard
		if json.Unmarshal(line, &h) == nil && !do(f, h) {
			f.polite(h)
		}
	}
}

func (f *foe) polite(h heard) {
	switch {
	case len(h.ID) == 0: // a notification
	case h.Method == "initialize":
		f.answer(h, hello)
	case h.Method == "tools/list":
		f.answer(h, workTools)
	case h.Method == "tools/call":
		f.answer(h, worked)
	case h.Method == "ping":
		f.answer(h, `{}`)
	case h.Method != "":
		f.refuse(h, -32601, "method not found")
	}
}

// at is a misdeed in place of the answer to one method.
func at(method string, do func(f *foe, h heard)) misdeed {
	return func(f *foe, h heard) bool {
		if h.Method != method {
			return false
		}
		do(f, h)
		return true
	}
}

// answersAt is a misdeed that answers a method with a given result.
func answersAt(method, result string) misdeed {
	return at(method, func(f *foe, h heard) { f.answer(h, result) })
}

// lists is a misdeed that lists the given tools.
func lists(tools ...string) misdeed {
	return answersAt("tools/list", `{"tools":[`+strings.Join(tools, ",")+`]}`)
}

// inMemoryFoe dials a foe in this process. It ends with the connection.
func inMemoryFoe(t *testing.T, do misdeed) func(context.Context) (sdk.Transport, error) {
	t.Helper()
	var mu sync.Mutex
	starts := 0
	return func(context.Context) (sdk.Transport, error) {
		mu.Lock()
		defer mu.Unlock()
		starts++
		clientReads, serverWrites := io.Pipe()
		serverReads, clientWrites := io.Pipe()
		ended := make(chan struct{})
		var once sync.Once
		end := func() {
			once.Do(func() { close(ended) })
			_ = serverReads.Close()
			_ = serverWrites.Close()
		}
		f := &foe{in: bufio.NewReader(serverReads), out: serverWrites, log: io.Discard, start: starts, end: end, hang: func() { <-ended }}
		go func() { // ends when the client closes the connection
			defer end()
			f.serve(do)
		}()
		return &sdk.IOTransport{Reader: clientReads, Writer: endWriter{clientWrites, end}}, nil
	}
}

// An endWriter tells the foe that the connection is closed.
type endWriter struct {
	io.WriteCloser
	end func()
}

func (w endWriter) Close() error {
	err := w.WriteCloser.Close()
	w.end()
	return err
}
