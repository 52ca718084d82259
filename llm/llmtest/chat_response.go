package llmtest

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// created is the time in all answers, so that equal scripts give equal bytes.
const created = 1_700_000_000

// encode returns the frames of the answer without its fault. usage adds the usage
// chunk to a stream.
func (a *answer) encode(stream, usage bool) []frame {
	if !stream {
		return []frame{{data: a.completion(), whole: true}}
	}
	c := chunks{answer: a, usage: usage}
	c.delta(roleDelta(a.resp.Message))
	for i, p := range a.pieces {
		c.delta(pieceDelta(p))
		c.last().wait, c.last().pieces = a.delay, i+1
	}
	c.end()
	return c.frames
}

// completion returns the answer as a JSON document.
func (a *answer) completion() string {
	doc := a.document("chat.completion", a.choice("message", wireMessage(a.resp.Message), true))
	doc.Set("usage", wireUsage(a.resp.Usage, a.resp.RawUsage))
	return append(doc, a.resp.Extra...).String() + "\n"
}

// chunks collects the events of a stream.
type chunks struct {
	answer *answer
	usage  bool
	frames []frame
}

func (c *chunks) last() *frame { return &c.frames[len(c.frames)-1] }

func (c *chunks) delta(delta rawjson.Object) {
	c.chunk(c.answer.choice("delta", delta, false))
}

func (c *chunks) chunk(choice rawjson.Object, extra ...llm.Member) {
	doc := c.answer.document("chat.completion.chunk", choice)
	if c.usage {
		doc.Set("usage", nil)
	}
	c.send(append(doc, extra...).String())
}

// send appends an event. data has no line break, because raw JSON was compacted.
func (c *chunks) send(data string) {
	pieces := 0
	if len(c.frames) > 0 {
		pieces = c.last().pieces
	}
	c.frames = append(c.frames, frame{data: event(data), pieces: pieces})
}

func event(data string) string { return "data: " + data + "\n\n" }

// end appends the frames after the last piece of the answer.
func (c *chunks) end() {
	resp := c.answer.resp
	if len(resp.Message.Extra) > 0 {
		c.delta(rawjson.Object(resp.Message.Extra))
	}
	c.chunk(c.answer.choice("delta", rawjson.Object{}, true), resp.Extra...)
	c.last().whole = true
	if c.usage {
		doc := c.answer.document("chat.completion.chunk", nil)
		doc.Set("usage", wireUsage(resp.Usage, resp.RawUsage))
		c.send(doc.String())
	}
	c.send("[DONE]")
}

// document returns a completion or a chunk up to "choices". The list is empty if
// choice is nil.
func (a *answer) document(kind string, choice rawjson.Object) rawjson.Object {
	choices := "[]"
	if choice != nil {
		choices = "[" + choice.String() + "]"
	}
	doc := rawjson.Object{}
	doc.Set("id", a.resp.ID)
	doc.Set("object", kind)
	doc.Set("created", created)
	doc.Set("model", a.resp.Model)
	return append(doc, llm.Member{Name: "choices", Value: choices})
}

// choice returns the only choice of a document, with its content under name. The
// finish reason is in the last chunk, or in the only document.
func (a *answer) choice(name string, content rawjson.Object, last bool) rawjson.Object {
	finish := llm.Finish{}
	if last {
		finish = a.resp.Finish
	}
	choice := rawjson.Object{}
	choice.Set("index", 0)
	choice.Set(name, content)
	if last && a.resp.LogProbs != nil {
		choice = append(choice, llm.Member{Name: "logprobs", Value: string(a.resp.LogProbs)})
	} else {
		choice.Set("logprobs", nil)
	}
	choice.Set("finish_reason", orNull(finish.Raw))
	if finish.Native != "" {
		choice.Set("native_finish_reason", finish.Native)
	}
	return choice
}

// wireMessage returns the message of an answer that is not streamed.
func wireMessage(m llm.Message) rawjson.Object {
	out := rawjson.Object{}
	out.Set("role", "assistant")
	out.Put("content", wireContent(m.Parts))
	out.Set("refusal", orNull(m.Refusal()))
	var calls []string
	for _, p := range m.Parts {
		switch p := p.(type) {
		case llm.Reasoning:
			if !isContentPart(p) {
				out.Set(p.Field, p.Text)
			}
		case llm.Audio:
			out.Set("audio", wireAudio(p))
		case llm.ToolCall:
			calls = append(calls, wireCall(p).String())
		}
	}
	extra := slices.Clone(m.Extra)
	if i := slices.IndexFunc(extra, isHosted); i >= 0 && calls != nil {
		calls = append(calls, strings.TrimSuffix(strings.TrimPrefix(extra[i].Value, "["), "]")) // compacted
		extra = slices.Delete(extra, i, i+1)
	}
	if calls != nil {
		out.Put(toolCalls, "["+strings.Join(calls, ",")+"]")
	}
	return append(out, extra...)
}

// wireContent returns the JSON of "content": a string for plain texts, otherwise a
// list of parts. The result is null for an answer with only calls or a refusal.
func wireContent(parts llm.Parts) string {
	var text string
	var list []string
	plain := true
	for _, p := range parts {
		switch p := p.(type) {
		case llm.Text:
			plain = plain && p.Extra == nil
			text += p.Text
			list = append(list, wireText(p).String())
		case llm.RawPart:
			plain = false
			list = append(list, p.JSON)
		case llm.Reasoning:
			if isContentPart(p) {
				plain = false
				list = append(list, wireThinking(p).String())
			}
		}
	}
	switch {
	case !plain:
		return "[" + strings.Join(list, ",") + "]"
	case list == nil && len(parts) > 0:
		return "null"
	}
	return rawjson.Quote(text)
}

