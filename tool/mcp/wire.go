package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// rawKey names the member of _meta in which we pass the raw text of a result through
// the SDK. The SDK would decode the result and lose the order of members and the digits
// of numbers. A member of this name from the server is removed.
const rawKey = "toolloop.internal/raw"

// A tap sees the messages of a server before the SDK does.
type tap struct {
	pending  pendingRequests
	progress func(params json.RawMessage)
	changed  func()
	// noRetry removes the requests for input from results. In the older protocols no
	// result can ask for input and have its request repeated, but the SDK handles that
	// in all protocols.
	noRetry atomic.Bool
}

// receive handles a message of a connection where all responses share one stream.
func (t *tap) receive(m jsonrpc.Message) {
	if answer, ok := m.(*jsonrpc.Response); ok {
		s := t.pending.match(answer)
		if s == nil {
			t.pending.matchUnnamed(answer)
		}
		t.rewriteResponse(answer, s)
		return
	}
	t.notify(m)
}

// notify handles a notification.
func (t *tap) notify(m jsonrpc.Message) {
	req, ok := m.(*jsonrpc.Request)
	switch {
	case !ok:
	case req.Method == "notifications/progress":
		t.progress(req.Params)
	case req.Method == "notifications/tools/list_changed":
		t.changed()
	}
}

// rewriteResponse attaches the raw text to a result that we read ourselves. s is nil if
// no request waits for the response.
func (t *tap) rewriteResponse(m *jsonrpc.Response, s *delivery) {
	m.Result, m.Error = t.carryRaw(m.Result, s != nil && s.isCall.Load()), withoutSDKCode(m.Error)
}

// The SDK reports its own errors with these codes: the connection is closed, or the
// transport did not accept a request. That request may still have reached the server.
const (
	codeServerClosing   = -32004
	codeClientClosing   = -32003
	codeRejected        = -32005
	codeServerError     = -32000 // without a special meaning
	codeInvalidResponse = -32006 // ours: the response is invalid
)

// withoutSDKCode replaces an error code of the server that the SDK uses for its own
// errors.
func withoutSDKCode(err error) error {
	e, ok := errors.AsType[*jsonrpc.Error](err)
	if !ok || e.Code != codeServerClosing && e.Code != codeClientClosing && e.Code != codeRejected {
		return err
	}
	return &jsonrpc.Error{Code: codeServerError, Message: e.Message, Data: e.Data}
}

// carryRaw stores the raw text of a result in its _meta: of a list of tools, the result
// of a call, a task, or the initialization. The SDK decodes only a reduced result: a
// problem in one tool then hides no other tool, and of the result of a call the SDK
// needs nothing.
func (t *tap) carryRaw(result json.RawMessage, ofCall bool) json.RawMessage {
	all, err := membersOf(result)
	if err != nil && (!ofCall || len(result) == 0) {
		return result // the SDK reports the problem
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
		case "ttlMs": // we cache lists ourselves
			continue
		case "tools":
			ours, m.value = true, reducedTools(m.value)
		case "content":
			ours, m.value = true, json.RawMessage("[]")
		case "structuredContent", "task", "isError", "taskId":
			ours = true
			continue
		case "capabilities":
			ours = true
		case "inputRequests", "requestState":
			if t.noRetry.Load() {
				continue
			}
		}
		writeMember(&b, m)
	}
	if !ours {
		result = nil
	}
	if meta = rawMeta(meta, result); meta != nil {
		writeMember(&b, member{name: "_meta", value: meta})
	}
	b.WriteByte('}')
	return b.Bytes()
}

// rawMeta returns a result's _meta with the raw text, if there is one, and without a
// member of the server under that name. An empty _meta becomes nil.
func rawMeta(meta, text json.RawMessage) json.RawMessage {
	kept := map[string]json.RawMessage{}
	if all, err := membersOf(meta); err == nil {
		for _, m := range all {
			kept[m.name] = m.value
		}
	}
	delete(kept, rawKey)
	if text != nil {
		kept[rawKey], _ = json.Marshal(string(text)) // cannot fail: it is a string
	}
	if len(kept) == 0 {
		return nil
	}
	value, _ := json.Marshal(kept) // cannot fail: it was decoded from JSON
	return value
}

// maxListed bounds the tools that are read of a list, and of each page. A tool costs
// the server a few bytes and us hundreds.
const maxListed = 10_000

// elements returns the first elements of an array, at most one more than maxListed, or
// none if the value is not an array.
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

// reducedTools returns a list of tools with only the members that the SDK needs.
func reducedTools(tools json.RawMessage) json.RawMessage {
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
		if !usesHeaderParams(t.InputSchema) {
			t.InputSchema = nil
		}
		known = append(known, t)
	}
	text, _ := json.Marshal(known) // cannot fail: they were decoded from JSON
	return text
}

// usesHeaderParams reports whether a schema may ask for arguments in HTTP headers, so
// that the SDK needs the schema. A schema that the SDK cannot decode, for example with
// a number beyond a float64, would hide the other tools.
func usesHeaderParams(schema json.RawMessage) bool {
	var v any
	return bytes.Contains(schema, []byte("x-mcp-header")) && json.Unmarshal(schema, &v) == nil
}

// rawResult returns the raw text that carryRaw has stored, or nothing.
func rawResult(meta sdk.Meta) json.RawMessage {
	text, _ := meta[rawKey].(string)
	return json.RawMessage(text)
}
