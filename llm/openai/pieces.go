package openai

import (
	"bytes"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// This file joins JSON that comes in pieces. One rule holds for all of it: what is
// absent, null or empty says nothing; what has the same index or id grows; and a
// whole copy of what came before replaces it, and never repeats it.

// A joint is how the pieces of one value are joined.
type joint struct {
	grows func(name string, c place) bool // whether the strings of this member come in pieces
	lists bool                            // elements go on, or stand behind the earlier ones; else a later list replaces the earlier one
	nodes int                             // values that were taken apart so far
	most  int                             // of these
}

// A place is where in the message a value stands.
type place struct {
	thinks bool // inside of what the model thought
	keyed  bool // inside of an element that goes on
	signed bool // the piece has a signature, which comes when all else has come
	depth  int
}

// over reports whether the pieces are more than any answer has.
func (j *joint) over() bool { return j.nodes > j.most }

// deepest bounds how deep pieces are joined. What is deeper replaces.
const deepest = 32

// A tree is a JSON value that is put together of pieces. Until a second piece of
// it comes, raw is the value, byte for byte.
type tree struct {
	raw     []byte
	pieces  int // that a string has grown by
	names   []string
	members map[string]*tree
	list    bool
	elems   []*tree
	keys    map[string]*tree // the latest element of an index or an id
}

func (t *tree) kind() byte {
	switch {
	case t.members != nil:
		return '{'
	case t.list:
		return '['
	}
	return rawjson.Kind(t.raw)
}

// set makes v the value, whatever came before.
func (t *tree) set(v []byte) { *t = tree{raw: append(t.raw[:0], v...)} }

// text returns the string in the member of that name.
func (t *tree) text(name string) string {
	if m := t.members[name]; m != nil {
		return rawjson.Scalar(m.raw)
	}
	return ""
}

// join enters the next piece of t, which is the value of the member name.
func (j *joint) join(t *tree, name string, v []byte, c place) {
	c.thinks = c.thinks || thinks(name)
	switch old, next := t.kind(), rawjson.Kind(v); {
	case old != 0 && rawjson.IsEmpty(v):
	case old != next || c.depth == deepest:
		t.set(v)
	case next == '{':
		j.object(t, v, c)
	case next == '[' && j.lists:
		j.array(t, v, c)
	case next == '"' && j.grows(name, c):
		t.grow(v, slices.Contains(sealing, name), c.signed)
	default:
		t.set(v)
	}
}

// thinks reports whether a member of that name, or a value of that type, is the
// model's thinking.
func thinks(name string) bool {
	return strings.Contains(name, "reason") || strings.Contains(name, "think") || strings.Contains(name, "thought")
}

// pieced are the members whose strings come in pieces, inside of thoughts and of
// elements that go on.
var pieced = []string{"text", "thinking", "summary", "reasoning", "reasoning_content", "thought", "content", "signature", "data", "encrypted_content"}

// sealing are the members that are said again as they are, and never in parts.
var sealing = []string{"signature", "data", "encrypted_content", "reasoning_signature", "thinking_signature", "thought_signature"}

// sureCopy is the length from which on a text that begins with all that came before
// it is a copy, and does not happen to begin so.
const sureCopy = 8

// grow appends the string v. A string that begins with all that came before it is a
// copy where that is sure, and replaces it: where the member seals, and where what
// came before is long and came in pieces, or v comes with a signature.
func (t *tree) grow(v []byte, seals, signed bool) {
	old := t.raw[1 : len(t.raw)-1]
	sure := seals || (t.pieces > 0 || signed) && len(old) >= sureCopy || signed && len(v) == len(t.raw)
	if t.pieces++; sure && len(old) > 0 && bytes.HasPrefix(v[1:], old) {
		t.raw = append(t.raw[:0], v...)
		return
	}
	t.raw = append(t.raw[:len(t.raw)-1], v[1:]...)
}

// open takes the object apart.
func (j *joint) open(t *tree) {
	if t.members != nil {
		return
	}
	raw := t.raw
	*t = tree{members: map[string]*tree{}}
	for name, v := range rawjson.Members(raw) {
		j.member(t, name).set(v)
	}
}

// member returns the member of that name, which may be new.
func (j *joint) member(t *tree, name string) *tree {
	m := t.members[name]
	if m == nil {
		m = new(tree)
		t.members[name], t.names = m, append(t.names, name)
		j.nodes++
	}
	return m
}

func (j *joint) object(t *tree, v []byte, c place) {
	j.open(t)
	c.depth++
	c.signed = len(rawjson.Text(rawjson.Member(v, "signature"))) > 0
	for name, m := range rawjson.Members(v) {
		if j.over() {
			return
		}
		j.join(j.member(t, name), name, m, c)
	}
}

func (j *joint) array(t *tree, v []byte, c place) {
	scalars := !t.list && !holdsObjects(t.raw) && !holdsObjects(v)
	switch {
	case !c.thinks && t.beginsRaw(v):
		t.set(v)
		return
	case scalars:
		t.appendElements(v)
		return
	}
	j.spread(t)
	if !c.thinks && t.repeatedBy(v) {
		j.nodes -= len(t.elems)
		t.set(v)
		return
	}
	c.depth++
	c.keyed = true
	first := true
	for e := range rawjson.Elements(v) {
		if j.over() {
			return
		}
		if m := j.match(t, e, first, c); m != nil {
			j.join(m, "", e, c)
			t.register(m, e)
		} else {
			j.push(t, e)
		}
		first = false
	}
}

func holdsObjects(list []byte) bool {
	for e := range rawjson.Elements(list) {
		return rawjson.Kind(e) == '{'
	}
	return false
}

// beginsRaw reports whether v begins with all elements of the list, byte for byte:
// then v is a running total. Numbers are none: tokens repeat.
func (t *tree) beginsRaw(v []byte) bool {
	if t.list {
		return false
	}
	old, more := bytes.TrimSpace(t.raw[1:len(t.raw)-1]), bytes.TrimSpace(v[1:])
	return len(old) > 0 && (old[0] == '"' || old[0] == '{') && bytes.HasPrefix(more, old) && strings.IndexByte(",] \r\n\t", more[len(old)]) >= 0
}

// appendElements appends the elements of v, whatever they are.
func (t *tree) appendElements(v []byte) {
	t.raw = append(bytes.TrimRight(t.raw[:len(t.raw)-1], " \r\n\t"), ',')
	t.raw = append(t.raw, v[rawjson.SpaceEnd(v, 1):]...)
}

// spread takes the list apart.
func (j *joint) spread(t *tree) {
	if t.list {
		return
	}
	raw := t.raw
	*t = tree{list: true, keys: map[string]*tree{}}
	for e := range rawjson.Elements(raw) {
		if j.over() {
			return
		}
		j.push(t, e)
	}
}

func (j *joint) push(t *tree, e []byte) {
	m := &tree{raw: bytes.Clone(e)}
	t.elems = append(t.elems, m)
	j.nodes++
	t.register(m, e)
}

// register enters m under what the piece e calls it by.
func (t *tree) register(m *tree, e []byte) {
	index, id, typ := labels(e)
	for _, key := range []string{"#" + index, "=" + id} {
		if len(key) > 1 {
			t.keys[key], t.keys[key+"\x00"+typ] = m, m
		}
	}
}

func labels(e []byte) (index, id, typ string) {
	return rawjson.Scalar(rawjson.Member(e, "index")), rawjson.Scalar(rawjson.Member(e, "id")), rawjson.Text(rawjson.Member(e, "type"))
}

// repeatedBy reports whether v begins with all elements of the list.
func (t *tree) repeatedBy(v []byte) bool {
	n := 0
	for e := range rawjson.Elements(v) {
		if n == len(t.elems) {
			break
		}
		if t.elems[n].raw == nil || !sameJSON(t.elems[n].raw, e) {
			return false
		}
		n++
	}
	return n > 0 && n == len(t.elems)
}

// match returns the element that the piece e goes on with, or nil: that of the same
// index and of no other type or id, or else that of the same id. What the model
// thought needs neither.
func (j *joint) match(t *tree, e []byte, first bool, c place) *tree {
	if rawjson.Kind(e) != '{' {
		return nil
	}
	index, id, typ := labels(e)
	c.thinks = c.thinks || thinks(typ)
	var m *tree
	switch {
	case index != "":
		m = t.latest("#"+index, typ)
	case id != "":
		m = t.latest("="+id, typ)
	case !first || !c.thinks || len(t.elems) == 0:
	default:
		if last := t.elems[len(t.elems)-1]; last.kind() == '{' {
			if j.open(last); last.goesOn(e, typ) {
				return last
			}
		}
	}
	if m == nil || m.kind() != '{' {
		return nil
	}
	if j.open(m); other(m.text("id"), id) || other(m.text("type"), typ) {
		m = t.latest("="+id, typ)
		if m == nil || m.kind() != '{' {
			return nil
		}
		if j.open(m); other(m.text("index"), index) || other(m.text("type"), typ) {
			return nil
		}
	}
	if !c.thinks && m.contradicts(e) {
		return nil
	}
	return m
}

// other reports whether both say something, and not the same.
func other(a, b string) bool { return a != "" && b != "" && a != b }

func (t *tree) latest(key, typ string) *tree {
	if m := t.keys[key+"\x00"+typ]; m != nil && typ != "" {
		return m
	}
	return t.keys[key]
}

// goesOn reports whether e, which has neither index nor id, is more of the thought
// t. A thought ends with its signature, and what is encrypted comes whole.
func (t *tree) goesOn(e []byte, typ string) bool {
	if other(t.text("type"), typ) || !rawjson.IsEmpty(rawjson.Member(e, "data")) {
		return false
	}
	says := slices.ContainsFunc(pieced, func(name string) bool { return !rawjson.IsEmpty(rawjson.Member(e, name)) })
	return says && (t.text("signature") == "" || rawjson.Text(rawjson.Member(e, "signature")) == t.text("signature"))
}

// contradicts reports whether a member of e has another value in t.
func (t *tree) contradicts(e []byte) bool {
	for name, v := range rawjson.Members(e) {
		m := t.members[name]
		if m == nil || rawjson.IsEmpty(v) || slices.Contains(pieced, name) {
			continue
		}
		if old := m.append(nil); !rawjson.IsEmpty(old) && !sameJSON(old, v) {
			return true
		}
	}
	return false
}

// append appends the JSON of the tree to b.
func (t *tree) append(b []byte) []byte {
	switch {
	case t.members != nil:
		b = append(b, '{')
		for i, name := range t.names {
			if i > 0 {
				b = append(b, ',')
			}
			b = t.members[name].append(append(rawjson.AppendString(b, name), ':'))
		}
		return append(b, '}')
	case t.list:
		b = append(b, '[')
		for i, e := range t.elems {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.append(b)
		}
		return append(b, ']')
	}
	return append(b, t.raw...)
}
