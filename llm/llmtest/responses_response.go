package llmtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// This file writes an answer in the form of the Responses API: each part of the
// message is an item. Frames stand to pieces as on Chat Completions (the first
// frame before all pieces, one frame for each piece, the last frame with the end),
// so faults do the same on both wires.

// encodeResponses returns the frames of the answer without its fault.
func (a *answer) encodeResponses(stream bool) []frame {
	if !stream {
		return []frame{{data: a.response(true).String() + "\n", whole: true}}
	}
	s := itemStream{answer: a, items: a.items(), last: a.lastPieces()}
	s.event("response.created", "response", a.response(false))
	s.event("response.in_progress", "response", a.response(false))
	s.frame(0, 0)
	for i, p := range a.pieces {
		s.piece(p, i)
		s.frame(a.delay, i+1)
	}
	for i := range s.items {
		s.open(i)
		s.close(i)
	}
	s.event("response."+a.status(), "response", a.response(true))
	s.frame(0, len(a.pieces))
	s.frames[len(s.frames)-1].whole = true
	return s.frames
}

// status returns the status of the complete response.
func (a *answer) status() string {
	switch a.resp.Finish.Reason {
	case llm.FinishLength, llm.FinishContentFilter:
		return "incomplete"
	case llm.FinishError:
		return "failed"
	}
	return "completed"
}

// response returns the response object, with items and usage if the response has ended.
func (a *answer) response(ended bool) rawjson.Object {
	status, items := "in_progress", []string{}
	var usage, completed any
	if ended {
		status, completed = a.status(), created
		usage = responsesUsage(a.resp.Usage, a.resp.RawUsage)
		for _, it := range a.items() {
			items = append(items, it.object(it.status(status)).String())
		}
	}
	failure, incomplete := a.failure(ended)
	out := rawjson.Object{}
	out.Set("id", a.resp.ID)
	out.Set("object", "response")
	out.Set("created_at", created)
	out.Set("status", status)
	out.Set("error", failure)
	out.Set("incomplete_details", incomplete)
	out.Set("model", a.resp.Model)
	out.Put("output", list(items))
	setDefaults(&out)
	out.Set("completed_at", completed)
	out.Set("usage", usage)
	out.Put("metadata", "{}")
	return append(out, a.resp.Extra...)
}

// failure returns the members "error" and "incomplete_details" of the response.
func (a *answer) failure(ended bool) (failure, incomplete any) {
	if !ended {
		return nil, nil
	}
	switch a.resp.Finish.Reason {
	case llm.FinishLength:
		return nil, map[string]string{"reason": "max_output_tokens"}
	case llm.FinishContentFilter:
		return nil, map[string]string{"reason": "content_filter"}
	case llm.FinishError:
		return map[string]string{"code": "server_error", "message": "The model failed on the way."}, nil
	}
	return nil, nil
}

// setDefaults sets the members that repeat the settings of a request, to OpenAI's
// defaults. Clients require these members, and no client uses the values.
func setDefaults(out *rawjson.Object) {
	for _, name := range []string{"instructions", "max_output_tokens", "max_tool_calls", "previous_response_id", "prompt_cache_key", "safety_identifier", "user"} {
		out.Set(name, nil)
	}
	out.Set("parallel_tool_calls", true)
	out.Put("reasoning", `{"effort":null,"summary":null}`)
	for _, name := range []string{"store", "background"} {
		out.Set(name, false)
	}
	for _, name := range []string{"temperature", "top_p"} {
		out.Set(name, 1)
	}
	for _, name := range []string{"presence_penalty", "frequency_penalty", "top_logprobs"} {
		out.Set(name, 0)
	}
	out.Set("service_tier", "default")
	out.Put("text", `{"format":{"type":"text"}}`)
	out.Set("tool_choice", "auto")
	out.Put("tools", "[]")
	out.Set("truncation", "disabled")
}

func list(values []string) string {
	b := []byte{'['}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, v...)
	}
	return string(append(b, ']'))
}

// An item is a part of the message in the form of the Responses API.
type item struct {
	id       string
	part     llm.Part
	logProbs string // JSON; of the first text

	encrypted bool // the client includes the encrypted content of reasoning
}

