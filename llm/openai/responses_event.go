package openai

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// event takes one event of a stream. end says that the event was a terminal one:
// the answer is whole then, and nothing behind it is read.
//
// What contradicts itself is decided by this table:
//
//	an item differs from its deltas             the item of output_item.done counts; a notice says so
//	the terminal event has other items          the items of the stream count, other than ciphertext that they lack
//	the terminal event has items, the stream none  those of the terminal event count
//	an output_index is missing                  the id of the item stands for it
//	an output_index jumps or repeats            it only names and orders the items
//	a call_id comes twice                       equal calls are one; others are two
//	a call without a name                       an error
//	arguments end in the middle, no token left   the answer was cut off (finish reason length)
//	no terminal event                           an error: truncated
//	events behind the terminal event            are not read
func (a *responsesAnswer) event(name string, data []byte) (end bool, err error) {
	typ := cmp.Or(rawjson.Text(rawjson.Member(data, "type")), name)
	switch typ {
	case "response.created", "response.in_progress", "response.queued":
		return false, a.response(rawjson.Member(data, "response"))
	case "response.completed", "response.incomplete":
		return true, a.terminal(typ, rawjson.Member(data, "response"))
	case "response.output_item.added", "response.output_item.done":
		return false, a.itemEvent(typ, data)
	}
	if kind, known := strings.CutPrefix(typ, "response."); known {
		if take, ok := partEvents[kind]; ok {
			return false, a.partEvent(take, data)
		}
	}
	if !isHostedEvent(typ) {
		a.skip(typ)
	}
	return false, nil
}

// A partEvent describes an event with text of an item.
type partEvent struct {
	typ   string // of the item
	index string // the member that tells the parts of the item apart; "": there is one
	text  func(*responseItem) *pieces
	delta func(it *responseItem, a *responsesAnswer, text string) llm.Delta
	whole string // the member with the whole text, of a .done event; "": delta has a piece
}

func textOf(it *responseItem) *pieces    { return &it.texts }
func refusalOf(it *responseItem) *pieces { return &it.refusals }
func summaryOf(it *responseItem) *pieces { return &it.summaries }
func thoughtOf(it *responseItem) *pieces { return &it.thoughts }

func textDelta(_ *responseItem, _ *responsesAnswer, text string) llm.Delta {
	return llm.TextDelta{Text: text}
}

func reasoningDelta(_ *responseItem, _ *responsesAnswer, text string) llm.Delta {
	return llm.ReasoningDelta{Text: text}
}

func callDelta(it *responseItem, a *responsesAnswer, text string) llm.Delta {
	return llm.CallDelta{Index: it.position(a), Arguments: text}
}

func noDelta(*responseItem, *responsesAnswer, string) llm.Delta { return nil }

// partEvents are the events that carry text, without "response." in front.
var partEvents = map[string]partEvent{
	"output_text.delta":             {"message", "content_index", textOf, textDelta, ""},
	"output_text.done":              {"message", "content_index", textOf, textDelta, "text"},
	"refusal.delta":                 {"message", "content_index", refusalOf, noDelta, ""},
	"refusal.done":                  {"message", "content_index", refusalOf, noDelta, "refusal"},
	"reasoning_summary_text.delta":  {"reasoning", "summary_index", summaryOf, reasoningDelta, ""},
	"reasoning_summary_text.done":   {"reasoning", "summary_index", summaryOf, reasoningDelta, "text"},
	"reasoning_text.delta":          {"reasoning", "content_index", thoughtOf, reasoningDelta, ""},
	"reasoning_text.done":           {"reasoning", "content_index", thoughtOf, reasoningDelta, "text"},
	"reasoning.delta":               {"reasoning", "content_index", thoughtOf, reasoningDelta, ""}, // as Open Responses has it
	"reasoning.done":                {"reasoning", "content_index", thoughtOf, reasoningDelta, "text"},
	"function_call_arguments.delta": {"function_call", "", nil, callDelta, ""},
	"function_call_arguments.done":  {"function_call", "", nil, callDelta, "arguments"},
}

