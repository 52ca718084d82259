package runnertest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Transcript shows a run as text, for golden files and for people. Two equal
// runs have equal transcripts. The text shows, turn by turn, all messages, each
// call with the arguments that its function received and the result that the
// model read, failures, limits, the cost, and the end of the run. A transcript
// cannot be parsed back.
//
// Results stand with their calls, in the order of the model, whichever call
// finished first. Times and names of models are left out. Ids of calls and
// answers from the provider are left out, too, and replaced where a text repeats
// them; so are the random id of the run and the ports of loopback addresses.
// Texts longer than 4000 characters are cut; the size of the cut part stands
// there with a digest of the whole text, so that every change is visible.
// Images, sound and files are shown as their type, size and digest. Non-printing
// characters are escaped as in Go.
//
// The run of a helper stands in its call, before the result, behind a "|" in each line.
//
// Transcript shows only the run of this Result, not the whole session, and after a
// pause or a crash only the later events. For calls that were open before, the
// transcript repeats the name and the arguments. Transcript panics if result is nil;
// the Result of a Run is never nil.
func Transcript(result *runner.Result) string {
	w := &writer{trace: traceOf(result), normal: normalizer(slices.Concat(result.Earlier, result.Events))}
	if len(result.Events) == 0 {
		w.line("the run did not begin")
	}
	for _, e := range result.Events {
		w.event(e)
	}
	w.printCarriedOver(nil)
	w.streamed(nil)
	return w.b.String()
}

// A writer writes a transcript. Text from outside is indented by four spaces,
// text of this package by at most two, so outside text cannot pass for a
// heading.
type writer struct {
	trace   *trace
	path    event.CallRef // of the helper's run that the writer shows; empty for the outermost run
	normal  func(string) string
	b       strings.Builder
	toPrint []*tracedCall        // calls that were open before and that events mention, still to be shown
	partial event.AnswerStreamed // of a turn without an answer, still to be shown
}

func (w *writer) event(e event.Event) {
	if e.Path != w.path { // its call shows it
		child := e.Path
		for child.Path() != w.path {
			child = child.Path()
		}
		w.carryOver(child)
		return
	}
	w.printCarriedOver(e.Body)
	if w.streamed(e.Body) {
		return
	}
	switch b := e.Body.(type) {
	case event.RunStarted:
		w.line(fmt.Sprintf("run %d: %s", b.Run, b.Agent))
	case event.UserMessaged:
		when := ""
		if b.Said {
			when = ", said meanwhile"
		}
		w.section(quotedName(string(b.Message.Role)) + by(b.Person) + when)
		w.parts(b.Message.Parts)
	case event.TurnPrepared:
		if b.Instructions != nil {
			w.section("instructions")
			w.text(*b.Instructions)
		}
		w.change(b)
	case event.ModelAnswered:
		w.answer(b)
	case event.ToolCallStarted:
		w.carryOver(b.Call)
	case event.ToolCallDeferred:
		w.carryOver(b.Call)
		w.section(strings.TrimSuffix(fmt.Sprintf("%s has its result later: %s", w.refWithName(b.Call), b.Handle), ": "))
	case event.ToolCallFinished:
		w.carryOver(b.Call)
	case event.ApprovalAsked, event.ApprovalDecided, event.StandingRevoked, event.InDoubtDecided, event.RunPaused:
		w.decision(b)
	case event.OutputRejected:
		w.section("answer rejected: " + b.Reason)
		w.parts(b.Message.Parts)
	case event.LimitReached:
		w.section(fmt.Sprintf("limit reached: %s, %d", b.Limit, b.Max))
		if b.Message != nil {
			w.parts(b.Message.Parts)
		}
	case event.StallDetected:
		w.section("the calls repeat")
		w.parts(b.Message.Parts)
	case event.Compacted:
		w.compacted(b)
	case event.Checked:
		w.checked(b)
	case event.HandedOff:
		w.handedOff(b)
	case event.RunFinished:
		end := "finished after "
		if b.Stopped {
			end = "stopped after "
		}
		w.section(end + turns(b.Turns) + ", " + cost(b.Usage))
		if b.Text != "" {
			w.text(b.Text)
		}
		if len(b.Output) > 0 {
			w.json(string(b.Output))
		}
	case event.RunFailed:
		w.section("failed after " + turns(b.Turns) + ", " + cost(b.Usage))
		w.text(b.Error)
	}
}

