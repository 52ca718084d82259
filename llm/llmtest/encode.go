package llmtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// created is the time that all answers bear, so that they are the same each time.
const created = 1_700_000_000

// write writes the answer as one JSON document.
func (a *answer) write(w http.ResponseWriter) {
	doc := a.document("chat.completion", a.choice("message", wireMessage(a.resp.Message), true))
	doc.set("usage", wireUsage(a.resp.Usage, a.resp.RawUsage))
	doc = append(doc, a.resp.Extra...)
	w.Header().Set("x-request-id", a.resp.RequestID)
	writeJSON(w, http.StatusOK, doc)
}

// stream writes the answer as server-sent events. A client that has gone ends it.
func (a *answer) stream(w http.ResponseWriter, r *http.Request, usage bool) {
	w.Header().Set("x-request-id", a.resp.RequestID)
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	s := &events{w: w, flush: http.NewResponseController(w), answer: a, usage: usage}
	err := s.delta(roleDelta(a.resp.Message))
	if err == nil {
		err = a.play(r.Context(), true, func(p piece) error { return s.delta(pieceDelta(p)) })
	}
	if err == nil {
		_ = s.end() // the last thing written: nothing is left to be done about it
	}
}

// events writes the chunks of one stream.
type events struct {
	w      http.ResponseWriter
	flush  *http.ResponseController
	answer *answer
	usage  bool // the client asked for a usage chunk
}

func (s *events) delta(delta object) error {
	return s.chunk(s.answer.choice("delta", delta, false))
}

func (s *events) chunk(choice object, extra ...llm.Member) error {
	doc := s.answer.document("chat.completion.chunk", choice)
	if s.usage {
		doc.set("usage", nil)
	}
	return s.send(append(doc, extra...).String())
}

// end writes what follows the last piece of the answer.
func (s *events) end() error {
	resp := s.answer.resp
	if len(resp.Message.Extra) > 0 {
		if err := s.delta(object(resp.Message.Extra)); err != nil {
			return err
		}
	}
	last := s.answer.choice("delta", object{}, true)
	if err := s.chunk(last, resp.Extra...); err != nil {
		return err
	}
	if err := s.count(); err != nil {
		return err
	}
	return s.send("[DONE]")
}

// count writes the chunk without a choice that has the usage.
func (s *events) count() error {
	if !s.usage {
		return nil
	}
	doc := s.answer.document("chat.completion.chunk", nil)
	doc.set("usage", wireUsage(s.answer.resp.Usage, s.answer.resp.RawUsage))
	return s.send(doc.String())
}

// send writes an event. There is no line break in data: what was raw is compacted.
func (s *events) send(data string) error {
	if _, err := fmt.Fprintf(s.w, "data: %s\n\n", data); err != nil {
		return err
	}
	return s.flush.Flush()
}

// document returns a completion or a chunk of one, up to its choices; a nil
// choice makes the list empty.
func (a *answer) document(kind string, choice object) object {
	choices := "[]"
	if choice != nil {
		choices = "[" + choice.String() + "]"
	}
	doc := object{}
	doc.set("id", a.resp.ID)
	doc.set("object", kind)
	doc.set("created", created)
	doc.set("model", a.resp.Model)
	return append(doc, llm.Member{Name: "choices", Value: choices})
}

// choice returns the one choice, whose content stands under name. How the answer
// ended stands in the last, or only, one.
func (a *answer) choice(name string, content object, last bool) object {
	finish := llm.Finish{}
	if last {
		finish = a.resp.Finish
	}
	choice := object{}
	choice.set("index", 0)
	choice.set(name, content)
	if last && a.resp.LogProbs != nil {
		choice = append(choice, llm.Member{Name: "logprobs", Value: string(a.resp.LogProbs)})
	} else {
		choice.set("logprobs", nil)
	}
	choice.set("finish_reason", orNull(finish.Raw))
	if finish.Native != "" {
		choice.set("native_finish_reason", finish.Native)
	}
	return choice
}

// wireMessage returns the message of an answer that is not streamed.
func wireMessage(m llm.Message) object {
	out := object{}
	out.set("role", "assistant")
	out.put("content", wireContent(m.Parts))
	out.set("refusal", orNull(m.Refusal()))
	var calls []string
	for _, p := range m.Parts {
		switch p := p.(type) {
		case llm.Reasoning:
			if !asPart(p) {
				out.set(p.Field, p.Text)
			}
		case llm.Audio:
			out.set("audio", wireAudio(p))
		case llm.ToolCall:
			calls = append(calls, wireCall(p).String())
		}
	}
	if calls != nil {
		out.put("tool_calls", "["+strings.Join(calls, ",")+"]")
	}
	return append(out, m.Extra...)
}

