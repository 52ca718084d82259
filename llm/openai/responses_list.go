package openai

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// An itemKey finds an item: by type, and by output_index or id. The type is part
// of the key, because gateways give a message and a call the same output_index
// (BerriAI/litellm#36375, Oaklight/llm-rosetta#418).
type itemKey struct{ name, typ string }

// An itemList holds the items of an answer in the order of appearance.
type itemList struct {
	items   []*responseItem
	byIndex map[itemKey]*responseItem // the latest item with that output_index
	byID    map[itemKey]*responseItem
	crowded bool // items of one type share an output_index, so ids come first
}

// indexOf returns the text of an output_index, or nil.
func indexOf(raw []byte) []byte {
	switch rawjson.Kind(raw) {
	case '"':
		return rawjson.RawText(raw)
	case '{', '[', 'n', 0:
		return nil
	}
	return raw
}

// begin adds an item. index and id may be nil.
func (l *itemList) begin(index, id []byte, typ string) (*responseItem, error) {
	if len(l.items) == maxCalls {
		return nil, errTooMany
	}
	if l.byID == nil {
		l.byIndex, l.byID = map[itemKey]*responseItem{}, map[itemKey]*responseItem{}
	}
	it := &responseItem{place: len(l.items), call: -1, typ: typ}
	l.items = append(l.items, it)
	if len(index) > 0 {
		key := itemKey{string(index), typ}
		l.crowded = l.crowded || l.byIndex[key] != nil
		l.byIndex[key] = it
		n, err := strconv.Atoi(key.name)
		it.index, it.indexed = n, err == nil && n >= 0
	}
	l.name(it, id)
	return it, nil
}

// name enters an id of the item.
func (l *itemList) name(it *responseItem, id []byte) {
	if len(id) == 0 {
		return
	}
	if it.id == "" {
		it.id = string(id)
	}
	l.byID[itemKey{string(id), it.typ}] = it
}

// find returns the item of an event, or nil. The output_index comes first,
// because some servers change the id with every event (Copilot).
func (l *itemList) find(index, id []byte, typ string) *responseItem {
	byID := l.byID[itemKey{string(id), typ}]
	switch {
	case len(index) == 0, l.crowded && byID != nil:
		return byID
	}
	if it := l.byIndex[itemKey{string(index), typ}]; it != nil {
		return it
	}
	if byID != nil && byID.done == nil { // one item under two indices
		return byID
	}
	return nil
}

// open returns the latest item of the type that is not done, or nil.
func (l *itemList) open(typ string) *responseItem {
	for _, it := range slices.Backward(l.items[max(0, len(l.items)-maxPartMembers):]) {
		if it.typ == typ && it.done == nil {
			return it
		}
	}
	return nil
}

// ofPart returns the item that an event with text belongs to. The item may have
// no output_item.added.
func (l *itemList) ofPart(part partEvent, e responsesEvent) (*responseItem, error) {
	index, id := indexOf(e.index), rawjson.RawText(e.itemID)
	it := l.find(index, id, part.typ)
	switch {
	case it == nil && len(index) == 0:
		it = l.open(part.typ)
	case it != nil && it.done != nil && !part.done && len(id) > 0 && it.id != string(id):
		it = nil // the next item, without output_item.added
	}
	if it == nil {
		return l.begin(index, id, part.typ)
	}
	return it, nil
}

// identity returns the id of an item: the call_id of a call, because some servers
// change the id of an item with every event.
func identity(raw []byte) string {
	return cmp.Or(rawjson.Scalar(rawjson.Member(raw, "call_id")), rawjson.Scalar(rawjson.Member(raw, "id")))
}

// differs reports whether raw and the known item are two items.
func (it *responseItem) differs(raw []byte) bool {
	known, id := identity(it.raw()), identity(raw)
	return known != "" && id != "" && known != id
}

// added takes output_item.added.
func (a *responsesAnswer) added(e responsesEvent) error {
	if rawjson.Kind(e.item) != '{' {
		return nil
	}
	index, id, typ := indexOf(e.index), []byte(rawjson.Scalar(rawjson.Member(e.item, "id"))), rawjson.Text(rawjson.Member(e.item, "type"))
	it := a.byIndex[itemKey{string(index), typ}]
	if len(index) == 0 {
		it = a.find(nil, id, typ)
	}
	if it == nil || it.differs(e.item) {
		var err error
		if it, err = a.begin(index, id, typ); err != nil {
			return err
		}
	}
	if it.done != nil { // announced again
		return nil
	}
	a.name(it, id)
	a.name(it, []byte(rawjson.Scalar(rawjson.Member(e.item, "call_id"))))
	it.added = slices.Clone(e.item)
	return it.announce(a)
}