// streamed shows what was recorded of an answer that did not come, when another event
// follows. The number of its pieces depends on the time.
func (w *writer) streamed(next event.Body) bool {
	if b, ok := next.(event.AnswerStreamed); ok {
		if !b.Again {
			b.Text, b.Reasoning = w.partial.Text+b.Text, w.partial.Reasoning+b.Reasoning
		}
		w.partial = b
		return true
	}
	p := w.partial
	w.partial = event.AnswerStreamed{}
	if _, answered := next.(event.ModelAnswered); answered || p.Turn == 0 {
		return false
	}
	w.section(fmt.Sprintf("partial answer of turn %d", p.Turn))
	var parts llm.Parts
	if p.Reasoning != "" {
		parts = append(parts, llm.Reasoning{Text: p.Reasoning})
	}
	if p.Text != "" {
		parts = append(parts, llm.Text{Text: p.Text})
	}
	w.parts(parts)
	return false
}

// change shows the answer of BeforeTurn about a turn.
func (w *writer) change(b event.TurnPrepared) {
	if b.Offer != nil {
		w.section(fmt.Sprintf("tools on offer: %q", b.Offer))
	}
	if b.Chosen != "" {
		w.section("tool choice: " + string(b.Chosen))
	}
	if b.Changed {
		w.section("another model or other settings")
	}
	for _, m := range b.Messages {
		w.section("added: " + quotedName(string(m.Role)))
		w.parts(m.Parts)
	}
}

// carryOver records, only once, a call that was open before.
func (w *writer) carryOver(ref event.CallRef) {
	if c := w.trace.byRef[ref]; c.carriedOver && !c.printed {
		c.printed = true
		w.toPrint = append(w.toPrint, c)
	}
}

// printCarriedOver shows the calls that were open before, in the order of the model,
// as soon as a different kind of event follows.
func (w *writer) printCarriedOver(next event.Body) {
	switch next.(type) {
	case event.ToolCallStarted, event.ToolCallFinished:
		return
	}
	if len(w.toPrint) == 0 {
		return
	}
	for _, c := range w.trace.calls {
		if slices.Contains(w.toPrint, c) {
			w.section("left open before")
			w.call(c)
		}
	}
	w.toPrint = nil
}

// refWithName returns the reference of a call, with the tool's name if the call was
// open before.
func (w *writer) refWithName(ref event.CallRef) string {
	if c := w.trace.byRef[ref]; c != nil && c.carriedOver {
		return fmt.Sprintf("%s %s", ref, quotedName(c.request.Name))
	}
	return string(ref)
}

// decision shows the reason of a pause and the decision.
func (w *writer) decision(b event.Body) {
	switch b := b.(type) {
	case event.ApprovalAsked:
		w.section(fmt.Sprintf("approval asked for %s %s", b.Call, quotedName(b.Name)))
		w.json(b.Arguments)
	case event.ApprovalDecided:
		answer := "denied"
		if b.Approved {
			answer = "approved"
		}
		if b.Always != "" {
			answer += " always (" + string(b.Always) + ")"
		}
		if b.Standing != 0 {
			answer = "standing answer: " + answer
		}
		w.section(w.refWithName(b.Call) + " " + answer + by(b.Person))
		w.person(b.Reason)
		w.person(b.Words)
		if b.Arguments != "" {
			w.heading("with other arguments")
			w.json(b.Arguments)
		}
	case event.StandingRevoked:
		w.section("standing answer revoked" + by(b.Person))
		w.person(b.Words)
	case event.InDoubtDecided:
		w.section(fmt.Sprintf("%s in doubt: %s, by %s%s", w.refWithName(b.Call), b.Decision, b.By, by(b.Person)))
		w.person(b.Words)
	case event.RunPaused:
		refs := make([]string, len(b.Calls))
		for i, ref := range b.Calls {
			refs[i] = w.refWithName(ref)
		}
		w.section("paused: waits for " + strings.Join(refs, ", "))
	}
}

