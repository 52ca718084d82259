package openai

import (
	"bytes"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// This file merges JSON that comes in pieces. Three rules hold everywhere: an absent,
// null or empty value changes nothing; elements with the same index or id are pieces of
// one element; a copy of the whole earlier value replaces the earlier value.

// A merger merges the pieces of one value.
type merger struct {
	pieced      func(name string, c mergePlace) bool // whether the strings of this member come in pieces
	appendLists bool                                 // elements go on, or stand behind the earlier ones; else a later list replaces the earlier one
	nodes       int                                  // values that were taken apart so far
	most        int                                  // of these
}

// A mergePlace is the place of a value in the message.
type mergePlace struct {
	thinking bool // inside of what the model thought
	labelled bool // inside of an element that goes on
	signed   bool // the piece has a signature, which comes when all else has come
	depth    int
}

// tooMany reports whether there are more values than in any honest answer.
func (j *merger) tooMany() bool { return j.nodes > j.most }

// maxMergeDepth limits the depth of merging. A deeper value replaces the earlier
// value.
const maxMergeDepth = 32

// A mergedValue is a JSON value that comes in pieces. Until the second piece, raw is the
// value, byte for byte.
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

// set replaces the value by v.
func (t *mergedValue) set(v []byte) { *t = mergedValue{raw: append(t.raw[:0], v...)} }

// text returns the text of a member, or "".
func (t *mergedValue) text(name string) string {
	if m := t.members[name]; m != nil {
		return rawjson.Scalar(m.raw)
	}
	return ""
}

// merge adds the next piece to t, the value of the member name.
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

// isThinking reports whether a member of this name, or a value of this type, holds the
// model's thinking.
func isThinking(name string) bool {
	return strings.Contains(name, "reason") || strings.Contains(name, "think") || strings.Contains(name, "thought")
}

// piecedMembers are the members with strings that come in pieces, inside of thinking
// and of labelled elements.
var piecedMembers = []string{"text", "thinking", "summary", "reasoning", "reasoning_content", "thought", "content", "signature", "data", "encrypted_content"}

// opaqueMembers are the members with strings that a server may repeat whole, but
// never in part.
var opaqueMembers = []string{"signature", "data", "encrypted_content", "reasoning_signature", "thinking_signature", "thought_signature"}

// minRepeat is the length from which a common beginning shows a repetition. Shorter
// texts can begin alike by chance.
const minRepeat = 8

// appendString appends the string v. If v begins with the whole earlier string, v is
// either a repetition or a new piece that looks the same. v replaces the earlier
// string only if a repetition is certain: for opaque members, after long text that
// came in pieces, and for a piece with a signature. In doubt v is appended, because a
// lost piece cannot be restored.
func (t *mergedValue) appendString(v []byte, seals, signed bool) {
	old := t.raw[1 : len(t.raw)-1]
	sure := seals || (t.appended > 0 || signed) && len(old) >= minRepeat || signed && len(v) == len(t.raw)
	if t.appended++; sure && len(old) > 0 && bytes.HasPrefix(v[1:], old) {
		t.raw = append(t.raw[:0], v...)
		return
	}
	t.raw = append(t.raw[:len(t.raw)-1], v[1:]...)
}

// splitObject splits the raw object into members.
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

// member returns the member with the name, and adds the member if needed.
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

// isPrefixOf reports whether v begins with all elements of the list, byte for byte.
// Then v is a running total. Lists of numbers do not count, because tokens repeat.
func (t *mergedValue) isPrefixOf(v []byte) bool {
	if t.list {
		return false
	}
	old, more := bytes.TrimSpace(t.raw[1:len(t.raw)-1]), bytes.TrimSpace(v[1:])
	return len(old) > 0 && (old[0] == '"' || old[0] == '{') && bytes.HasPrefix(more, old) && strings.IndexByte(",] \r\n\t", more[len(old)]) >= 0
}

// appendElements appends all elements of v.
func (t *mergedValue) appendElements(v []byte) {
	t.raw = append(bytes.TrimRight(t.raw[:len(t.raw)-1], " \r\n\t"), ',')
	t.raw = append(t.raw, v[rawjson.SpaceEnd(v, 1):]...)
}

// splitArray splits the raw array into elements.
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

// register enters m under the index and the id of the piece e.
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

// match returns the element that the piece e continues, or nil. The index decides
// first, then the id; a different type or id means a new element. Thinking needs
// neither index nor id: a piece without both continues the last element.
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

// other reports whether both texts are present and differ.
func other(a, b string) bool { return a != "" && b != "" && a != b }

func (t *mergedValue) latest(key, typ string) *mergedValue {
	if m := t.keys[key+"\x00"+typ]; m != nil && typ != "" {
		return m
	}
	return t.keys[key]
}

// isContinuedBy reports whether e, a piece without index and id, continues the
// thought t. A signature ends a thought. Encrypted thoughts come whole.
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

// size returns the length of the JSON of the value.
func (t *mergedValue) size() int {
	if t.members == nil && !t.list {
		return len(t.raw)
	}
	return len(t.append(nil))
}

// append appends the JSON of the value to b.
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