// done takes output_item.done.
func (a *responsesAnswer) done(e responsesEvent) error {
	if rawjson.Kind(e.item) != '{' {
		return nil
	}
	index, id, typ := indexOf(e.index), []byte(rawjson.Scalar(rawjson.Member(e.item, "id"))), rawjson.Text(rawjson.Member(e.item, "type"))
	it := a.find(index, []byte(identity(e.item)), typ)
	if it == nil {
		it = a.find(index, id, typ)
	}
	if it == nil && len(index) == 0 {
		it = a.open(typ)
	}
	if it == nil || it.done != nil && it.differs(e.item) && !it.repeatedBy(e.item) {
		var err error
		if it, err = a.begin(index, id, typ); err != nil {
			return err
		}
	}
	a.name(it, id)
	a.name(it, []byte(rawjson.Scalar(rawjson.Member(e.item, "call_id"))))
	return a.finish(it, e.item)
}

// repeatedBy reports whether raw says the text of the item again.
func (it *responseItem) repeatedBy(raw []byte) bool {
	text := said(it.typ, raw)
	return it.typ != "function_call" && text != "" && text == said(it.typ, it.done)
}

// finish reads a complete item. The text of the item counts, whatever the deltas
// were. An item without text leaves the text to the deltas and to later events; see
// close.
func (a *responsesAnswer) finish(it *responseItem, raw []byte) error {
	it.state = cmp.Or(broken(raw), it.state)
	empty := silent(it.typ, raw)
	if empty && it.done != nil && !silent(it.typ, it.done) {
		return nil
	}
	it.done = slices.Clone(raw)
	if err := it.announce(a); err != nil || empty {
		return err
	}
	return it.catchUp(a, said(it.typ, raw))
}

// broken returns the status of an item that is not whole, or "".
func broken(raw []byte) string {
	switch s := rawjson.Text(rawjson.Member(raw, "status")); s {
	case "incomplete", "failed":
		return s
	}
	return ""
}

// whole reads the items of a document, or of a terminal event without earlier
// items.
func (a *responsesAnswer) whole(output []byte) error {
	n := 0
	for raw := range rawjson.Elements(output) {
		it, err := a.begin(strconv.AppendInt(nil, int64(n), 10), nil, rawjson.Text(rawjson.Member(raw, "type")))
		if err != nil {
			return err
		}
		if err := a.finish(it, raw); err != nil {
			return err
		}
		n++
	}
	return nil
}

// compare reads the items of the terminal event beside those of the stream. The
// list may be empty, or have other ids, so the n-th item of a type there is the
// n-th item of the type in the stream.
func (a *responsesAnswer) compare(output []byte) error {
	slices.SortStableFunc(a.items, compareItems)
	known := map[string][]*responseItem{}
	for _, it := range a.items {
		known[it.typ] = append(known[it.typ], it)
	}
	for raw := range rawjson.Elements(output) {
		typ := rawjson.Text(rawjson.Member(raw, "type"))
		its := known[typ]
		if len(its) == 0 {
			if err := a.note(fmt.Sprintf("the last event has an item of type %q that the stream did not have: it does not count", clip.Bytes(typ, maxShownID))); err != nil {
				return err
			}
			continue
		}
		known[typ] = its[1:]
		if err := a.confirm(its[0], raw); err != nil {
			return err
		}
	}
	return nil
}

// confirm reads an item of the terminal event that the stream has had.
func (a *responsesAnswer) confirm(it *responseItem, raw []byte) error {
	it.state = cmp.Or(broken(raw), it.state)
	empty, was := silent(it.typ, raw), said(it.typ, it.done)
	if silent(it.typ, it.done) {
		was = string(it.shown)
	}
	switch {
	case it.done == nil, it.typ != "reasoning" && !empty && silent(it.typ, it.done):
		return a.finish(it, raw)
	case !empty && said(it.typ, raw) != was:
		return a.note(fmt.Sprintf("the last event contradicts item %d of the answer: the item of the stream counts", it.place))
	case it.typ == "reasoning" && rawjson.IsEmpty(rawjson.Member(it.done, "encrypted_content")) && !rawjson.IsEmpty(rawjson.Member(raw, "encrypted_content")):
		it.done = slices.Clone(raw) // Azure sends encrypted content in the terminal event only
	}
	return nil
}

// replaced reports whether an open item was done under its id with a different
// type.
func (l *itemList) replaced(it *responseItem) bool {
	if it.done != nil || it.id == "" {
		return false
	}
	return slices.ContainsFunc([]string{"message", "reasoning", "function_call"}, func(typ string) bool {
		other := l.byID[itemKey{it.id, typ}]
		return other != nil && other != it && other.done != nil
	})
}