// by names the person who answered.
func by(person string) string {
	if person == "" {
		return ""
	}
	return " by " + strconv.Quote(person)
}

// person shows what a person said about a decision.
func (w *writer) person(said string) {
	if said != "" {
		w.text(said)
	}
}

// answer shows an answer of the model, and behind each call its result.
func (w *writer) answer(b event.ModelAnswered) {
	w.section(fmt.Sprintf("turn %d: %s, %s", b.Turn, cmp.Or(b.Finish.Reason, "no finish reason"), cost(b.Usage)))
	if len(b.Message.Parts) == 0 {
		w.heading("nothing")
	}
	calls := w.trace.ofTurn(w.path, b.Turn)
	for _, p := range b.Message.Parts {
		if _, ok := p.(llm.ToolCall); ok {
			w.call(calls[0])
			calls = calls[1:]
			continue
		}
		w.part(p)
	}
}

func (w *writer) call(c *tracedCall) {
	heading := fmt.Sprintf("call %s %s", c.ref, quotedName(c.request.Name))
	if c.started == nil {
		w.heading(heading + " (did not start)")
		if c.request.Arguments != "" {
			w.json(c.request.Arguments)
		}
	} else {
		w.heading(heading)
		w.start(c.started)
	}
	w.nested(c)
	if c.finished == nil {
		w.heading(fmt.Sprintf("result %s: none", c.ref))
		return
	}
	w.result(c.finished)
}

// nested shows the run of a helper.
func (w *writer) nested(c *tracedCall) {
	if len(c.nested) == 0 {
		return
	}
	inner := &writer{trace: w.trace, path: c.ref, normal: w.normal}
	for _, e := range c.nested {
		inner.event(e)
	}
	inner.printCarriedOver(nil)
	inner.streamed(nil)
	for line := range strings.Lines(strings.TrimPrefix(inner.b.String(), "\n")) {
		w.b.WriteString(strings.TrimRight("  | "+strings.TrimSuffix(line, "\n"), " ") + "\n")
	}
}

// start shows the arguments that the function received.
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
	if b.Whole != "" {
		heading += fmt.Sprintf(", put aside: %d bytes", len(b.Whole))
	}
	var given event.Given
	if b.Given != nil {
		given = *b.Given
	}
	if given.Person != "" {
		heading += ", handed in" + by(given.Person)
	}
	w.heading(heading)
	w.parts(b.Result.Parts)
	if given.Words != "" {
		w.heading(fmt.Sprintf("words %s", b.Call))
		w.text(given.Words)
	}
	if b.Error != "" && b.Error != b.Result.Text() {
		w.heading(fmt.Sprintf("cause %s", b.Call))
		w.text(b.Error)
	}
}

// parts shows parts. A text that stands alone has no heading.
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
	case llm.ToolCall: // from a history that the caller supplied, as in the next case
		w.heading("call " + quotedName(p.Name))
		w.json(p.Arguments)
	case llm.ToolResult:
		heading := "result " + quotedName(p.Name)
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

// line writes a line of this package, which may contain names from outside.
func (w *writer) line(s string) { w.b.WriteString(printable(w.normal(s)) + "\n") }

// text writes text from outside. Empty lines have no indent, because editors
// remove such an indent.
func (w *writer) text(s string) {
	for line := range strings.SplitSeq(clip(w.normal(s)), "\n") {
		if line != "" {
			w.b.WriteString("    " + printable(line))
		}
		w.b.WriteByte('\n')
	}
}

// json writes JSON with one line for each value, and writes invalid JSON as
// text.
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

// cost shows the usage. Zero counts are left out, except the two sums.
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
