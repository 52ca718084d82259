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
	maxCalls       = 1 << 16
	maxParts       = 1 << 17
	maxMembers     = 1 << 10 // unmodelled members of a document or a message
	maxPartMembers = 1 << 4  // unmodelled members of one call or part
)

// errTooMany reports an answer beyond these limits.
var errTooMany = errors.New("the answer has more calls, parts or members than any answer")

// memberSet holds unmodelled members in the order of their first appearance,
// over all chunks of a stream.
type memberSet struct {
	names   []string
	values  map[string]*mergedValue
	nodes   int  // JSON nodes of values that came in pieces
	tooMany bool // more than maxMembers members or maxParts nodes came; the rest is dropped
}

// value returns the value with that name and adds the name if needed. It
// returns nil if there are too many members.
func (g *memberSet) value(name string) *mergedValue {
	if t := g.values[name]; t != nil {
		return t
	}
	if len(g.names) == maxMembers {
		g.tooMany = true
		return nil
	}
	if g.values == nil {
		g.values = map[string]*mergedValue{}
	}
	t := new(mergedValue)
	g.values[name], g.names = t, append(g.names, name)
	return t
}

// name returns raw as a string. For one of the first members of the set, name returns
// the string that the set has, because each chunk of a stream repeats these members.
func (g *memberSet) name(raw []byte) string {
	for _, name := range g.names[:min(len(g.names), maxPartMembers)] {
		if name == string(raw) {
			return name
		}
	}
	return string(raw)
}

// replace keeps the value unless empty. A later value replaces an earlier value.
func (g *memberSet) replace(name string, value []byte) {
	if rawjson.IsEmpty(value) {
		return
	}
	if t := g.value(name); t != nil {
		t.set(value)
	}
}

// merge keeps the value unless empty. A later object extends an earlier
// object; any other value replaces the earlier value.
func (g *memberSet) merge(name string, value []byte) {
	g.join(name, value, merger{pieced: func(string, mergePlace) bool { return false }})
}

// addPiece keeps the value unless empty. A later value is the next piece of the
// earlier value.
func (g *memberSet) addPiece(name string, value []byte) {
	g.join(name, value, merger{appendLists: true, pieced: func(name string, c mergePlace) bool {
		if c.depth == 0 {
			return slices.Contains(textMembers, name)
		}
		return (c.thinking || c.labelled) && slices.Contains(piecedMembers, name)
	}})
}

func (g *memberSet) join(name string, value []byte, j merger) {
	if rawjson.IsEmpty(value) {
		return
	}
	t := g.value(name)
	if t == nil {
		return
	}
	j.nodes, j.most = g.nodes, maxParts
	j.merge(t, name, value, mergePlace{})
	g.nodes, g.tooMany = j.nodes, g.tooMany || j.tooMany()
}

// appendList keeps the value. The elements of a later list are appended, even if
// they repeat earlier elements; any other value replaces the earlier value.
func (g *memberSet) appendList(name string, value []byte) {
	if t := g.values[name]; t != nil && rawjson.Kind(t.raw) == '[' && rawjson.Kind(value) == '[' && !rawjson.IsEmpty(value) {
		t.appendElements(value)
		return
	}
	g.replace(name, value)
}

func (g *memberSet) members() []llm.Member {
	if len(g.names) == 0 {
		return nil
	}
	ms := make([]llm.Member, len(g.names))
	for i, name := range g.names {
		ms[i] = llm.Member{Name: name, Value: g.values[name].json()}
	}
	return ms
}

// object returns the members as a JSON object, or nil without members.
func (g *memberSet) object() json.RawMessage {
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
