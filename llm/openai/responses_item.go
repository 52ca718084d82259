package openai

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A responseItem is one entry of "output", possibly incomplete. The event
// output_item.done has the whole item. Without that event, the item consists of
// added, the deltas and the .done events of the parts.
type responseItem struct {
	place   int // position in the order of appearance
	index   int // output_index
	indexed bool

	typ   string
	added []byte // of output_item.added
	done  []byte // of output_item.done, or of a document

	call      int    // position of a call among the calls; -1 means not yet reported
	named     bool   // the sink has the id and the name of the call
	texts     pieces // of a message, by content_index
	refusals  pieces
	summaries pieces // of reasoning, by summary_index
	thoughts  pieces // the open text of reasoning, by content_index
	arguments itemText
}

// An itemText is a text that comes in deltas, or whole.
type itemText struct {
	text []byte // the deltas so far
	half half   // half a surrogate pair
	full []byte // text of the .done event; nil means no such event
}

// delta adds more text and returns it.
func (p *itemText) delta(raw []byte) string {
	text := p.half.text(raw)
	p.text = append(p.text, text...)
	return text
}

// value returns the whole text.
func (p *itemText) value() string {
	if p.full != nil {
		return string(p.full)
	}
	return string(p.text) + p.half.rest()
}

// pieces are texts in order of appearance, each with the index from the server.
// The index is a key, never a position, because servers send wrong indices.
type pieces struct {
	keys  []string
	texts map[string]*itemText
}

func (ps *pieces) at(key string) *itemText {
	if p, ok := ps.texts[key]; ok {
		return p
	}
	if ps.texts == nil {
		ps.texts = map[string]*itemText{}
	}
	p := new(itemText)
	ps.keys, ps.texts[key] = append(ps.keys, key), p
	return p
}

// value joins the texts without a separator.
func (ps *pieces) value() string {
	var b strings.Builder
	for _, key := range ps.keys {
		b.WriteString(ps.texts[key].value())
	}
	return b.String()
}

// begin reads the item of output_item.added.
func (it *responseItem) begin(a *responsesAnswer, raw []byte) error {
	if raw == nil {
		return nil
	}
	it.added = slices.Clone(raw)
	it.typ = rawjson.Text(rawjson.Member(raw, "type"))
	return it.announce(a)
}

// announce reports a call to the sink as soon as the name is known.
func (it *responseItem) announce(a *responsesAnswer) error {
	if it.typ != "function_call" || it.named {
		return nil
	}
	id, name := rawjson.Scalar(rawjson.Member(it.raw(), "call_id")), rawjson.Text(rawjson.Member(it.raw(), "name"))
	if name == "" {
		return nil
	}
	it.named = true
	return a.emit(llm.CallDelta{Index: it.position(a), ID: id, Name: name})
}

// position returns the position of the call among the calls of the answer.
func (it *responseItem) position(a *responsesAnswer) int {
	if it.call < 0 {
		it.call = a.calls
		a.calls++
	}
	return it.call
}

// raw returns the known JSON of the item.
func (it *responseItem) raw() []byte {
	if it.done != nil {
		return it.done
	}
	return it.added
}

// catchUp sends the sink everything in the complete item beyond the deltas.
func (it *responseItem) catchUp(a *responsesAnswer) error {
	it.typ = rawjson.Text(rawjson.Member(it.done, "type"))
	switch it.typ {
	case "message":
		for p := range rawjson.Elements(rawjson.Member(it.done, "content")) {
			if err := it.catchUpPart(a, p); err != nil {
				return err
			}
		}
	case "reasoning":
		return it.rest(a, it.summaries.value()+it.thoughts.value(), reasoningText(it.done), func(s string) llm.Delta { return llm.ReasoningDelta{Text: s} })
	case "function_call":
		if err := it.announce(a); err != nil {
			return err
		}
		return it.rest(a, string(it.arguments.text), argumentsOf(it.done), func(s string) llm.Delta { return llm.CallDelta{Index: it.position(a), Arguments: s} })
	}
	return nil
}

func (it *responseItem) catchUpPart(a *responsesAnswer, p []byte) error {
	if rawjson.Text(rawjson.Member(p, "type")) != "output_text" || len(it.texts.keys) > 1 {
		return nil
	}
	return it.rest(a, it.texts.value(), rawjson.Text(rawjson.Member(p, "text")), func(s string) llm.Delta { return llm.TextDelta{Text: s} })
}

