package openai

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// openCall is a call without a result so far.
type openCall struct {
	id, wire, name string
	answered       bool
}

// fewCalls is the number of calls up to which a search through all calls costs less than
// an index.
const fewCalls = 16

// openCalls are the calls of one message. A hostile message can have very many calls,
// so no step for one call searches all of many calls.
type openCalls struct {
	list []openCall
	byID map[string][]int // the positions of those without an answer, in their order; nil for few calls
	used map[string]bool  // the ids of the request; nil for few calls
}

func newOpenCalls(n int) *openCalls {
	o := &openCalls{list: make([]openCall, 0, n)}
	if n > fewCalls {
		o.byID, o.used = make(map[string][]int, n), make(map[string]bool, n)
	}
	return o
}

func (o *openCalls) add(c openCall) {
	if o.byID != nil {
		o.byID[c.id] = append(o.byID[c.id], len(o.list))
		o.used[c.wire] = true
	}
	o.list = append(o.list, c)
}

// uses reports whether an earlier call has the id in the request.
func (o *openCalls) uses(wire string) bool {
	if o.used != nil {
		return o.used[wire]
	}
	return slices.ContainsFunc(o.list, func(c openCall) bool { return c.wire == wire })
}

// take removes and returns the call that a result with the id answers: the first open
// call with the id, or else the first open call without an id.
func (o *openCalls) take(id string) (openCall, bool) {
	if o == nil {
		return openCall{}, false
	}
	at := o.first(id)
	if at < 0 {
		at = o.first("")
	}
	if at < 0 {
		return openCall{}, false
	}
	if c := o.list[at]; o.byID != nil {
		o.byID[c.id] = o.byID[c.id][1:]
	}
	o.list[at].answered = true
	return o.list[at], true
}

// first returns the position of the first open call with the id, or -1.
func (o *openCalls) first(id string) int {
	if o.byID == nil {
		return slices.IndexFunc(o.list, func(c openCall) bool { return c.id == id && !c.answered })
	}
	if at := o.byID[id]; len(at) > 0 {
		return at[0]
	}
	return -1
}

// unanswered returns the calls without a result.
func (o *openCalls) unanswered() (calls []openCall) {
	if o == nil {
		return nil
	}
	for _, c := range o.list {
		if !c.answered {
			calls = append(calls, c)
		}
	}
	return calls
}

// noResult is the text of a missing result.
const noResult = "(no result: the call was not run, or it was interrupted)"

// maxShownID bounds an id in a notice.
const maxShownID = 80

// shownText introduces the pictures of results.
const shownText = "The images of the results above:"

// calls are the tool calls of the n-th message.
func (e *encoder) calls(calls []llm.ToolCall, n int) ([]byte, error) {
	e.open, e.called = newOpenCalls(len(calls)), true
	list := make([][]byte, len(calls))
	for i, call := range calls {
		o, typ := openCall{id: call.ID, wire: e.wireID(call.ID, n, i), name: wireName(call.Name)}, "function"
		if !e.rules.noCallExtra && isBuiltin(call) { // its name begins with a $
			o.name, typ = call.Name, builtin
		}
		e.open.add(o)
		f := fields{
			{"id", rawjson.AppendString(nil, o.wire)},
			{"type", rawjson.AppendString(nil, typ)},
			{"function", fields{
				{"name", rawjson.AppendString(nil, o.name)},
				{"arguments", rawjson.AppendString(nil, objectOr(call.Arguments))},
			}.object()},
		}
		if !e.rules.noCallExtra {
			if err := extend(&f, call.Extra); err != nil {
				return nil, fmt.Errorf("call %d: %w", i, err)
			}
		}
		list[i] = f.object()
	}
	return array(list), nil
}

func isBuiltin(c llm.ToolCall) bool {
	return slices.ContainsFunc(c.Extra, func(m llm.Member) bool { return m.Name == "type" && m.Value == `"`+builtin+`"` })
}

// wireID returns the id of the i-th call of the n-th message for the request. A missing
// or repeated id is replaced. The replacement depends only on the place of the call, so
// each request of the conversation has the same ids.
func (e *encoder) wireID(id string, n, i int) string {
	wire, made := id, ""
	if wire == "" {
		made = fmt.Sprintf("call_%d_%d", n, i)
		wire = made
	}
	wire = e.rules.ids.wire(wire)
	if e.rules.responses && len(wire) > 64 { // the longest call_id that the API takes
		wire = CallIDs40.wire(wire)
	}
	for e.open.uses(wire) {
		if made == "" {
			made = fmt.Sprintf("call_%d_%d", n, i)
		}
		wire, made = e.rules.ids.wire(made), made+"_"
	}
	return wire
}

