package openai

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// Limits on the contents of an answer. No honest model sends more. Each member
// costs a hostile server a few bytes, and the client hundreds.
const (
	mostCalls       = 1 << 16
	mostParts       = 1 << 17
	mostMembers     = 1 << 10 // unmodelled members of a document or a message
	mostPartMembers = 1 << 4  // unmodelled members of one call or part
	mostCounts      = 1 << 8  // counts of a usage; further counts are ignored
)

// errTooMany reports an answer beyond these limits.
var errTooMany = errors.New("the answer has more calls, parts or members than any answer")

// gathered holds unmodelled members in the order of their first appearance,
// over all chunks of a stream.
type gathered struct {
	names  []string
	values map[string]*tree
	nodes  int  // JSON nodes of values that came in pieces
	over   bool // more than mostMembers members or mostParts nodes came; the rest is dropped
}

// value returns the value with that name and adds the name if needed. It
// returns nil if there are too many members.
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

// last keeps the value unless empty. A later value replaces an earlier value.
func (g *gathered) last(name string, value []byte) {
	if rawjson.IsEmpty(value) {
		return
	}
	if t := g.value(name); t != nil {
		t.set(value)
	}
}

// update keeps the value unless empty. A later object extends an earlier
// object; any other value replaces the earlier value.
func (g *gathered) update(name string, value []byte) {
	g.join(name, value, joint{grows: func(string, place) bool { return false }})
}

// piece keeps the value unless empty. A later value is the next piece of the
// earlier value.
func (g *gathered) piece(name string, value []byte) {
	g.join(name, value, joint{lists: true, grows: func(name string, c place) bool {
		if c.depth == 0 {
			return slices.Contains(textual, name)
		}
		return (c.thinks || c.keyed) && slices.Contains(pieced, name)
	}})
}

func (g *gathered) join(name string, value []byte, j joint) {
	if rawjson.IsEmpty(value) {
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

// appended keeps the value. The elements of a later list are appended, even if
// they repeat earlier elements; any other value replaces the earlier value.
func (g *gathered) appended(name string, value []byte) {
	if t := g.values[name]; t != nil && rawjson.Kind(t.raw) == '[' && rawjson.Kind(value) == '[' && !rawjson.IsEmpty(value) {
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

// object returns the members as a JSON object, or nil without members.
func (g *gathered) object() json.RawMessage {
	if len(g.names) == 0 {
		return nil
	}
	b := []byte{'{'}
	for i, name := range g.names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(rawjson.AppendString(b, name), ':')
		b = g.values[name].append(b)
	}
	return append(b, '}')
}