// items returns the parts of the message as items: calls last, as in a stream.
func (a *answer) items() (items []item) {
	logProbs := "[]"
	if members, err := llm.ParseMembers(a.resp.LogProbs); err == nil {
		for _, m := range members {
			if m.Name == "content" {
				logProbs = m.Value
			}
		}
	}
	add := func(p llm.Part) {
		it := item{part: p, logProbs: "[]", encrypted: a.encrypted}
		it.id = fmt.Sprintf("%s_%s_%d", it.prefix(), a.resp.ID, len(items))
		if _, ok := p.(llm.Text); ok {
			it.logProbs, logProbs = logProbs, "[]"
		}
		items = append(items, it)
	}
	for _, p := range a.resp.Message.Parts {
		if _, call := p.(llm.ToolCall); !call {
			add(p)
		}
	}
	for _, c := range a.resp.Message.Calls() {
		add(c)
	}
	return items
}

func (it item) prefix() string {
	switch it.part.(type) {
	case llm.ToolCall:
		return "fc"
	case llm.Reasoning:
		return "rs"
	case llm.RawPart:
		return "item"
	}
	return "msg"
}

// status returns the status of the item for the final status of the response. On real
// servers only the last item of a cut answer is incomplete; a script's items all have
// their whole text.
func (it item) status(response string) string {
	if response == "failed" {
		return "incomplete"
	}
	return response
}

// object returns the whole item.
func (it item) object(status string) rawjson.Object {
	if raw, ok := it.part.(llm.RawPart); ok {
		members, _ := llm.ParseMembers([]byte(raw.JSON)) // valid: checked before
		return rawjson.Object(members)
	}
	out := rawjson.Object{}
	out.Set("id", it.id)
	switch p := it.part.(type) {
	case llm.ToolCall:
		out.Set("type", "function_call")
		out.Set("status", status)
		out.Set("arguments", p.Arguments)
		out.Set("call_id", p.ID)
		out.Set("name", p.Name)
		return append(out, p.Extra...)
	case llm.Reasoning:
		out.Set("type", "reasoning")
		if p.Field == "content" {
			out.Put("summary", "[]")
			out.Put("content", list([]string{it.content().String()}))
		} else {
			out.Put("summary", list([]string{it.content().String()}))
		}
		if it.encrypted {
			out.Set("encrypted_content", ownContent+it.id)
		}
		return append(out, p.Extra...)
	}
	out.Set("type", "message")
	out.Set("status", status)
	out.Set("role", "assistant")
	out.Put("content", list([]string{it.content().String()}))
	return out
}

// content returns the content part of the item.
func (it item) content() rawjson.Object {
	out := rawjson.Object{}
	switch p := it.part.(type) {
	case llm.Text:
		out.Set("type", "output_text")
		out.Put("annotations", "[]")
		out.Put("logprobs", it.logProbs)
		out.Set("text", p.Text)
		return append(out, p.Extra...)
	case llm.Refusal:
		out.Set("type", "refusal")
		out.Set("refusal", p.Text)
	case llm.Reasoning:
		out.Set("type", "summary_text")
		if p.Field == "content" {
			out = rawjson.Object{}
			out.Set("type", "reasoning_text")
		}
		out.Set("text", p.Text)
	}
	return out
}

// responsesUsage returns the usage in the form of the Responses API: raw if raw is
// present, nil for a zero usage.
func responsesUsage(u llm.Usage, raw json.RawMessage) any {
	if raw != nil {
		return raw
	}
	if u == (llm.Usage{}) {
		return nil
	}
	input, output := rawjson.Object{}, rawjson.Object{}
	input.Set("cached_tokens", u.CachedTokens)
	if u.CacheWriteTokens > 0 {
		input.Set("cache_write_tokens", u.CacheWriteTokens)
	}
	if u.InputAudioTokens > 0 {
		input.Set("audio_tokens", u.InputAudioTokens)
	}
	output.Set("reasoning_tokens", u.ReasoningTokens)
	if u.OutputAudioTokens > 0 {
		output.Set("audio_tokens", u.OutputAudioTokens)
	}
	out := rawjson.Object{}
	out.Set("input_tokens", u.InputTokens)
	out.Set("input_tokens_details", input)
	out.Set("output_tokens", u.OutputTokens)
	out.Set("output_tokens_details", output)
	out.Set("total_tokens", u.TotalTokens)
	return out
}

// An itemStream writes the events of a stream.
type itemStream struct {
	answer *answer
	items  []item
	last   []int // by item: its last piece
	opened []bool
	closed []bool

	sequence int
	pending  string // events of the next frame
	frames   []frame
}

