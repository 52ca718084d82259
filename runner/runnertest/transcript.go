package runnertest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
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
// Of a session it shows the one run that the Result is of, and of a run that went
// on after a pause or a crash what happened since. Calls that were open before
// stand there with their names and arguments. It panics if result is nil, which
// the Result of a Run never is.
func Transcript(result *runner.Result) string {
	w := &writer{trace: traceOf(result), normal: normalizer(slices.Concat(result.Earlier, result.Events))}
	if len(result.Events) == 0 {
		w.line("the run did not begin")
	}
	for _, e := range result.Events {
		w.event(e)
	}
	w.showCarried(nil)
	return w.b.String()
}

// A writer writes a transcript. What others said is indented by four spaces, and
// what we say of it by none or two: no text can pass for a heading.
type writer struct {
	*trace
	normal  func(string) string
	b       strings.Builder
	carried []*traced // calls that were open before and of which something was told, in order to be shown
}

func (w *writer) event(e event.Event) {
	w.showCarried(e.Body)
	switch b := e.Body.(type) {
	case event.RunStarted:
		w.line(fmt.Sprintf("run %d: %s", b.Run, b.Agent))
	case event.UserMessaged:
		w.section(quoted(string(b.Message.Role)))
		w.parts(b.Message.Parts)
	case event.TurnPrepared:
		if b.Instructions != nil {
			w.section("instructions")
			w.text(*b.Instructions)
		}
	case event.ModelAnswered:
		w.answer(b)
	case event.ToolCallStarted:
		w.carry(b.Call)
	case event.ToolCallFinished:
		w.carry(b.Call)
	case event.ApprovalAsked, event.ApprovalDecided, event.InDoubtDecided, event.RunPaused:
		w.decision(b)
	case event.OutputRejected:
		w.section("answer rejected: " + b.Reason)
		w.parts(b.Message.Parts)
	case event.LimitReached:
		w.section(fmt.Sprintf("limit reached: %s, %d", b.Limit, b.Max))
	case event.RunFinished:
		w.section("finished after " + turns(b.Turns) + ", " + cost(b.Usage))
	case event.RunFailed:
		w.section("failed after " + turns(b.Turns) + ", " + cost(b.Usage))
		w.text(b.Error)
	}
}

// carry takes note of a call that was open before, once.
func (w *writer) carry(ref event.CallRef) {
	if c := w.byRef[ref]; c.carried && !c.shown {
		c.shown = true
		w.carried = append(w.carried, c)
	}
}

// showCarried shows calls that were open before, in the order of the model, when
// something else follows.
func (w *writer) showCarried(next event.Body) {
	switch next.(type) {
	case event.ToolCallStarted, event.ToolCallFinished:
		return
	}
	for _, c := range w.calls {
		if slices.Contains(w.carried, c) {
			w.section("left open before")
			w.call(c)
		}
	}
	w.carried = nil
}

// named is the reference of a call; of one that was open before, with its tool.
func (w *writer) named(ref event.CallRef) string {
	if c := w.byRef[ref]; c != nil && c.carried {
		return fmt.Sprintf("%s %s", ref, quoted(c.asked.Name))
	}
	return string(ref)
}

// decision shows what a run waited for, and what was decided.
func (w *writer) decision(b event.Body) {
	switch b := b.(type) {
	case event.ApprovalAsked:
		w.section(fmt.Sprintf("approval asked for %s %s", b.Call, quoted(b.Name)))
		w.json(b.Arguments)
	case event.ApprovalDecided:
		verdict := "denied"
		if b.Approved {
			verdict = "approved"
		}
		w.section(w.named(b.Call) + " " + verdict)
		if b.Reason != "" {
			w.text(b.Reason)
		}
		if b.Arguments != "" {
			w.heading("with other arguments")
			w.json(b.Arguments)
		}
	case event.InDoubtDecided:
		w.section(fmt.Sprintf("%s in doubt: %s, by %s", w.named(b.Call), b.Decision, b.By))
	case event.RunPaused:
		refs := make([]string, len(b.Calls))
		for i, ref := range b.Calls {
			refs[i] = w.named(ref)
		}
		w.section("paused: waits for " + strings.Join(refs, ", "))
	}
}

