package openai

import (
	"iter"
	"regexp"
	"slices"
	"strconv"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// hostedEvent matches the events of the provider's tools.
var hostedEvent = regexp.MustCompile(`^response\.(\w+_call\w*|mcp_list_tools|audio\w*)\.`)

// outputMember is the member of [llm.Message.Extra] that keeps what the parts of
// a message cannot: the order of the items, reasoning items and items of tools
// that the provider ran, byte for byte, and the further members of messages and
// calls. Its value is
//
//	{"origin":"api.openai.com","items":[{"type":"reasoning",…},{"type":"message","digest":"1x…"},{"type":"function_call","digest":"7c…"}]}
//
// A message stands for its next parts (one, unless "parts" says otherwise), a call
// for the next call. The digest covers these parts: the items of an edited
// message do not go back. Items go to their origin only, because no other provider
// can read encrypted content.
//
// Alternative: each item in the Extra of a part. Chat Completions sends the extra
// members of parts, and strict servers refuse them; and items of hosted tools have
// no part.
const outputMember = "responses_output"

// outputList makes the value of outputMember.
type outputList struct {
	origin string
	items  []outputItem
	needed bool // the parts alone do not say it all
	called bool
}

// add takes an item of which so many parts went into the message.
func (l *outputList) add(it *responseItem, parts llm.Parts) {
	item := outputItem{raw: it.raw(), typ: it.typ, parts: parts}
	switch it.typ {
	case "message":
		l.needed = l.needed || l.called || item.saysMore()
	case "function_call":
		l.called = true
		l.needed = l.needed || item.saysMore()
	default:
		if item.raw == nil {
			return
		}
		l.needed = true
	}
	l.items = append(l.items, item)
}

// saysMore reports whether a message or a call is more than one part.
func (it outputItem) saysMore() bool {
	for range beside(it.raw) {
		return true
	}
	return len(it.parts) != 1
}

// saidMembers are the members of messages and calls that parts hold, or that do not
// go back: an id would have to be stored at the provider. All further members, such as
// "phase" and "namespace", go back unchanged.
var saidMembers = []string{"id", "type", "status", "role", "content", "call_id", "name", "arguments", "item_id", "output_index"}

// beside yields the members of an item beside saidMembers.
func beside(raw []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for name, v := range rawjson.RawMembers(raw) {
			if !slices.Contains(saidMembers, string(name)) && !rawjson.IsEmpty(v) && !yield(string(name), v) {
				return
			}
		}
	}
}

// outline is a message or a call without what the parts hold. Any other item is its own
// outline.
func (it outputItem) outline() []byte {
	if it.typ != "message" && it.typ != "function_call" {
		return it.raw
	}
	f := fields{{"type", rawjson.AppendString(nil, it.typ)}, {"digest", rawjson.AppendString(nil, digestOf(it.parts))}}
	if len(it.parts) != 1 {
		f.raw("parts", strconv.AppendInt(nil, int64(len(it.parts)), 10))
	}
	for name, v := range beside(it.raw) {
		f.raw(name, v)
	}
	return f.object()
}

func (l *outputList) members() []llm.Member {
	if !l.needed {
		return nil
	}
	outlines := make([][]byte, len(l.items))
	for i, it := range l.items {
		outlines[i] = it.outline()
	}
	value := fields{{"origin", rawjson.AppendString(nil, l.origin)}, {"items", array(outlines)}}.object()
	return []llm.Member{{Name: outputMember, Value: string(value)}}
}

// An outputItem is an entry of outputMember with the parts of the entry.
type outputItem struct {
	raw   []byte
	typ   string
	parts llm.Parts // of a message or a call
}

// outputOf returns the items that a message keeps for an endpoint. An edited
// message, and a message without an outputMember, have no items.
func outputOf(m llm.Message, origin string) (items []outputItem) {
	at := slices.IndexFunc(m.Extra, func(x llm.Member) bool { return x.Name == outputMember })
	if at < 0 || !rawjson.Valid(m.Extra[at].Value) {
		return nil
	}
	value := []byte(m.Extra[at].Value)
	if rawjson.Text(rawjson.Member(value, "origin")) != origin {
		return nil
	}
	spoken, calls := spokenParts(m)
	for raw := range rawjson.Elements(rawjson.Member(value, "items")) {
		it := outputItem{raw: raw, typ: rawjson.Text(rawjson.Member(raw, "type"))}
		rest, n := &spoken, partsOf(raw)
		switch it.typ {
		case "function_call":
			rest = &calls
		case "message":
		default:
			items = append(items, it)
			continue
		}
		if n > len(*rest) {
			return nil
		}
		it.parts, *rest = (*rest)[:n], (*rest)[n:]
		if digestOf(it.parts) != rawjson.Text(rawjson.Member(raw, "digest")) {
			return nil
		}
		items = append(items, it)
	}
	if len(spoken)+len(calls) > 0 {
		return nil
	}
	return items
}

// partsOf is the number of parts of a message that an outline stands for.
func partsOf(outline []byte) int {
	if n := rawjson.Member(outline, "parts"); n != nil {
		return int(count(n))
	}
	return 1
}

// spokenParts are the texts and refusals of a message, and its calls.
func spokenParts(m llm.Message) (spoken, calls llm.Parts) {
	for _, p := range m.Parts {
		switch p.(type) {
		case llm.Text, llm.Refusal:
			spoken = append(spoken, p)
		case llm.ToolCall:
			calls = append(calls, p)
		}
	}
	return spoken, calls
}

// digestOf returns a digest of the content of parts.
func digestOf(parts llm.Parts) string {
	var text []byte
	for _, p := range parts {
		switch p := p.(type) {
		case llm.Text:
			text = rawjson.AppendString(append(text, 't'), p.Text)
		case llm.Refusal:
			text = rawjson.AppendString(append(text, 'r'), p.Text)
		case llm.ToolCall:
			text = rawjson.AppendString(rawjson.AppendString(rawjson.AppendString(append(text, 'c'), p.ID), p.Name), p.Arguments)
		}
	}
	return digest(string(text), 12)
}
