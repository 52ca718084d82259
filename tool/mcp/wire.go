package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// rawKey names the member of _meta in which we hand the text of a result through
// the SDK, which would decode it and lose the order of members and the digits of
// numbers. What a server writes under this name is removed.
const rawKey = "toolloop.internal/raw"

// A tap sees the messages of a server before the SDK does.
type tap struct {
	progress func(params json.RawMessage)
	changed  func()
}

// see notes what a message tells, and adds its text to the results that we read
// ourselves.
func (t *tap) see(m jsonrpc.Message) {
	switch m := m.(type) {
	case *jsonrpc.Response:
		m.Result = carry(m.Result)
	case *jsonrpc.Request:
		switch m.Method {
		case "notifications/progress":
			t.progress(m.Params)
		case "notifications/tools/list_changed":
			t.changed()
		}
	}
}

// A member is one of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// members returns those of an object in their order; of two of one name, the last.
func members(raw json.RawMessage) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("no object")
	}
	var all []member
	at := map[string]int{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)} // a key is always one
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		if i, twice := at[m.name]; twice {
			all[i] = m
			continue
		}
		at[m.name] = len(all)
		all = append(all, m)
	}
	return all, nil
}

// carry puts the text of a list of tools, and of a call's result, where the SDK
// leaves it as it is.
func carry(result json.RawMessage) json.RawMessage {
	all, err := members(result)
	if err != nil {
		return result // the SDK says what is wrong
	}
	meta := map[string]json.RawMessage{}
	ours := false
	var b bytes.Buffer
	b.WriteByte('{')
	for _, m := range all {
		switch m.name {
		case "_meta":
			_ = json.Unmarshal(m.value, &meta) // what is no object is dropped
			continue
		case "tools":
			ours = true
			m.value = decodable(m.value)
		case "content":
			ours = true
			m.value = json.RawMessage("[]")
		case "structuredContent":
			ours = true
			continue
		}
		writeMember(&b, m)
	}
	delete(meta, rawKey)
	if ours {
		text, _ := json.Marshal(string(result)) // a string always has a JSON form
		if meta == nil {
			meta = map[string]json.RawMessage{}
		}
		meta[rawKey] = text
	}
	if len(meta) > 0 {
		value, _ := json.Marshal(meta) // it was decoded from JSON
		writeMember(&b, member{"_meta", value})
	}
	b.WriteByte('}')
	return b.Bytes()
}

func writeMember(b *bytes.Buffer, m member) {
	if b.Len() > 1 {
		b.WriteByte(',')
	}
	name, _ := json.Marshal(m.name) // a string always has a JSON form
	b.Write(name)
	b.WriteByte(':')
	b.Write(m.value)
}

// decodable is a list of tools without those that would keep the SDK from
// decoding the others.
func decodable(tools json.RawMessage) json.RawMessage {
	var all, good []json.RawMessage
	if json.Unmarshal(tools, &all) != nil {
		return json.RawMessage("[]")
	}
	good = []json.RawMessage{}
	for _, one := range all {
		if t := new(sdk.Tool); json.Unmarshal(one, t) == nil {
			good = append(good, one)
		}
	}
	text, _ := json.Marshal(good) // they were decoded from JSON
	return text
}

// carried returns what carry put into a result.
func carried(meta sdk.Meta) json.RawMessage {
	text, _ := meta[rawKey].(string)
	return json.RawMessage(text)
}

// tapped is a transport whose messages a tap sees.
type tapped struct {
	sdk.Transport
	tap  *tap
	conn sdk.Connection // nil before Connect
}

func (t *tapped) Connect(ctx context.Context) (sdk.Connection, error) {
	conn, err := t.Transport.Connect(ctx)
	if err != nil {
		return nil, err
	}
	t.conn = conn
	return &tappedConn{conn, t.tap}, nil
}

type tappedConn struct {
	sdk.Connection
	tap *tap
}

func (c *tappedConn) Read(ctx context.Context) (jsonrpc.Message, error) {
	m, err := c.Connection.Read(ctx)
	if err == nil {
		c.tap.see(m)
	}
	return m, err
}