// answer shows an answer, and behind each call what became of it.
func (w *writer) answer(b event.ModelAnswered) {
	w.section(fmt.Sprintf("turn %d: %s, %s", b.Turn, cmp.Or(b.Finish.Reason, "no finish reason"), cost(b.Usage)))
	if len(b.Message.Parts) == 0 {
		w.heading("nothing")
	}
	calls := w.ofTurn(b.Turn)
	for _, p := range b.Message.Parts {
		if _, ok := p.(llm.ToolCall); ok {
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
		w.heading(heading + " (did not start)")
		if c.asked.Arguments != "" {
			w.json(c.asked.Arguments)
		}
	} else {
		w.heading(heading)
		w.start(c.started)
	}
	if c.finished == nil {
		w.heading(fmt.Sprintf("result %s: none", c.ref))
		return
	}
	w.result(c.finished)
}

// start shows what the function got.
func (w *writer) start(b *event.ToolCallStarted) {
	w.json(b.Arguments)
	for _, repair := range b.Repairs {
		w.heading(fmt.Sprintf("repaired %s: %s", b.Call, repair))
	}
}

func (w *writer) result(b *event.ToolCallFinished) {
	heading := "result " + string(b.Call)
	if b.Failure != "" {
		heading += ": " + b.Failure
	}
	w.heading(heading)
	w.parts(b.Result.Parts)
	if b.Error != "" && b.Error != b.Result.Text() {
		w.heading(fmt.Sprintf("cause %s", b.Call))
		w.text(b.Error)
	}
}

// parts shows parts, without a heading for a text that is alone.
func (w *writer) parts(parts llm.Parts) {
	if len(parts) == 1 {
		if t, ok := parts[0].(llm.Text); ok {
			w.text(t.Text)
			return
		}
	}
	for _, p := range parts {
		w.part(p)
	}
}

func (w *writer) part(p llm.Part) {
	switch p := p.(type) {
	case llm.Text:
		w.heading("text")
		w.text(p.Text)
	case llm.Reasoning:
		w.heading("reasoning")
		w.text(p.Text)
	case llm.Refusal:
		w.heading("refusal")
		w.text(p.Text)
	case llm.Image:
		w.heading(imageLine(p))
	case llm.Audio:
		w.heading(audioLine(p))
		if p.Transcript != "" {
			w.text(p.Transcript)
		}
	case llm.File:
		w.heading(fileLine(p))
	case llm.ToolCall: // of a history that was brought along, as is the next
		w.heading("call " + quoted(p.Name))
		w.json(p.Arguments)
	case llm.ToolResult:
		heading := "result " + quoted(p.Name)
		if p.IsError {
			heading += ": error"
		}
		w.heading(heading)
		w.parts(p.Parts)
	case llm.RawPart:
		w.heading("part of a kind that llm does not know")
		w.json(p.JSON)
	}
}

func (w *writer) section(s string) {
	w.b.WriteByte('\n')
	w.line(s)
}

func (w *writer) heading(s string) { w.line("  " + s) }

// line writes what we say; names of others may be in it.
func (w *writer) line(s string) { w.b.WriteString(printable(w.normal(s)) + "\n") }

// text writes what others said. Empty lines have no indent, as editors cut it.
func (w *writer) text(s string) {
	for line := range strings.SplitSeq(clip(w.normal(s)), "\n") {
		if line != "" {
			w.b.WriteString("    " + printable(line))
		}
		w.b.WriteByte('\n')
	}
}

// json writes JSON with a line for each value, and what is none as text.
func (w *writer) json(s string) {
	var b bytes.Buffer
	if json.Indent(&b, []byte(s), "", "  ") == nil {
		s = b.String()
	}
	w.text(s)
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
