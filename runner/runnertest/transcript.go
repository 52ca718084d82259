package runnertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Transcript shows a run as text that is the same each time the run is: who
// said what in which turn, each call with the arguments that its function got
// and what the model read of it, failures, limits, what it cost, and the end.
// It is for golden files and for people; there is no way to read it back.
//
// Results stand with their calls, in the order of the model, whatever finished
// first. There are no times, and no names of models. Ids that the provider gave
// to calls and answers are left out, and replaced where a text repeats them; so
// are the random id of the run, and the ports of loopback addresses. Texts longer
// than 4000 characters are cut; how much was left out stands there, with a
// digest of the whole, so that no change goes unseen. Images, sound and files
// are shown as their type, size and digest. Characters that do not print are
// written as Go writes them.
//
// Of a session it shows the one run that the Result is of. It panics if result
// is nil, which the Result of a Run never is.
func Transcript(result *runner.Result) string {
	w := &writer{trace: traceOf(result), normal: normalizer(result.Events)}
	if len(result.Events) == 0 {
		w.heading(0, "the run did not begin")
	}
	for _, e := range result.Events {
		w.event(e)
	}
	return w.b.String()
}

// A writer writes a transcript. What the run's texts say is indented below
// headings of ours, so that no text can pass for a heading.
type writer struct {
	*trace
	normal func(string) string
	b      strings.Builder
}

func (w *writer) event(e event.Event) {
	switch b := e.Body.(type) {
	case event.RunStarted:
		w.heading(0, fmt.Sprintf("run %d: %s", b.Run, b.Agent))
	case event.UserMessaged:
		w.message(b.Message)
	case event.TurnPrepared:
		if b.Instructions != nil {
			w.section("instructions")
			w.text(1, *b.Instructions)
		}
	case event.ModelAnswered:
		w.answer(b)
	case event.ToolCallFinished:
		if w.byRef[b.Call] == nil {
			w.section("left open by an earlier run")
			w.result(&b)
		}
	case event.OutputRejected:
		w.section("answer rejected: " + b.Reason)
		w.parts(b.Message.Parts)
	case event.LimitReached:
		w.section(fmt.Sprintf("limit reached: %s, %d", b.Limit, b.Max))
	case event.RunFinished:
		w.section("finished after " + turns(b.Turns) + ", " + cost(b.Usage))
	case event.RunFailed:
		w.section("failed after " + turns(b.Turns) + ", " + cost(b.Usage))
		w.text(1, b.Error)
	}
}

// answer shows an answer, and behind each call what became of it.
func (w *writer) answer(b event.ModelAnswered) {
	reason := b.Finish.Reason
	if reason == "" {
		reason = "no finish reason"
	}
	w.section(fmt.Sprintf("turn %d: %s, %s", b.Turn, reason, cost(b.Usage)))
	if len(b.Message.Parts) == 0 {
		w.heading(1, "nothing")
	}
	calls := w.ofTurn(b.Turn)
	for _, p := range b.Message.Parts {
		if _, ok := p.(llm.ToolCall); ok && len(calls) > 0 {
			w.call(calls[0])
			calls = calls[1:]
			continue
		}
		w.part(p)
	}
}

func (w *writer) call(c *traced) {
	heading := fmt.Sprintf("call %s %s", c.ref, quoted(c.asked.Name))
	if c.started == nil {
		w.heading(1, heading+" (did not start)")
		w.json(2, c.asked.Arguments)
	} else {
		w.heading(1, heading)
		w.start(c.started)
	}
	if c.finished == nil {
		w.heading(1, fmt.Sprintf("result %s: none", c.ref))
		return
	}
	w.result(c.finished)
}

// start shows what the function got.
func (w *writer) start(b *event.ToolCallStarted) {
	w.json(2, b.Arguments)
}

func (w *writer) result(b *event.ToolCallFinished) {
	heading := "result " + string(b.Call)
	if b.Failure != "" {
		heading += ": " + b.Failure
	}
	w.heading(1, heading)
	for _, p := range b.Result.Parts {
		w.content(2, p)
	}
	if b.Error != "" && b.Error != b.Result.Text() {
		w.heading(1, fmt.Sprintf("cause %s", b.Call))
		w.text(2, b.Error)
	}
}