// wireContent is a string where there is text only, else the list of parts. An
// answer that is nothing but a call or a refusal has none.
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
			if asPart(p) {
				plain = false
				list = append(list, wireThought(p).String())
			}
		}
	}
	switch {
	case !plain:
		return "[" + strings.Join(list, ",") + "]"
	case list == nil && len(parts) > 0:
		return "null"
	}
	return quoted(text)
}

// roleDelta is the first chunk of a stream, which names the role.
func roleDelta(m llm.Message) object {
	delta := object{}
	delta.set("role", "assistant")
	if wireContent(m.Parts) == "null" {
		delta.set("content", nil)
	} else {
		delta.set("content", "")
	}
	return delta
}

func pieceDelta(p piece) object {
	delta := object{}
	switch part := p.part.(type) {
	case llm.Text:
		if part.Extra == nil {
			delta.set("content", part.Text)
		} else {
			delta.put("content", "["+wireText(part).String()+"]")
		}
	case llm.RawPart:
		delta.put("content", "["+part.JSON+"]")
	case llm.Reasoning:
		if asPart(part) {
			delta.put("content", "["+wireThought(part).String()+"]")
		} else {
			delta.set(part.Field, part.Text)
		}
	case llm.Refusal:
		delta.set("refusal", part.Text)
	case llm.Audio:
		delta.set("audio", wireAudio(part))
	case llm.ToolCall:
		delta.put("tool_calls", "["+callDelta(part, p.index).String()+"]")
	}
	return delta
}

// callDelta is a fragment of a call; only the first has an id and a name.
func callDelta(c llm.ToolCall, index int) object {
	out := object{}
	out.set("index", index)
	if c.ID == "" {
		out.set("function", map[string]string{"arguments": c.Arguments})
		return out
	}
	return append(out, wireCall(c)...)
}

func wireCall(c llm.ToolCall) object {
	function := object{}
	function.set("name", c.Name)
	function.set("arguments", c.Arguments)
	out := object{}
	out.set("id", c.ID)
	out.set("type", "function")
	out.set("function", function)
	return append(out, c.Extra...)
}

func wireText(t llm.Text) object {
	out := object{}
	out.set("type", "text")
	out.set("text", t.Text)
	return append(out, t.Extra...)
}

func wireThought(r llm.Reasoning) object {
	out := object{}
	out.set("type", "thinking")
	out.set("thinking", r.Text)
	return append(out, r.Extra...)
}

func wireAudio(a llm.Audio) object {
	out := object{}
	out.set("id", a.ID)
	out.set("data", a.Data)
	if a.Format != "" {
		out.set("format", a.Format)
	}
	out.set("transcript", a.Transcript)
	out.set("expires_at", created+3600)
	return append(out, a.Extra...)
}

// wireUsage returns the usage as OpenAI reports it; nothing for one that counts
// nothing, and raw where there is one.
func wireUsage(u llm.Usage, raw json.RawMessage) any {
	if raw != nil {
		return raw
	}
	if u == (llm.Usage{}) {
		return nil
	}
	prompt, completion := object{}, object{}
	prompt.set("cached_tokens", u.CachedTokens)
	prompt.set("audio_tokens", u.InputAudioTokens)
	if u.CacheWriteTokens > 0 {
		prompt.set("cache_write_tokens", u.CacheWriteTokens)
	}
	completion.set("reasoning_tokens", u.ReasoningTokens)
	completion.set("audio_tokens", u.OutputAudioTokens)
	out := object{}
	out.set("prompt_tokens", u.InputTokens)
	out.set("completion_tokens", u.OutputTokens)
	out.set("total_tokens", u.TotalTokens)
	out.set("prompt_tokens_details", prompt)
	out.set("completion_tokens_details", completion)
	return out
}

// readUsage reads the counts that wireUsage writes.
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
	_ = json.Unmarshal(raw, &u) // what is no count counts nothing
	return llm.Usage{
		InputTokens: u.Input, CachedTokens: u.Prompt.Cached, CacheWriteTokens: u.Prompt.CacheWrite, InputAudioTokens: u.Prompt.Audio,
		OutputTokens: u.Output, ReasoningTokens: u.Completion.Reasoning, OutputAudioTokens: u.Completion.Audio,
		TotalTokens: u.Total,
	}
}
