package openai

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// What an answer can hold. More than that no model says: it costs a hostile
// server a few bytes each, and us hundreds.
const (
	mostCalls       = 1 << 16
	mostParts       = 1 << 17
	mostMembers     = 1 << 10 // that nobody modelled, of a document or a message
	mostPartMembers = 1 << 4  // the same, of one of many calls or parts
	mostCounts      = 1 << 8  // of a usage; more are ignored
)

// errTooMany is what an answer of more than that is.
var errTooMany = errors.New("the answer has more calls, parts or members than any answer")

// gathered holds members that nobody modelled, in the order of their first
// appearance, over all chunks of a stream.
type gathered struct {
	names  []string
	values map[string][]byte
	over   bool // there were more than mostMembers; the rest is gone
}

// last keeps the value unless it is empty. A later one replaces it.
func (g *gathered) last(name string, value []byte) {
	if isEmpty(value) {
		return
	}
	if g.values == nil {
		g.values = map[string][]byte{}
	}
	if _, known := g.values[name]; !known {
		if len(g.names) == mostMembers {
			g.over = true
			return
		}
		g.names = append(g.names, name)
	}
	g.values[name] = append(g.values[name][:0], value...)
}

// appended keeps the value. The elements of a later array come after those of
// the earlier one; so do strings if text is true; anything else replaces it.
func (g *gathered) appended(name string, value []byte, text bool) {
	old := g.values[name]
	switch {
	case isEmpty(value):
	case kind(value) == '[' && kind(old) == '[':
		old = append(bytes.TrimRight(old[:len(old)-1], " \r\n\t"), ',')
		g.values[name] = append(old, value[space(value, 1):]...)
	case text && kind(value) == '"' && kind(old) == '"':
		g.values[name] = append(old[:len(old)-1], value[1:]...)
	default:
		g.last(name, value)
	}
}

func (g *gathered) members() []llm.Member {
	var ms []llm.Member
	for _, name := range g.names {
		ms = append(ms, llm.Member{Name: name, Value: string(g.values[name])})
	}
	return ms
}

// object returns the members as a JSON object, nil if there are none.
func (g *gathered) object() json.RawMessage {
	if len(g.names) == 0 {
		return nil
	}
	b := []byte{'{'}
	for i, name := range g.names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, name), ':')
		b = append(b, g.values[name]...)
	}
	return append(b, '}')
}
