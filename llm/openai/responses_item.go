package openai

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
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
	id    string // of the first event with an id
	added []byte // of output_item.added
	done  []byte // of output_item.done, or of a document
	state string // status of the complete item; the terminal event may correct the status

	pieces [textSorts]pieces
	shown  []byte // the text or the arguments that the sink has; see show
	turn   int    // when the sink got the first text, in the order of items

	call             int // position of a call among the calls; -1 means not yet reported
	toldID, toldName string
}

// An itemText is a text in deltas, or whole.
type itemText struct {
	key  string
	text []byte    // the deltas so far
	half surrogate // half a surrogate pair
	full []byte    // text of the .done event; nil means no such event
}

// delta adds and returns more text. Some gateways wrap the text in an object.
func (p *itemText) delta(raw []byte) string {
	if rawjson.Kind(raw) == '{' {
		raw = rawjson.Member(raw, "text")
	}
	text := p.half.text(raw)
	p.text = append(p.text, text...)
	return text
}

// end takes the whole text and returns the part beyond the deltas. There is no
// such part if the whole text contradicts the deltas. An empty text behind deltas
// says nothing.
func (p *itemText) end(raw []byte) (rest string) {
	full := bytes.Clone(raw) // arguments as an object
	if rawjson.Kind(raw) == '"' {
		full = []byte(rawjson.Text(raw))
	}
	if len(p.text) > 0 && blank(string(full)) {
		return ""
	}
	p.full = full
	if more, ok := bytes.CutPrefix(p.full, p.text); ok {
		rest = string(more)
	}
	return rest
}

// appendTo appends the whole text.
func (p *itemText) appendTo(b []byte) []byte {
	switch {
	case p.full != nil:
		return append(b, p.full...)
	case p.half != nil: // without the second half
		return append(append(b, p.text...), "\uFFFD"...)
	}
	return append(b, p.text...)
}

// pieces are texts in order of appearance, each with the index from the server.
// The index is a key, never a position, because servers send wrong indices.
type pieces []*itemText

// mostPieces limits the texts of an item.
const mostPieces = maxPartMembers * maxPartMembers

func (ps *pieces) at(index []byte) (*itemText, error) {
	for _, p := range slices.Backward(*ps) { // nearly always the last
		if p.key == string(index) {
			return p, nil
		}
	}
	if len(*ps) == mostPieces {
		return nil, errTooMany
	}
	p := &itemText{key: string(index)}
	*ps = append(*ps, p)
	return p, nil
}

// value joins the texts without a separator.
func (ps pieces) value() string {
	var b []byte
	for _, p := range ps {
		b = p.appendTo(b)
	}
	return string(b)
}

// raw returns the known JSON of the item.
func (it *responseItem) raw() []byte {
	if it.done != nil {
		return it.done
	}
	return it.added
}

