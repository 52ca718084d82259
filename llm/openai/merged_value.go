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

// A merger is how the pieces of one value are joined.
type merger struct {
	pieced      func(name string, c mergePlace) bool // whether the strings of this member come in pieces
	appendLists bool                                 // elements go on, or stand behind the earlier ones; else a later list replaces the earlier one
	nodes       int                                  // values that were taken apart so far
	most        int                                  // of these
}

// A mergePlace is where in the message a value stands.
type mergePlace struct {
	thinking bool // inside of what the model thought
	labelled bool // inside of an element that goes on
	signed   bool // the piece has a signature, which comes when all else has come
	depth    int
}

// tooMany reports whether the pieces are more than any answer has.
func (j *merger) tooMany() bool { return j.nodes > j.most }

// maxMergeDepth bounds how deep pieces are joined. What is deeper replaces.
const maxMergeDepth = 32

// A mergedValue is a JSON value that is put together of pieces. Until a second piece of
// it comes, raw is the value, byte for byte.
type mergedValue struct {
	raw      []byte
	appended int // that a string has grown by
	names    []string
	members  map[string]*mergedValue
	list     bool
	elems    []*mergedValue
	keys     map[string]*mergedValue // the latest element of an index or an id
}

func (t *mergedValue) kind() byte {
	switch {
	case t.members != nil:
		return '{'
	case t.list:
		return '['
	}
	return rawjson.Kind(t.raw)
}

// set makes v the value, whatever came before.
func (t *mergedValue) set(v []byte) { *t = mergedValue{raw: append(t.raw[:0], v...)} }

// text returns the string in the member of that name.
func (t *mergedValue) text(name string) string {
	if m := t.members[name]; m != nil {
		return rawjson.Scalar(m.raw)
	}
	return ""
}

// merge enters the next piece of t, which is the value of the member name.
func (j *merger) merge(t *mergedValue, name string, v []byte, c mergePlace) {
	c.thinking = c.thinking || isThinking(name)
	switch old, next := t.kind(), rawjson.Kind(v); {
	case old != 0 && rawjson.IsEmpty(v):
	case old != next || c.depth == maxMergeDepth:
		t.set(v)
	case next == '{':
		j.object(t, v, c)
	case next == '[' && j.appendLists:
		j.array(t, v, c)
	case next == '"' && j.pieced(name, c):
		t.appendString(v, slices.Contains(opaqueMembers, name), c.signed)
	default:
		t.set(v)
	}
}

// isThinking reports whether a member of that name, or a value of that type, is the
// model's thinking.
func isThinking(name string) bool {
	return strings.Contains(name, "reason") || strings.Contains(name, "think") || strings.Contains(name, "thought")
}

// piecedMembers are the members whose strings come in pieces, inside of thoughts and of
// elements that go on.
var piecedMembers = []string{"text", "thinking", "summary", "reasoning", "reasoning_content", "thought", "content", "signature", "data", "encrypted_content"}

// opaqueMembers are the members that are said again as they are, and never in parts.
var opaqueMembers = []string{"signature", "data", "encrypted_content", "reasoning_signature", "thinking_signature", "thought_signature"}

// minRepeat is the length from which on a text that begins with all that came before
// it is a copy, and does not happen to begin so.
const minRepeat = 8

// appendString appends the string v. A string that begins with all that came before it is a
// copy where that is sure, and replaces it: where the member seals, and where what
// came before is long and came in pieces, or v comes with a signature.
func (t *mergedValue) appendString(v []byte, seals, signed bool) {
	old := t.raw[1 : len(t.raw)-1]
	sure := seals || (t.appended > 0 || signed) && len(old) >= minRepeat || signed && len(v) == len(t.raw)
	if t.appended++; sure && len(old) > 0 && bytes.HasPrefix(v[1:], old) {
		t.raw = append(t.raw[:0], v...)
		return
	}
	t.raw = append(t.raw[:len(t.raw)-1], v[1:]...)
}

// splitObject takes the object apart.
func (j *merger) splitObject(t *mergedValue) {
	if t.members != nil {
		return
	}
	raw := t.raw
	*t = mergedValue{members: map[string]*mergedValue{}}
	for name, v := range rawjson.Members(raw) {
		j.member(t, name).set(v)
	}
}

// member returns the member of that name, which may be new.
func (j *merger) member(t *mergedValue, name string) *mergedValue {
	m := t.members[name]
	if m == nil {
		m = new(mergedValue)
		t.members[name], t.names = m, append(t.names, name)
		j.nodes++
	}
	return m
}

func (j *merger) object(t *mergedValue, v []byte, c mergePlace) {
	j.splitObject(t)
	c.depth++
	c.signed = len(rawjson.Text(rawjson.Member(v, "signature"))) > 0
	for name, m := range rawjson.Members(v) {
		if j.tooMany() {
			return
		}
		j.merge(j.member(t, name), name, m, c)
	}
}