// message shows a message that was given to the run.
func (w *writer) message(m llm.Message) {
	w.section(quoted(string(m.Role)))
	w.parts(m.Parts)
}

// parts shows parts, without a heading of its own for what is only text.
func (w *writer) parts(parts llm.Parts) {
	for _, p := range parts {
		if t, ok := p.(llm.Text); ok && len(parts) == 1 {
			w.text(1, t.Text)
			return
		}
		w.part(p)
	}
}

func (w *writer) part(p llm.Part) {
	switch p := p.(type) {
	case llm.Text:
		w.heading(1, "text")
	case llm.Reasoning:
		w.heading(1, "reasoning")
	case llm.Refusal:
		w.heading(1, "refusal")
	case llm.Image, llm.Audio, llm.File, llm.RawPart:
		w.content(1, p)
		return
	case llm.ToolCall: // of a history that was brought along
		w.heading(1, "call "+quoted(p.Name))
	case llm.ToolResult:
		heading := "result " + quoted(p.Name)
		if p.IsError {
			heading += ": error"
		}
		w.heading(1, heading)
	}
	w.content(2, p)
}

// content shows what is in a part.
func (w *writer) content(depth int, p llm.Part) {
	switch p := p.(type) {
	case llm.Text:
		w.text(depth, p.Text)
	case llm.Reasoning:
		w.text(depth, p.Text)
	case llm.Refusal:
		w.text(depth, p.Text)
	case llm.Image:
		w.heading(depth, imageLine(p))
	case llm.Audio:
		w.heading(depth, audioLine(p))
		if p.Transcript != "" {
			w.text(depth+1, p.Transcript)
		}
	case llm.File:
		w.heading(depth, fileLine(p))
	case llm.ToolCall:
		w.json(depth, p.Arguments)
	case llm.ToolResult:
		for _, inner := range p.Parts {
			w.content(depth, inner)
		}
	case llm.RawPart:
		w.heading(depth, "[part of a kind that llm does not know]")
		w.json(depth+1, p.JSON)
	}
}

const indent = "  "

// section is a heading with an empty line before it.
func (w *writer) section(s string) {
	w.b.WriteByte('\n')
	w.heading(0, s)
}

func (w *writer) heading(depth int, s string) {
	w.b.WriteString(strings.Repeat(indent, depth) + printable(w.normal(s)) + "\n")
}

// text writes lines. Empty ones have no indent, as editors cut it.
func (w *writer) text(depth int, s string) {
	for line := range strings.Lines(clip(w.normal(s)) + "\n") {
		if line = strings.TrimSuffix(line, "\n"); line != "" {
			w.b.WriteString(strings.Repeat(indent, depth) + printable(line))
		}
		w.b.WriteByte('\n')
	}
}

// json writes JSON with a line for each value, and what is none as text.
func (w *writer) json(depth int, s string) {
	var b bytes.Buffer
	if json.Indent(&b, []byte(s), "", indent) == nil {
		s = b.String()
	}
	w.text(depth, s)
}

func turns(n int) string {
	if n == 1 {
		return "1 turn"
	}
	return fmt.Sprintf("%d turns", n)
}

// cost says what was counted; what is zero but for the two sums is left out.
func cost(u llm.Usage) string {
	s := fmt.Sprintf("%d tokens in, %d out", u.InputTokens, u.OutputTokens)
	for _, c := range []struct {
		n    int64
		what string
	}{
		{u.CachedTokens, "cached"}, {u.CacheWriteTokens, "written to the cache"}, {u.InputAudioTokens, "audio in"},
		{u.ReasoningTokens, "reasoning"}, {u.OutputAudioTokens, "audio out"},
	} {
		if c.n != 0 {
			s += fmt.Sprintf(", %d %s", c.n, c.what)
		}
	}
	return s
}