// announce reports a call to the sink as soon as the name is known.
func (it *responseItem) announce(a *responsesAnswer) error {
	if it.typ != "function_call" {
		return nil
	}
	id, name := rawjson.Scalar(rawjson.Member(it.raw(), "call_id")), rawjson.Text(rawjson.Member(it.raw(), "name"))
	switch {
	case name == "" || it.toldName == name && it.toldID == id:
		return nil
	case it.toldName != "":
		return a.note(fmt.Sprintf("item %d of the answer has changed its name or its call_id: the later ones count", it.place))
	}
	it.toldID, it.toldName = id, name
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

// show sends the sink a piece of text. A refusal is not shown. Open thoughts are
// not shown beside a summary, because the summary is the reasoning of the answer.
func (it *responseItem) show(a *responsesAnswer, s textSort, text string) error {
	if text == "" || s == refusalText || s == thoughtText && len(it.pieces[summaryText]) > 0 {
		return nil
	}
	return it.emit(a, text)
}

// emit sends the sink more text of the item, and keeps the text: the complete item
// must begin with all text that the sink has.
func (it *responseItem) emit(a *responsesAnswer, text string) error {
	first := len(it.shown) == 0
	it.shown = append(it.shown, text...)
	switch it.typ {
	case "message":
		a.speaks(it, &a.speaker, first)
		return a.emit(llm.TextDelta{Text: text})
	case "reasoning":
		a.speaks(it, &a.thinker, first)
		return a.emit(llm.ReasoningDelta{Text: text})
	}
	return a.emit(llm.CallDelta{Index: it.position(a), Arguments: text})
}

// catchUp sends the sink everything in full beyond the deltas. full is the binding
// text. A notice reports deltas that contradict full, because the sink cannot take
// deltas back.
func (it *responseItem) catchUp(a *responsesAnswer, full string) error {
	rest, ok := strings.CutPrefix(full, string(it.shown))
	switch {
	case !ok:
		return a.note(fmt.Sprintf("item %d of the answer differs from its deltas: the item counts", it.place))
	case rest == "":
		return nil
	}
	return it.emit(a, rest)
}

// said returns the text in the JSON of an item that the sink sees: the text of a
// message, the visible reasoning, or the arguments of a call.
func said(typ string, raw []byte) string {
	switch typ {
	case "message":
		return textsOf(raw)
	case "reasoning":
		return reasoningText(raw)
	case "function_call":
		return argumentsOf(raw)
	}
	return ""
}

// textsOf joins the texts of a message.
func textsOf(item []byte) string {
	content := rawjson.Member(item, "content")
	if rawjson.Kind(content) == '"' {
		return rawjson.Text(content)
	}
	var b strings.Builder
	for p := range rawjson.Elements(content) {
		if isSpoken(p) {
			b.WriteString(rawjson.Text(rawjson.Member(p, "text")))
		}
	}
	return b.String()
}

// isSpoken reports a part of a message with text.
func isSpoken(part []byte) bool {
	typ := rawjson.Text(rawjson.Member(part, "type"))
	return typ == "output_text" || typ == "text"
}

// argumentsOf returns the arguments of a call: usually a string, but some
// servers send an object. Any other value is kept, so that it is not taken for {}.
func argumentsOf(item []byte) string {
	v := rawjson.Member(item, "arguments")
	if rawjson.Kind(v) == '"' || rawjson.IsNull(v) {
		return rawjson.Text(v)
	}
	return string(v)
}

// silent reports whether the JSON of an item lacks text, or arguments. An absent or
// blank text never overrules the deltas.
func silent(typ string, raw []byte) bool {
	switch typ {
	case "message":
		return textsOf(raw) == "" && !slices.ContainsFunc(slices.Collect(rawjson.Elements(rawjson.Member(raw, "content"))), isRefusal)
	case "reasoning", "function_call":
		return blank(said(typ, raw))
	}
	return false
}

func isRefusal(part []byte) bool { return rawjson.Text(rawjson.Member(part, "type")) == "refusal" }

// orObject returns arguments, or {} for no arguments.
func orObject(arguments string) string {
	if blank(arguments) {
		return "{}"
	}
	return arguments
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
// reasoning, a call. An item of any other type has no parts.
func (it *responseItem) parts(logProbs, annotations *memberSet) (llm.Parts, error) {
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

// inPieces reports whether only the deltas and the .done events tell the item.
func (it *responseItem) inPieces(sorts ...textSort) bool {
	return (it.done == nil || silent(it.typ, it.done)) && slices.ContainsFunc(sorts, func(s textSort) bool { return len(it.pieces[s]) > 0 })
}

func (it *responseItem) messageParts(logProbs, annotations *memberSet) (parts llm.Parts) {
	if it.inPieces(spokenText, refusalText) {
		if text := it.pieces[spokenText].value(); text != "" {
			parts = append(parts, llm.Text{Text: text})
		}
		if refusal := it.pieces[refusalText].value(); refusal != "" {
			parts = append(parts, llm.Refusal{Text: refusal})
		}
		return parts
	}
	content := rawjson.Member(it.raw(), "content")
	if rawjson.Kind(content) == '"' {
		return llm.Parts{llm.Text{Text: rawjson.Text(content)}}
	}
	for p := range rawjson.Elements(content) {
		switch {
		case isSpoken(p):
			parts = append(parts, llm.Text{Text: rawjson.Text(rawjson.Member(p, "text"))})
			annotations.appendList("annotations", rawjson.Member(p, "annotations"))
			logProbs.appendList("content", rawjson.Member(p, "logprobs"))
		case isRefusal(p):
			parts = append(parts, llm.Refusal{Text: rawjson.Text(rawjson.Member(p, "refusal"))})
		}
	}
	return parts
}

func (it *responseItem) reasoningParts() llm.Parts {
	text, field := reasoningText(it.raw()), "summary"
	if it.inPieces(summaryText, thoughtText) {
		text = cmp.Or(it.pieces[summaryText].value(), it.pieces[thoughtText].value())
	}
	if summary := rawjson.Member(it.done, "summary"); rawjson.Kind(summary) != '[' || len(bytes.TrimSpace(summary)) <= len("[]") {
		field = "content"
	}
	if text == "" {
		return nil
	}
	return llm.Parts{llm.Reasoning{Text: text, Field: field}}
}

// arguments returns the arguments of a call, and whether they have an end. An end
// is a complete item, the .done event, or the last brace. Arguments in deltas need
// an end even if the item is complete, but lacks the arguments.
func (it *responseItem) arguments() (text string, whole bool) {
	text = argumentsOf(it.raw())
	pieces := it.pieces[argumentText]
	switch deltas := pieces.value(); {
	case it.done != nil && (!blank(text) || blank(deltas)):
		return text, true
	case !blank(deltas):
		text = deltas
	}
	return text, len(pieces) > 0 && pieces[0].full != nil || !blank(text) && !cutOff(text)
}

func (it *responseItem) callParts() (llm.Parts, error) {
	c := llm.ToolCall{ID: rawjson.Scalar(rawjson.Member(it.raw(), "call_id")), Name: rawjson.Text(rawjson.Member(it.raw(), "name"))}
	text, _ := it.arguments()
	c.Arguments = orObject(text)
	for name, v := range beside(it.raw()) {
		if len(c.Extra) == maxPartMembers {
			return nil, errTooMany
		}
		c.Extra = append(c.Extra, llm.Member{Name: name, Value: string(v)})
	}
	if c.Name == "" {
		return nil, fmt.Errorf("item %d of the answer is a call without a name", it.place)
	}
	return llm.Parts{c}, nil
}

// saidBy joins the texts and the arguments of parts.
func saidBy(parts llm.Parts) string {
	var b strings.Builder
	for _, p := range parts {
		switch p := p.(type) {
		case llm.Text:
			b.WriteString(p.Text)
		case llm.Reasoning:
			b.WriteString(p.Text)
		case llm.ToolCall:
			b.WriteString(p.Arguments)
		}
	}
	return b.String()
}
