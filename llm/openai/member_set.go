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
//
// Most answers have two such members. The set of these costs two allocations: one for the
// list, one for all values. A map finds the members of a large set.
type memberSet struct {
	list    []setMember
	byName  map[string]int // the place in list; nil for at most maxPartMembers members
	block   []byte         // memory for values
	free    []byte         // the rest of block
	nodes   int            // JSON nodes of values that came in pieces
	tooMany bool           // more than maxMembers members or maxParts nodes came; the rest is dropped
}

type setMember struct {
	name  string
	value mergedValue
}

// find returns the place of a member in the list, or -1.
func (g *memberSet) find(name string) int {
	if g.byName == nil {
		return slices.IndexFunc(g.list, func(m setMember) bool { return m.name == name })
	}
	if i, ok := g.byName[name]; ok {
		return i
	}
	return -1
}

// value returns the value with that name and adds the name if needed, with room for a
// value of the given size. It returns nil if there are too many members. The next call of
// value may move the value.
func (g *memberSet) value(name string, size int) *mergedValue {
	if i := g.find(name); i >= 0 {
		return &g.list[i].value
	}
	if len(g.list) == maxMembers {
		g.tooMany = true
		return nil
	}
	if g.list == nil {
		g.list = make([]setMember, 0, 2)
	}
	g.list = append(g.list, setMember{name: name, value: mergedValue{raw: g.room(size)}})
	switch n := len(g.list); {
	case g.byName != nil:
		g.byName[name] = n - 1
	case n > maxPartMembers:
		g.byName = make(map[string]int, n)
		for i, m := range g.list {
			g.byName[m.name] = i
		}
	}
	return &g.list[len(g.list)-1].value
}

// room returns an empty slice with memory for a value.
func (g *memberSet) room(size int) []byte {
	const block = 64
	if size > block {
		return nil
	}
	if size > len(g.free) {
		g.block = make([]byte, block)
		g.free = g.block
	}
	room := g.free[:0:size]
	g.free = g.free[size:]
	return room
}

// usualName returns the name of a member. The usual names cost no allocation.
func usualName(raw []byte) string {
	switch string(raw) {
	case "system_fingerprint":
		return "system_fingerprint"
	case "service_tier":
		return "service_tier"
	case "provider":
		return "provider"
	case "stop_reason":
		return "stop_reason"
	case "annotations":
		return "annotations"
	}
	return string(raw)
}

// name returns raw as a string. For one of the first members of the set, name returns
// the string that the set has, because each chunk of a stream repeats these members.
func (g *memberSet) name(raw []byte) string {
	for i := range g.list[:min(len(g.list), maxPartMembers)] {
		if name := g.list[i].name; name == string(raw) {
			return name
		}
	}
	return usualName(raw)
}

// replace keeps the value unless empty. A later value replaces an earlier value.
func (g *memberSet) replace(name string, value []byte) {
	if rawjson.IsEmpty(value) {
		return
	}
	if t := g.value(name, len(value)); t != nil {
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
	t := g.value(name, len(value))
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
	if i := g.find(name); i >= 0 && rawjson.Kind(value) == '[' && !rawjson.IsEmpty(value) {
		if t := &g.list[i].value; rawjson.Kind(t.raw) == '[' {
			t.appendElements(value)
			return
		}
	}
	g.replace(name, value)
}

// without returns the members that are not in other.
func (g *memberSet) without(other *memberSet) memberSet {
	rest := memberSet{nodes: g.nodes, tooMany: g.tooMany}
	for i := range g.list {
		if m := &g.list[i]; other.find(m.name) < 0 {
			rest.replace(m.name, m.value.append(nil))
		}
	}
	return rest
}

// members returns the members. Their values share one string.
func (g *memberSet) members() []llm.Member {
	if len(g.list) == 0 {
		return nil
	}
	var room [256]byte
	all := room[:0]
	for i := range g.list {
		all = g.list[i].value.append(all)
	}
	rest := string(all)
	ms := make([]llm.Member, len(g.list))
	for i := range g.list {
		n := g.list[i].value.size()
		ms[i] = llm.Member{Name: g.list[i].name, Value: rest[:n]}
		rest = rest[n:]
	}
	return ms
}

// object returns the members as a JSON object, or nil without members.
func (g *memberSet) object() json.RawMessage {
	if len(g.list) == 0 {
		return nil
	}
	b := []byte{'{'}
	for i := range g.list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(rawjson.AppendString(b, g.list[i].name), ':')
		b = g.list[i].value.append(b)
	}
	return append(b, '}')
}
