package openai

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A responsesAnswer collects one answer of the Responses API from one document
// or from the events of a stream. A document counts as a stream with complete
// items, so both produce equal Responses.
type responsesAnswer struct {
	emit   func(llm.Delta) error
	origin string // the host of the endpoint; see outputMember
	most   int64  // the token limit of the request; 0 means no limit was sent

	id, model string
	status    string // status of the response; "" until a terminal event or a document came
	reason    string // of incomplete_details
	usage     usageTotal
	extra     memberSet
	itemList                  // embedded: the answer reads and writes the list at every event
	calls     int             // number of function_call items so far
	unknown   map[string]int  // number of events by unknown type
	notices   map[string]bool // contradictions that were reported

	speaker, thinker *responseItem // the items whose text the sink got last
	turns            int
	mixed            bool // items took turns, so the sink saw another order than the answer has
	cut              bool // an item was cut off, whatever the status of the response says

	shape responsesShape // of a stream
}

func newResponsesAnswer(origin string, most int64, emit func(llm.Delta) error) *responsesAnswer {
	return &responsesAnswer{emit: emit, origin: origin, most: most}
}

// echoedMembers are members of a response that repeat the request, or that have a
// field in [llm.Response]. All further members go into Response.Extra.
var echoedMembers = []string{
	"background", "completed_at", "conversation", "created_at", "error", "frequency_penalty", "id", "include",
	"incomplete_details", "input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "model", "object",
	"output", "output_text", "parallel_tool_calls", "presence_penalty", "previous_response_id", "prompt", "prompt_cache_key",
	"prompt_cache_retention", "reasoning", "safety_identifier", "sequence_number", "status", "store", "stream", "temperature",
	"text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "usage", "user",
}

// document takes a whole response. ok is false if data has no list of items.
func (a *responsesAnswer) document(data []byte) (ok bool, err error) {
	output := rawjson.Member(data, "output")
	if rawjson.Kind(output) != '[' {
		return false, nil
	}
	if err := a.response(data); err != nil {
		return true, err
	}
	return true, a.whole(output)
}

// response reads the members of a response except the items.
func (a *responsesAnswer) response(data []byte) error {
	for name, v := range rawjson.RawMembers(data) {
		switch string(name) {
		case "id":
			a.id = cmp.Or(rawjson.Scalar(v), a.id)
		case "model":
			a.model = cmp.Or(rawjson.Text(v), a.model)
		case "status":
			a.status = rawjson.Text(v)
		case "incomplete_details":
			a.reason = rawjson.Text(rawjson.Member(v, "reason"))
		case "usage":
			a.usage.update(v)
		default:
			if !rawjson.IsEmpty(v) && !slices.Contains(echoedMembers, string(name)) {
				a.extra.replace(a.extra.name(name), v)
			}
		}
	}
	if a.extra.tooMany {
		return errTooMany
	}
	return nil
}

// speaks notes the item whose text goes to the sink.
func (a *responsesAnswer) speaks(it *responseItem, last **responseItem, first bool) {
	if *last == it {
		return
	}
	a.mixed = a.mixed || !first
	a.turns++
	it.turn, *last = a.turns, it
}

// note reports a contradiction once.
func (a *responsesAnswer) note(text string) error {
	if a.notices == nil {
		a.notices = map[string]bool{}
	}
	if a.notices[text] {
		return nil
	}
	a.notices[text] = true
	return a.emit(llm.Notice{Text: text})
}

// result ends the answer, which is known to be complete, and returns the
// Response.
func (a *responsesAnswer) result() (*llm.Response, error) {
	slices.SortStableFunc(a.items, compareItems)
	m := llm.Message{Role: llm.RoleAssistant}
	out := outputList{origin: a.origin}
	logProbs, annotations := &memberSet{}, &memberSet{}
	seen := map[string]llm.ToolCall{}
	a.cut = a.itemsCut()
	for _, it := range a.items {
		parts, err := a.close(it, logProbs, annotations)
		if err != nil {
			return nil, err
		}
		if skip, err := a.skips(it, seen, parts); err != nil {
			return nil, err
		} else if skip {
			continue
		}
		m.Parts = append(m.Parts, parts...)
		out.add(it, parts)
	}
	if len(m.Parts) > maxParts || logProbs.tooMany || annotations.tooMany {
		return nil, errTooMany
	}
	if err := a.order(); err != nil {
		return nil, err
	}
	m.Extra = append(annotations.members(), out.members()...)
	resp := &llm.Response{
		ID: a.id, Model: a.model, Message: m, Finish: a.ending(m),
		Usage: a.usage.usage, RawUsage: a.usage.raw, LogProbs: logProbs.object(), Extra: a.extra.members(),
	}
	if len(a.unknown) > 0 {
		resp.Extra = append(resp.Extra, llm.Member{Name: unknownEvents, Value: string(encoded(a.unknown))})
	}
	return resp, nil
}

// itemsCut reports whether an item has the status incomplete. Behind incomplete
// reasoning, an answer can go on.
func (a *responsesAnswer) itemsCut() bool {
	for i, it := range a.items {
		whole := it.typ != "message" && it.typ != "function_call" && (it.typ != "reasoning" || i < len(a.items)-1)
		if it.state == "incomplete" && !whole {
			return true
		}
	}
	return false
}