// lastPieces returns the last piece of each item; -1 for an item without pieces.
func (a *answer) lastPieces() []int {
	last := slices.Repeat([]int{-1}, len(a.resp.Message.Parts))
	for i, p := range a.pieces {
		last[p.item] = i
	}
	return last
}

func (s *itemStream) frame(wait time.Duration, pieces int) {
	s.frames = append(s.frames, frame{wait: wait, data: s.pending, pieces: pieces})
	s.pending = ""
}

// event adds an event with its type, the members of rest, and the member name.
func (s *itemStream) event(typ, name string, v any, rest ...llm.Member) {
	e := rawjson.Object{}
	e.Set("type", typ)
	e.Set("sequence_number", s.sequence)
	s.sequence++
	e = append(e, rest...)
	e.Set(name, v)
	s.pending += "event: " + typ + "\n" + event(e.String())
}

// place returns the members with the position of item i, or of a part of item i.
func (s *itemStream) place(i int, part string) rawjson.Object {
	out := rawjson.Object{}
	if part != "" {
		out.Set("item_id", s.items[i].id)
	}
	out.Set("output_index", i)
	if part != "" && part != "item" {
		out.Set(part, 0)
	}
	return out
}

// open adds the events for the begin of item i.
func (s *itemStream) open(i int) {
	if s.opened == nil {
		s.opened, s.closed = make([]bool, len(s.items)), make([]bool, len(s.items))
	}
	if s.opened[i] {
		return
	}
	s.opened[i] = true
	empty := s.items[i]
	switch p := empty.part.(type) {
	case llm.Text:
		empty.part = llm.Text{}
	case llm.Refusal:
		empty.part = llm.Refusal{}
	case llm.Reasoning:
		empty.part = llm.Reasoning{Field: p.Field}
	case llm.ToolCall:
		p.Arguments = ""
		empty.part = p
	}
	s.event("response.output_item.added", "item", s.withoutContent(empty), s.place(i, "")...)
	if e := s.partEvents(i); e.part != "" {
		s.event(e.part+".added", "part", empty.content(), s.place(i, e.index)...)
	}
}

// withoutContent returns the object of an item that has just begun.
func (s *itemStream) withoutContent(it item) rawjson.Object {
	out := it.object("in_progress")
	for i, m := range out {
		if m.Name == "content" || m.Name == "summary" {
			out[i].Value = "[]"
		}
	}
	return out
}

// eventNames has the names of the events and members of an item.
type eventNames struct {
	index string // the member with the index of the part
	part  string // of the events about the part; "": there are none
	text  string // of the events with the text
	whole string // the member with the whole text
}

func (s *itemStream) partEvents(i int) eventNames {
	switch p := s.items[i].part.(type) {
	case llm.Text:
		return eventNames{"content_index", "response.content_part", "response.output_text", "text"}
	case llm.Refusal:
		return eventNames{"content_index", "response.content_part", "response.refusal", "refusal"}
	case llm.ToolCall:
		return eventNames{"item", "", "response.function_call_arguments", "arguments"}
	case llm.Reasoning:
		if p.Field == "content" {
			return eventNames{"content_index", "response.content_part", "response.reasoning_text", "text"}
		}
		return eventNames{"summary_index", "response.reasoning_summary_part", "response.reasoning_summary_text", "text"}
	}
	return eventNames{}
}

// piece adds the events of piece n. The last piece of an item also ends the item.
func (s *itemStream) piece(p piece, n int) {
	s.open(p.item)
	if text := pieceText(p.part); text != "" {
		e := s.partEvents(p.item)
		s.event(e.text+".delta", "delta", text, s.place(p.item, e.index)...)
	}
	if s.last[p.item] == n {
		s.close(p.item)
	}
}

func pieceText(p llm.Part) string {
	switch p := p.(type) {
	case llm.Text:
		return p.Text
	case llm.Refusal:
		return p.Text
	case llm.Reasoning:
		return p.Text
	case llm.ToolCall:
		return p.Arguments
	}
	return ""
}

// close adds the events for the end of item i.
func (s *itemStream) close(i int) {
	if s.closed[i] {
		return
	}
	s.closed[i] = true
	it := s.items[i]
	if e := s.partEvents(i); e.text != "" {
		s.event(e.text+".done", e.whole, pieceText(it.part), s.place(i, e.index)...)
		if e.part != "" {
			s.event(e.part+".done", "part", it.content(), s.place(i, e.index)...)
		}
	}
	s.event("response.output_item.done", "item", it.object(it.status(s.answer.status())), s.place(i, "")...)
}
