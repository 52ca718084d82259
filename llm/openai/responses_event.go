package openai

import (
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// A responsesEvent is one event of a stream. One pass over the event finds all
// members, because a pass for each member would cost more than the text is worth.
type responsesEvent struct {
	typ           []byte // without quotes
	index, itemID []byte
	contentIndex  []byte
	summaryIndex  []byte
	delta         []byte
	text          []byte // whole texts of the .done events
	refusal       []byte
	arguments     []byte
	item          []byte
	response      []byte
	failure       []byte // "error"
}

// readEvent reads an event. name is the "event" field, which counts if the
// object has no type.
func readEvent(name string, data []byte) (e responsesEvent) {
	for n, v := range rawjson.RawMembers(data) {
		switch string(n) {
		case "type":
			e.typ = rawjson.RawText(v)
		case "output_index":
			e.index = v
		case "item_id":
			e.itemID = v
		case "content_index":
			e.contentIndex = v
		case "summary_index":
			e.summaryIndex = v
		case "delta":
			e.delta = v
		case "text":
			e.text = v
		case "refusal":
			e.refusal = v
		case "arguments":
			e.arguments = v
		case "item":
			e.item = v
		case "response":
			e.response = v
		case "error":
			e.failure = v
		}
	}
	if len(e.typ) == 0 {
		e.typ = []byte(name)
	}
	return e
}

// event takes one event of a stream. end reports a terminal event: the answer is
// whole, and the client reads no further.
//
// This table decides about contradictions. "Notice" means that the sink gets a
// notice. One rule holds for all rows: the deltas that the sink got are the texts
// and arguments of the answer, or the sink got a notice.
//
//	an item differs from its deltas                      the item of output_item.done counts; notice
//	an item is done twice, or announced again            the later item counts; notice if the sink saw another text
//	two items of different types share an output_index   two items
//	two items of one type share an output_index          two items, if they have different ids and different texts
//	an item becomes another type under the same id       the item that is done counts; notice
//	an output_index is missing or unknown                the id of the item stands for the index; without an id, the open item of the type
//	an output_index jumps, or items take turns           the index orders the items; notice if the sink saw another order
//	deltas behind the end of their item                  do not count; notice
//	a call_id twice                                      equal calls are one; others are two
//	a call without a name                                an error with the place
//	an item is done without text or arguments            the deltas count, and arguments in deltas need an end; then the terminal event counts
//	arguments without an end, whatever the last event    an error with the place
//	arguments empty or without an end, no token left     the answer was cut off (finish reason length)
//	text or reasoning, no token left                     the answer was cut off (finish reason length)
//	incomplete_details has a reason beside any status    the answer was cut off or filtered
//	an item incomplete in a completed answer             the answer was cut off (finish reason length)
//	a message or a call with the status failed           an error with the place
//	an item never done, and the terminal event has it    the item of the terminal event counts
//	the terminal event has further or other items        the items of the stream count; notice
//	the terminal event has items, the stream has none    the items of the terminal event count
//	the event says incomplete, the status completed      incomplete
//	no terminal event                                    an error: truncated
//	events behind the terminal event                     are not read
func (a *responsesAnswer) event(e responsesEvent) (end bool, err error) {
	switch string(e.typ) {
	case "response.created", "response.in_progress", "response.queued":
		return false, a.response(e.response)
	case "response.completed", "response.incomplete", "response.done":
		return true, a.terminal(e)
	case "response.output_item.added":
		return false, a.added(e)
	case "response.output_item.done":
		return false, a.done(e)
	}
	if part, ok := partEvents[string(e.typ)]; ok {
		return false, a.partEvent(part, e)
	}
	if typ := string(e.typ); !isHostedEvent(typ) {
		a.skip(typ)
	}
	return false, nil
}

// A textSort is a sort of text that comes in pieces.
type textSort int

const (
	spokenText textSort = iota
	refusalText
	summaryText
	thoughtText // the open text of reasoning
	argumentText
	textSorts
)

// A partEvent describes an event with text of an item.
type partEvent struct {
	typ  string // of the item
	sort textSort
	done bool // the event has the whole text, not a piece
}

// partEvents are the events that carry text. response.reasoning is the name in
// Open Responses.
var partEvents = map[string]partEvent{
	"response.output_text.delta":             {"message", spokenText, false},
	"response.output_text.done":              {"message", spokenText, true},
	"response.refusal.delta":                 {"message", refusalText, false},
	"response.refusal.done":                  {"message", refusalText, true},
	"response.reasoning_summary_text.delta":  {"reasoning", summaryText, false},
	"response.reasoning_summary_text.done":   {"reasoning", summaryText, true},
	"response.reasoning_text.delta":          {"reasoning", thoughtText, false},
	"response.reasoning_text.done":           {"reasoning", thoughtText, true},
	"response.reasoning.delta":               {"reasoning", thoughtText, false},
	"response.reasoning.done":                {"reasoning", thoughtText, true},
	"response.function_call_arguments.delta": {"function_call", argumentText, false},
	"response.function_call_arguments.done":  {"function_call", argumentText, true},
}

// partIndex returns the index that tells the parts of an item apart.
func (e *responsesEvent) partIndex(s textSort) []byte {
	switch s {
	case summaryText:
		return e.summaryIndex
	case argumentText: // a call has one text
		return nil
	}
	return e.contentIndex
}

// whole returns the text of a .done event.
func (e *responsesEvent) whole(s textSort) []byte {
	switch s {
	case refusalText:
		return e.refusal
	case argumentText:
		return e.arguments
	}
	return e.text
}

// partEvent adds text to an item. A whole text replaces the deltas; the sink
// gets the text beyond the deltas.
func (a *responsesAnswer) partEvent(part partEvent, e responsesEvent) error {
	it, err := a.ofPart(part, e)
	if err != nil {
		return err
	}
	text, err := it.pieces[part.sort].at(e.partIndex(part.sort))
	if err != nil {
		return err
	}
	if it.done != nil || text.full != nil {
		return a.behind(it, part, e)
	}
	if !part.done {
		return it.show(a, part.sort, text.delta(e.delta))
	}
	full := e.whole(part.sort)
	if rawjson.IsNull(full) {
		return nil
	}
	return it.show(a, part.sort, text.end(full))
}

// behind decides about text for an item or a part that is complete. A repeated whole
// text says nothing new.
func (a *responsesAnswer) behind(it *responseItem, part partEvent, e responsesEvent) error {
	if part.done || len(rawjson.RawText(e.delta)) == 0 {
		return nil
	}
	return a.note(fmt.Sprintf("deltas came behind the end of item %d of the answer, and do not count", it.place))
}

// terminal reads the last event.
func (a *responsesAnswer) terminal(e responsesEvent) error {
	if err := a.response(e.response); err != nil {
		return err
	}
	switch typ := string(e.typ); {
	case typ == "response.incomplete", typ == "response.completed" && a.status != "incomplete":
		a.status = strings.TrimPrefix(typ, "response.")
	}
	output := rawjson.Member(e.response, "output")
	if len(a.items) == 0 {
		return a.whole(output)
	}
	return a.compare(output)
}

// isHostedEvent reports an event about a tool of the provider, about parts of an
// item, or for keeping the connection alive. The item
// itself repeats the content of such an event.
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
	if _, known := a.unknown[typ]; known || len(a.unknown) < maxPartMembers {
		a.unknown[typ]++
	}
}