// objectOr returns the arguments as the model wrote them, or {} if the arguments are
// not a JSON object: providers refuse such a history.
func objectOr(arguments string) string {
	if isObject(arguments) {
		return arguments
	}
	return "{}"
}

// results encodes the tool messages of m. A result without a call is left out,
// because every provider refuses the conversation otherwise. Errors come before the
// first call is taken, because the encoder and the copied encoder share the open
// calls.
func (e *encoder) results(b []byte, m llm.Message) ([]byte, error) {
	if len(m.Parts) == 0 {
		return b, errors.New("a message of role tool holds no result")
	}
	for _, p := range m.Parts {
		r, ok := p.(llm.ToolResult)
		if !ok {
			return b, fmt.Errorf("a message of role tool holds a %T", p)
		}
		if err := errors.Join(extend(new(fields), r.Extra), extend(new(fields), m.Extra)); err != nil {
			return b, err
		}
	}
	for _, r := range m.Results() {
		o, ok := e.open.take(r.CallID)
		if !ok {
			e.noteOrphan(r.CallID)
			continue
		}
		f := e.resultOf(o, r)
		if err := errors.Join(extend(&f, r.Extra), extend(&f, m.Extra)); err != nil {
			return b, err // impossible: the first loop has checked both
		}
		b = e.appendMessage(b, llm.RoleTool, f)
	}
	return b, nil
}

// noteOrphan notes that a result without a call was left out.
func (e *encoder) noteOrphan(callID string) {
	e.note("the result of the call %q was left out: no call before it waits for one", clip.Bytes(callID, maxShownID))
}

// resultOf encodes the result of a call.
func (e *encoder) resultOf(o openCall, r llm.ToolResult) fields {
	if e.rules.responses {
		return resultItem(o, e.itemOutput(r))
	}
	return e.result(o, e.resultText(r))
}

// result encodes a result of text.
func (e *encoder) result(o openCall, text string) fields {
	if e.rules.responses {
		return resultItem(o, rawjson.AppendString(nil, text))
	}
	f := fields{{"role", []byte(`"tool"`)}, {"tool_call_id", rawjson.AppendString(nil, o.wire)}}
	if e.rules.toolName {
		f.text("name", o.name)
	}
	f.text("content", text)
	return f
}

// endTurn ends the turn of the tools before the next message: every call gets a
// result, and a user message shows the pictures of the results.
func (e *encoder) endTurn(b []byte) ([]byte, error) {
	for _, o := range e.open.unanswered() {
		b = e.appendMessage(b, llm.RoleTool, e.result(o, noResult))
		e.note("the call %q has no result: one that says so was added", clip.Bytes(o.id, maxShownID))
	}
	e.open = nil
	if len(e.images) == 0 {
		return b, nil
	}
	f, err := e.rules.textMessage(llm.Message{Role: llm.RoleUser, Parts: append(llm.Parts{llm.Text{Text: shownText}}, e.images...)})
	if err != nil {
		return b, err
	}
	e.images = nil
	return e.appendMessage(b, llm.RoleUser, f), nil
}

// resultText returns the text of the result. Pictures are collected for the user
// message if the provider takes no pictures in results.
func (e *encoder) resultText(r llm.ToolResult) string {
	note := partNote
	if e.rules.images == ToolImagesUser {
		note = func(p llm.Part) string {
			image, ok := p.(llm.Image)
			if !ok {
				return partNote(p)
			}
			if _, err := imageURL(image); err != nil {
				return partNote(p) // without valid data there is only a note
			}
			e.images = append(e.images, image)
			return fmt.Sprintf("[image %d of the message that follows the results]", len(e.images))
		}
	}
	return e.cut(resultText(r, note), r.CallID)
}

// cut bounds the text of a result.
func (e *encoder) cut(text, callID string) string {
	if int64(len(text)) <= e.rules.maxResult {
		return text
	}
	e.note("the result of the call %q was cut: it has %d bytes", clip.Bytes(callID, maxShownID), len(text))
	return clip.Bytes(text, int(e.rules.maxResult)) + fmt.Sprintf("\n[The result is cut off here: it has %d bytes.]", len(text))
}

func (e *encoder) note(format string, args ...any) {
	e.notes = append(e.notes, fmt.Sprintf(format, args...))
}