func (j *merger) array(t *mergedValue, v []byte, c mergePlace) {
	scalars := !t.list && !holdsObjects(t.raw) && !holdsObjects(v)
	switch {
	case !c.thinking && t.isPrefixOf(v):
		t.set(v)
		return
	case scalars:
		t.appendElements(v)
		return
	}
	j.splitArray(t)
	if !c.thinking && t.repeatedBy(v) {
		j.nodes -= len(t.elems)
		t.set(v)
		return
	}
	c.depth++
	c.labelled = true
	first := true
	for e := range rawjson.Elements(v) {
		if j.tooMany() {
			return
		}
		if m := j.match(t, e, first, c); m != nil {
			j.merge(m, "", e, c)
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

// isPrefixOf reports whether v begins with all elements of the list, byte for byte:
// then v is a running total. Numbers are none: tokens repeat.
func (t *mergedValue) isPrefixOf(v []byte) bool {
	if t.list {
		return false
	}
	old, more := bytes.TrimSpace(t.raw[1:len(t.raw)-1]), bytes.TrimSpace(v[1:])
	return len(old) > 0 && (old[0] == '"' || old[0] == '{') && bytes.HasPrefix(more, old) && strings.IndexByte(",] \r\n\t", more[len(old)]) >= 0
}

// appendElements appends the elements of v, whatever they are.
func (t *mergedValue) appendElements(v []byte) {
	t.raw = append(bytes.TrimRight(t.raw[:len(t.raw)-1], " \r\n\t"), ',')
	t.raw = append(t.raw, v[rawjson.SpaceEnd(v, 1):]...)
}

// splitArray takes the list apart.
func (j *merger) splitArray(t *mergedValue) {
	if t.list {
		return
	}
	raw := t.raw
	*t = mergedValue{list: true, keys: map[string]*mergedValue{}}
	for e := range rawjson.Elements(raw) {
		if j.tooMany() {
			return
		}
		j.push(t, e)
	}
}

func (j *merger) push(t *mergedValue, e []byte) {
	m := &mergedValue{raw: bytes.Clone(e)}
	t.elems = append(t.elems, m)
	j.nodes++
	t.register(m, e)
}

// register enters m under what the piece e calls it by.
func (t *mergedValue) register(m *mergedValue, e []byte) {
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
func (t *mergedValue) repeatedBy(v []byte) bool {
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
func (j *merger) match(t *mergedValue, e []byte, first bool, c mergePlace) *mergedValue {
	if rawjson.Kind(e) != '{' {
		return nil
	}
	index, id, typ := labels(e)
	c.thinking = c.thinking || isThinking(typ)
	var m *mergedValue
	switch {
	case index != "":
		m = t.latest("#"+index, typ)
	case id != "":
		m = t.latest("="+id, typ)
	case !first || !c.thinking || len(t.elems) == 0:
	default:
		if last := t.elems[len(t.elems)-1]; last.kind() == '{' {
			if j.splitObject(last); last.isContinuedBy(e, typ) {
				return last
			}
		}
	}
	if m == nil || m.kind() != '{' {
		return nil
	}
	if j.splitObject(m); other(m.text("id"), id) || other(m.text("type"), typ) {
		m = t.latest("="+id, typ)
		if m == nil || m.kind() != '{' {
			return nil
		}
		if j.splitObject(m); other(m.text("index"), index) || other(m.text("type"), typ) {
			return nil
		}
	}
	if !c.thinking && m.contradicts(e) {
		return nil
	}
	return m
}

// other reports whether both say something, and not the same.
func other(a, b string) bool { return a != "" && b != "" && a != b }

func (t *mergedValue) latest(key, typ string) *mergedValue {
	if m := t.keys[key+"\x00"+typ]; m != nil && typ != "" {
		return m
	}
	return t.keys[key]
}

// isContinuedBy reports whether e, which has neither index nor id, is more of the thought
// t. A thought ends with its signature, and what is encrypted comes whole.
func (t *mergedValue) isContinuedBy(e []byte, typ string) bool {
	if other(t.text("type"), typ) || !rawjson.IsEmpty(rawjson.Member(e, "data")) {
		return false
	}
	says := slices.ContainsFunc(piecedMembers, func(name string) bool { return !rawjson.IsEmpty(rawjson.Member(e, name)) })
	return says && (t.text("signature") == "" || rawjson.Text(rawjson.Member(e, "signature")) == t.text("signature"))
}

// contradicts reports whether a member of e has another value in t.
func (t *mergedValue) contradicts(e []byte) bool {
	for name, v := range rawjson.Members(e) {
		m := t.members[name]
		if m == nil || rawjson.IsEmpty(v) || slices.Contains(piecedMembers, name) {
			continue
		}
		if old := m.append(nil); !rawjson.IsEmpty(old) && !sameJSON(old, v) {
			return true
		}
	}
	return false
}

// append appends the JSON of the tree to b.
func (t *mergedValue) append(b []byte) []byte {
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