// partEvent adds text to an item. A whole text replaces the deltas; the sink
// gets the text beyond the deltas.
func (a *responsesAnswer) partEvent(e partEvent, data []byte) error {
	it, err := a.item(itemKey(data), nil)
	if err != nil {
		return err
	}
	it.typ = cmp.Or(it.typ, e.typ)
	text := &it.arguments
	if e.text != nil {
		all := e.text(it)
		if len(all.keys) == mostPartMembers*mostPartMembers {
			return errTooMany
		}
		text = all.at(rawjson.Scalar(rawjson.Member(data, e.index)))
	}
	var more string
	if e.whole == "" {
		more = text.delta(rawjson.Member(data, "delta"))
	} else {
		full := rawjson.Member(data, e.whole)
		if rawjson.IsNull(full) {
			return nil
		}
		if rawjson.Kind(full) == '"' {
			full = []byte(rawjson.Text(full))
		}
		more, _ = strings.CutPrefix(string(full), string(text.text))
		if !bytes.HasPrefix(full, text.text) {
			more = ""
		}
		text.full = bytes.Clone(full)
		text.text = append(text.text, more...)
	}
	if d := e.delta(it, a, more); d != nil && more != "" {
		return a.emit(d)
	}
	return nil
}

// itemKey identifies the item of an event by output_index, or by the item's id
// if the server sends no index.
func itemKey(data []byte) string {
	if index := rawjson.Scalar(rawjson.Member(data, "output_index")); index != "" {
		return index
	}
	return "id " + cmp.Or(rawjson.Scalar(rawjson.Member(data, "item_id")), rawjson.Scalar(rawjson.Member(rawjson.Member(data, "item"), "id")))
}

func (a *responsesAnswer) itemEvent(typ string, data []byte) error {
	raw := rawjson.Member(data, "item")
	if rawjson.Kind(raw) != '{' {
		return nil
	}
	if typ == "response.output_item.done" {
		it, err := a.item(itemKey(data), nil)
		if err != nil {
			return err
		}
		return a.finish(it, raw)
	}
	_, err := a.item(itemKey(data), raw)
	return err
}

// terminal reads the last event. The items in the event count only if the
// stream had none: the list may be empty, or have different ids. The exception
// is the encrypted content of a reasoning item, if the stream lacked the
// encrypted content.
func (a *responsesAnswer) terminal(typ string, response []byte) error {
	if err := a.response(response); err != nil {
		return err
	}
	if a.status == "" || a.status == "in_progress" {
		a.status = strings.TrimPrefix(typ, "response.")
	}
	output := rawjson.Member(response, "output")
	if len(a.items) == 0 {
		return a.whole(output)
	}
	n := 0
	for raw := range rawjson.Elements(output) {
		a.complete(n, raw)
		n++
	}
	return nil
}

// complete adds the encrypted content to the reasoning item with that id, or at
// that place.
func (a *responsesAnswer) complete(place int, raw []byte) {
	if rawjson.IsEmpty(rawjson.Member(raw, "encrypted_content")) {
		return
	}
	id := rawjson.Scalar(rawjson.Member(raw, "id"))
	at := slices.IndexFunc(a.items, func(it *responseItem) bool {
		return it.typ == "reasoning" && (id != "" && rawjson.Scalar(rawjson.Member(it.raw(), "id")) == id || it.indexed && it.index == place)
	})
	if at >= 0 && rawjson.IsEmpty(rawjson.Member(a.items[at].raw(), "encrypted_content")) {
		a.items[at].done = slices.Clone(raw)
	}
}

// isHostedEvent reports an event about a tool that the provider runs, about parts
// of an item, or one that only keeps the connection alive. The item has all that
// such an event says.
func isHostedEvent(typ string) bool {
	switch typ {
	case "keepalive", "ping", "":
		return true
	case "response.content_part.added", "response.content_part.done", "response.output_text.annotation.added",
		"response.reasoning_summary_part.added", "response.reasoning_summary_part.done",
		"response.reasoning_part.added", "response.reasoning_part.done":
		return true
	}
	return strings.HasPrefix(typ, "response.") && hostedEvent.MatchString(typ)
}

// skip counts an unknown event.
func (a *responsesAnswer) skip(typ string) {
	if a.unknown == nil {
		a.unknown = map[string]int{}
	}
	typ = clip.Bytes(typ, maxShownID)
	if _, known := a.unknown[typ]; known || len(a.unknown) < mostPartMembers {
		a.unknown[typ]++
	}
}
