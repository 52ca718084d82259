package openai

import (
	"encoding/json"
	"errors"
	"slices"

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
	values map[string]*tree
	nodes  int  // of values that came in pieces
	over   bool // there were more than mostMembers, or mostParts nodes; the rest is gone
}

// value returns the value of that name, which may be new; nil if there are too many.
func (g *gathered) value(name string) *tree {
	if t := g.values[name]; t != nil {
		return t
	}
	if len(g.names) == mostMembers {
		g.over = true
		return nil
	}
	if g.values == nil {
		g.values = map[string]*tree{}
	}
	t := new(tree)
	g.values[name], g.names = t, append(g.names, name)
	return t
}

// last keeps the value unless it is empty. A later one replaces it.
func (g *gathered) last(name string, value []byte) {
	if isEmpty(value) {
		return
	}
	if t := g.value(name); t != nil {
		t.set(value)
	}
}

// update keeps the value unless it is empty. A later object says more of the
// earlier one, and any other value replaces it.
func (g *gathered) update(name string, value []byte) {
	g.join(name, value, joint{grows: func(string, place) bool { return false }})
}

// piece keeps the value unless it is empty. A later one is more of it.
func (g *gathered) piece(name string, value []byte) {
	g.join(name, value, joint{lists: true, grows: func(name string, c place) bool {
		if c.depth == 0 {
			return slices.Contains(textual, name)
		}
		return (c.thinks || c.keyed) && slices.Contains(pieced, name)
	}})
}

func (g *gathered) join(name string, value []byte, j joint) {
	if isEmpty(value) {
		return
	}
	t := g.value(name)
	if t == nil {
		return
	}
	j.nodes, j.most = g.nodes, mostParts
	j.join(t, name, value, place{})
	g.nodes, g.over = j.nodes, g.over || j.over()
}

// appended keeps the value. The elements of a later list stand behind those of the
// earlier one, even where they are the same; anything else replaces it.
func (g *gathered) appended(name string, value []byte) {
	if t := g.values[name]; t != nil && kind(t.raw) == '[' && kind(value) == '[' && !isEmpty(value) {
		t.appendElements(value)
		return
	}
	g.last(name, value)
}

func (g *gathered) members() []llm.Member {
	var ms []llm.Member
	for _, name := range g.names {
		ms = append(ms, llm.Member{Name: name, Value: string(g.values[name].append(nil))})
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
		b = g.values[name].append(b)
	}
	return append(b, '}')
}