// close returns the parts of an item. The sink gets the rest of an item that was
// never done, or that was done without text.
func (a *responsesAnswer) close(it *responseItem, logProbs, annotations *memberSet) (llm.Parts, error) {
	if a.replaced(it) {
		return nil, nil
	}
	if err := a.check(it); err != nil {
		return nil, err
	}
	parts, err := it.parts(logProbs, annotations)
	if err != nil || it.done != nil && !silent(it.typ, it.done) {
		return parts, err
	}
	return parts, it.catchUp(a, saidBy(parts))
}

// check finds items that are not whole. Such an item ends the answer with the finish
// reason length if the answer says so or has used all tokens, and with an error
// otherwise: nobody may run a call that the model did not finish.
func (a *responsesAnswer) check(it *responseItem) error {
	if it.state == "failed" && (it.typ == "message" || it.typ == "function_call") {
		return fmt.Errorf("item %d of the answer has the status failed", it.place)
	}
	if it.typ != "function_call" || a.limited() {
		return nil
	}
	text, whole := it.arguments()
	switch {
	case a.spent() && (!whole || blank(text) || cutOff(text)):
		a.cut = true
	case !whole:
		return fmt.Errorf("item %d of the answer is a call, and its arguments have no end", it.place)
	}
	return nil
}

// skips reports whether the answer goes without the item: a copy of a call, or an
// item that was replaced.
func (a *responsesAnswer) skips(it *responseItem, seen map[string]llm.ToolCall, parts llm.Parts) (bool, error) {
	if a.replaced(it) {
		return true, a.note(fmt.Sprintf("item %d of the answer became an item of another type: the later one counts", it.place))
	}
	return a.repeats(seen, parts)
}

// order reports texts and calls whose deltas came out of order. Deltas cannot be
// moved.
func (a *responsesAnswer) order() error {
	turns := map[string]int{}
	calls := 0
	for _, it := range a.items {
		if it.typ == "function_call" {
			a.mixed = a.mixed || it.call >= 0 && it.call != calls
			calls++
		}
		if it.turn > 0 {
			a.mixed = a.mixed || it.turn < turns[it.typ]
			turns[it.typ] = it.turn
		}
	}
	if !a.mixed || len(a.notices) > 0 {
		return nil
	}
	return a.note("the items of the answer came in another order than their output_index says: the index counts")
}

// unknownEvents is the member of [llm.Response.Extra] that counts the events of
// unknown types, by type.
const unknownEvents = "unknown_events"

// repeats reports whether parts is a call that came before, with the same id,
// name and arguments. A different call with a known id is a separate call, and
// the encoder replaces its id.
func (a *responsesAnswer) repeats(seen map[string]llm.ToolCall, parts llm.Parts) (bool, error) {
	if len(parts) != 1 {
		return false, nil
	}
	call, ok := parts[0].(llm.ToolCall)
	if !ok || call.ID == "" {
		return false, nil
	}
	before, known := seen[call.ID]
	seen[call.ID] = call
	if !known || before.Name != call.Name || before.Arguments != call.Arguments {
		return false, nil
	}
	return true, a.note(fmt.Sprintf("the call %q came twice and counts once", clip.Bytes(call.ID, maxShownID)))
}

// compareItems orders items by output_index. Items without an output_index keep
// the order of appearance.
func compareItems(a, b *responseItem) int {
	if a.indexed && b.indexed {
		return cmp.Compare(a.index, b.index)
	}
	return cmp.Compare(a.place, b.place)
}

// ending returns the finish reason. The API has no finish reason for calls: the
// items show calls.
func (a *responsesAnswer) ending(m llm.Message) llm.Finish {
	f := llm.FinishOf(a.status, a.reason)
	switch {
	case a.limited():
		if f.Reason != llm.FinishContentFilter && f.Reason != llm.FinishError {
			f.Reason = llm.FinishLength
		}
	case len(m.Calls()) > 0:
		f.Reason = llm.FinishToolCalls
	case a.spent():
		// llama.cpp and Ollama report "completed" for text that the limit cut off. An
		// honest server reaches the limit by chance only, and length is true there too.
		f.Reason = llm.FinishLength
	default:
		f.Reason = llm.FinishStop
	}
	return f
}

// limited reports whether anything says that the answer was cut off: the status,
// the reason in incomplete_details, even beside the status completed, or an item.
func (a *responsesAnswer) limited() bool {
	if a.cut || a.status == "incomplete" {
		return true
	}
	switch llm.FinishOf(a.status, a.reason).Reason {
	case llm.FinishLength, llm.FinishContentFilter, llm.FinishError:
		return true
	case llm.FinishOther:
		return a.status == "" && a.reason != ""
	}
	return false
}

// spent reports whether the answer used all tokens of its limit.
func (a *responsesAnswer) spent() bool {
	return a.most > 0 && a.usage.usage.OutputTokens >= a.most
}

// cutOff reports whether arguments are the beginning of a JSON object.
func cutOff(arguments string) bool {
	if rawjson.Kind([]byte(arguments)) != '{' || rawjson.Valid(arguments) {
		return false
	}
	var n nesting
	n.addString(arguments)
	return !n.complete()
}