// roleDelta returns the delta of the first chunk, with the role.
func roleDelta(m llm.Message) rawjson.Object {
	delta := rawjson.Object{}
	delta.Set("role", "assistant")
	if wireContent(m.Parts) == "null" {
		delta.Set("content", nil)
	} else {
		delta.Set("content", "")
	}
	return delta
}

func pieceDelta(p piece) rawjson.Object {
	delta := rawjson.Object{}
	switch part := p.part.(type) {
	case llm.Text:
		if part.Extra == nil {
			delta.Set("content", part.Text)
		} else {
			delta.Put("content", "["+wireText(part).String()+"]")
		}
	case llm.RawPart:
		delta.Put("content", "["+part.JSON+"]")
	case llm.Reasoning:
		if isContentPart(part) {
			delta.Put("content", "["+wireThinking(part).String()+"]")
		} else {
			delta.Set(part.Field, part.Text)
		}
	case llm.Refusal:
		delta.Set("refusal", part.Text)
	case llm.Audio:
		delta.Set("audio", wireAudio(part))
	case llm.ToolCall:
		delta.Put("tool_calls", "["+callDelta(part, p.index).String()+"]")
	}
	return delta
}

// callDelta returns a fragment of a call. Only the first fragment has an id and a
// name.
func callDelta(c llm.ToolCall, index int) rawjson.Object {
	out := rawjson.Object{}
	out.Set("index", index)
	if c.ID == "" {
		out.Set("function", map[string]string{"arguments": c.Arguments})
		return out
	}
	return append(out, wireCall(c)...)
}

func wireCall(c llm.ToolCall) rawjson.Object {
	function := rawjson.Object{}
	function.Set("name", c.Name)
	function.Set("arguments", c.Arguments)
	out := rawjson.Object{}
	out.Set("id", c.ID)
	if !slices.ContainsFunc(c.Extra, isBuiltin) {
		out.Set("type", "function")
	}
	out.Set("function", function)
	return append(out, c.Extra...)
}

func wireText(t llm.Text) rawjson.Object {
	out := rawjson.Object{}
	out.Set("type", "text")
	out.Set("text", t.Text)
	return append(out, t.Extra...)
}

func wireThinking(r llm.Reasoning) rawjson.Object {
	out := rawjson.Object{}
	out.Set("type", "thinking")
	out.Set("thinking", r.Text)
	return append(out, r.Extra...)
}

func wireAudio(a llm.Audio) rawjson.Object {
	out := rawjson.Object{}
	out.Set("id", a.ID)
	out.Set("data", a.Data)
	if a.Format != "" {
		out.Set("format", a.Format)
	}
	out.Set("transcript", a.Transcript)
	out.Set("expires_at", created+3600)
	return append(out, a.Extra...)
}

// wireUsage returns the usage in OpenAI's form: raw if raw is present, nil for a zero
// usage.
func wireUsage(u llm.Usage, raw json.RawMessage) any {
	if raw != nil {
		return raw
	}
	if u == (llm.Usage{}) {
		return nil
	}
	prompt, completion := rawjson.Object{}, rawjson.Object{}
	prompt.Set("cached_tokens", u.CachedTokens)
	prompt.Set("audio_tokens", u.InputAudioTokens)
	if u.CacheWriteTokens > 0 {
		prompt.Set("cache_write_tokens", u.CacheWriteTokens)
	}
	completion.Set("reasoning_tokens", u.ReasoningTokens)
	completion.Set("audio_tokens", u.OutputAudioTokens)
	out := rawjson.Object{}
	out.Set("prompt_tokens", u.InputTokens)
	out.Set("completion_tokens", u.OutputTokens)
	out.Set("total_tokens", u.TotalTokens)
	out.Set("prompt_tokens_details", prompt)
	out.Set("completion_tokens_details", completion)
	return out
}

// readUsage reads the counts of a usage in OpenAI's form.
func readUsage(raw json.RawMessage) llm.Usage {
	type details struct {
		Cached     int64 `json:"cached_tokens"`
		CacheWrite int64 `json:"cache_write_tokens"`
		Reasoning  int64 `json:"reasoning_tokens"`
		Audio      int64 `json:"audio_tokens"`
	}
	var u struct {
		Input      int64   `json:"prompt_tokens"`
		Output     int64   `json:"completion_tokens"`
		Total      int64   `json:"total_tokens"`
		Prompt     details `json:"prompt_tokens_details"`
		Completion details `json:"completion_tokens_details"`
	}
	_ = json.Unmarshal(raw, &u) // other types than numbers count as zero
	return llm.Usage{
		InputTokens: u.Input, CachedTokens: u.Prompt.Cached, CacheWriteTokens: u.Prompt.CacheWrite, InputAudioTokens: u.Prompt.Audio,
		OutputTokens: u.Output, ReasoningTokens: u.Completion.Reasoning, OutputAudioTokens: u.Completion.Audio,
		TotalTokens: u.Total,
	}
}