// rest sends the text in full that goes beyond shown. If full contradicts
// shown, full counts, and a notice says so.
func (it *responseItem) rest(a *responsesAnswer, shown, full string, delta func(string) llm.Delta) error {
	rest, ok := strings.CutPrefix(full, shown)
	switch {
	case !ok:
		return a.note(fmt.Sprintf("item %d of the answer differs from its deltas: the item counts", it.place))
	case rest == "":
		return nil
	}
	return a.emit(delta(rest))
}

// argumentsOf returns the arguments of a call: usually a string, but some
// servers send an object.
func argumentsOf(item []byte) string {
	v := rawjson.Member(item, "arguments")
	if rawjson.Kind(v) == '{' {
		return string(v)
	}
	return rawjson.Text(v)
}

// reasoningText returns the visible reasoning: the summary, or the open text
// without a summary.
func reasoningText(item []byte) string {
	text := func(list []byte) string {
		var b strings.Builder
		for p := range rawjson.Elements(list) {
			b.WriteString(rawjson.Text(rawjson.Member(p, "text")))
		}
		return b.String()
	}
	if s := text(rawjson.Member(item, "summary")); s != "" {
		return s
	}
	return text(rawjson.Member(item, "content"))
}

// parts returns the parts of a message for the item: texts, refusals,
// reasoning, a call. Items of other types have no parts.
func (it *responseItem) parts(logProbs, annotations *gathered) (llm.Parts, error) {
	switch it.typ {
	case "message":
		return it.messageParts(logProbs, annotations), nil
	case "reasoning":
		return it.reasoningParts(), nil
	case "function_call":
		return it.callParts()
	}
	return nil, nil
}

func (it *responseItem) messageParts(logProbs, annotations *gathered) (parts llm.Parts) {
	if it.done == nil {
		if text := it.texts.value(); text != "" {
			parts = append(parts, llm.Text{Text: text})
		}
		if refusal := it.refusals.value(); refusal != "" {
			parts = append(parts, llm.Refusal{Text: refusal})
		}
		return parts
	}
	content := rawjson.Member(it.done, "content")
	if rawjson.Kind(content) == '"' {
		return llm.Parts{llm.Text{Text: rawjson.Text(content)}}
	}
	for p := range rawjson.Elements(content) {
		switch rawjson.Text(rawjson.Member(p, "type")) {
		case "output_text", "text":
			parts = append(parts, llm.Text{Text: rawjson.Text(rawjson.Member(p, "text"))})
			annotations.appended("annotations", rawjson.Member(p, "annotations"))
			logProbs.appended("content", rawjson.Member(p, "logprobs"))
		case "refusal":
			parts = append(parts, llm.Refusal{Text: rawjson.Text(rawjson.Member(p, "refusal"))})
		}
	}
	return parts
}

func (it *responseItem) reasoningParts() llm.Parts {
	text, field := reasoningText(it.done), "summary"
	if it.done == nil {
		text = it.summaries.value()
		if text == "" {
			text = it.thoughts.value()
		}
	}
	if rawjson.Kind(rawjson.Member(it.done, "summary")) != '[' || len(bytes.TrimSpace(rawjson.Member(it.done, "summary"))) <= 2 {
		field = "content"
	}
	if text == "" {
		return nil
	}
	return llm.Parts{llm.Reasoning{Text: text, Field: field}}
}

func (it *responseItem) callParts() (llm.Parts, error) {
	c := llm.ToolCall{
		ID: rawjson.Scalar(rawjson.Member(it.raw(), "call_id")), Name: rawjson.Text(rawjson.Member(it.raw(), "name")), Arguments: argumentsOf(it.raw()),
	}
	if it.done == nil {
		c.Arguments = it.arguments.value()
	}
	for name, v := range beside(it.raw()) {
		if len(c.Extra) == mostPartMembers {
			return nil, errTooMany
		}
		c.Extra = append(c.Extra, llm.Member{Name: name, Value: string(v)})
	}
	if c.Name == "" {
		return nil, fmt.Errorf("item %s of the answer is a call without a name", strconv.Itoa(it.place))
	}
	if strings.TrimSpace(c.Arguments) == "" || strings.TrimSpace(c.Arguments) == "null" {
		c.Arguments = "{}"
	}
	return llm.Parts{c}, nil
}
