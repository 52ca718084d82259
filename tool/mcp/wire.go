package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// rawKey names the member of _meta in which we hand the text of a result through
// the SDK, which would decode it and lose the order of members and the digits of
// numbers. What a server writes under this name is removed.
const rawKey = "toolloop.internal/raw"

// A tap sees the messages of a server before the SDK does.
type tap struct {
	waiting
	progress func(params json.RawMessage)
	changed  func()
	// once: a request is made once. The protocol that is spoken knows no result that
	// asks for something and wants the request again; the SDK knows it in each.
	once atomic.Bool
}

// see takes a message of a stream on which everything is answered.
func (t *tap) see(m jsonrpc.Message) {
	if answer, ok := m.(*jsonrpc.Response); ok {
		s := t.answer(answer)
		if s == nil {
			t.place(answer)
		}
		t.take(answer, s)
		return
	}
	t.hear(m)
}

// hear notes what a notification tells.
func (t *tap) hear(m jsonrpc.Message) {
	req, ok := m.(*jsonrpc.Request)
	switch {
	case !ok:
	case req.Method == "notifications/progress":
		t.progress(req.Params)
	case req.Method == "notifications/tools/list_changed":
		t.changed()
	}
}

// take adds its text to a result that we read ourselves. nil: nobody waits for it.
func (t *tap) take(m *jsonrpc.Response, s *sending) {
	m.Result, m.Error = t.carry(m.Result, s != nil && s.calls.Load()), answered(m.Error)
}

// The SDK tells by these codes what it knows itself: that the connection is closed, or
// that the transport did not take a request, which may have reached the server.
const (
	codeServerClosing = -32004
	codeClientClosing = -32003
	codeRejected      = -32005
	codeServerError   = -32000 // of no special meaning
	codeNoAnswer      = -32006 // ours: what came is no answer
)

// answered is the error that a server answered, under a code that the SDK does not
// take for its own.
func answered(err error) error {
	e, ok := errors.AsType[*jsonrpc.Error](err)
	if !ok || e.Code != codeServerClosing && e.Code != codeClientClosing && e.Code != codeRejected {
		return err
	}
	return &jsonrpc.Error{Code: codeServerError, Message: e.Message, Data: e.Data}
}

// carry puts the text of a list of tools, of a call's result, of a task, and of how a
// server presents itself where the SDK leaves it as it is. What the SDK would decode of
// it is cut down to what it needs: nothing odd in one tool keeps it from the others, and
// of the result of a call it needs nothing.
func (t *tap) carry(result json.RawMessage, ofCall bool) json.RawMessage {
	all, err := members(result)
	if err != nil && (!ofCall || len(result) == 0) {
		return result // the SDK says what is wrong
	}
	var b bytes.Buffer
	b.WriteByte('{')
	var meta json.RawMessage
	ours := err != nil
	for _, m := range all {
		switch m.name {
		case "_meta":
			meta = m.value
			continue
		case "ttlMs": // we keep lists ourselves, and know when they are stale
			continue
		case "tools":
			ours, m.value = true, reduced(m.value)
		case "content":
			ours, m.value = true, json.RawMessage("[]")
		case "structuredContent", "task", "isError", "taskId":
			ours = true
			continue
		case "capabilities":
			ours = true
		case "inputRequests", "requestState":
			if t.once.Load() {
				continue
			}
		}
		writeMember(&b, m)
	}
	if !ours {
		result = nil
	}
	if meta = marked(meta, result); meta != nil {
		writeMember(&b, member{name: "_meta", value: meta})
	}
	b.WriteByte('}')
	return b.Bytes()
}

// marked is the _meta of a result with its text, if there is one, and without what
// the server wrote in its place; nil if there is nothing in it.
func marked(meta, text json.RawMessage) json.RawMessage {
	kept := map[string]json.RawMessage{}
	if all, err := members(meta); err == nil {
		for _, m := range all {
			kept[m.name] = m.value
		}
	}
	delete(kept, rawKey)
	if text != nil {
		kept[rawKey], _ = json.Marshal(string(text)) // a string always has a JSON form
	}
	if len(kept) == 0 {
		return nil
	}
	value, _ := json.Marshal(kept) // it was decoded from JSON
	return value
}

// maxListed is how many tools are read of a list, and of each of its pages. What more
// there is costs a server a few bytes each and us hundreds.
const maxListed = 10_000

// elements returns the first elements of a list, one more than maxListed at most; none
// of what is no list.
func elements(raw json.RawMessage) []json.RawMessage {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('[') {
		return nil
	}
	var all []json.RawMessage
	for dec.More() && len(all) <= maxListed {
		var one json.RawMessage
		if dec.Decode(&one) != nil {
			break
		}
		all = append(all, one)
	}
	return all
}

// reduced is a list of tools with no more than the SDK needs of them.
func reduced(tools json.RawMessage) json.RawMessage {
	type tool struct {
		Name        string          `json:"name"`
		InputSchema json.RawMessage `json:"inputSchema,omitempty"`
	}
	known := []tool{}
	for _, text := range elements(tools) {
		var t tool
		if (fields{"name": &t.Name, "inputSchema": &t.InputSchema}).decode(text) != nil || t.Name == "" {
			continue
		}
		if !headed(t.InputSchema) {
			t.InputSchema = nil
		}
		known = append(known, t)
	}
	text, _ := json.Marshal(known) // they were decoded from JSON
	return text
}

// headed reports whether the SDK finds in a schema that arguments are to be sent as
// headers, too. One that it cannot decode, as for a number beyond a float64, would
// keep it from the other tools.
func headed(schema json.RawMessage) bool {
	var v any
	return bytes.Contains(schema, []byte("x-mcp-header")) && json.Unmarshal(schema, &v) == nil
}

// carried returns the text of a result that carry put into it; empty if none.
func carried(meta sdk.Meta) json.RawMessage {
	text, _ := meta[rawKey].(string)
	return json.RawMessage(text)
}
