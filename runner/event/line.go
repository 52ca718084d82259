package event

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// maxLine limits a line, in characters without the ellipsis.
const maxLine = 500

// Line describes the event for people, in a line that is cut after 500 characters, for
// example `[r1.t1.c0] get_weather {"city":"Beijing"}`. The wording may change between
// versions.
// Line drops control characters, with which a model or a tool could move the cursor of a
// terminal, and writes a space for each line break. Line is empty for deltas, for
// internal steps such as TurnPrepared, for a check that passed, and for an answer without
// a text. The line of an event in the run of a helper begins with a reference, as in
// "[r1.t2.c0] > Find a flight.".
func (e Event) Line() string {
	line := e.line()
	if e.Path != "" && line != "" && line[0] != '[' {
		return oneLine("[" + string(e.Path) + "] " + line)
	}
	return line
}

func (e Event) line() string {
	switch b := e.Body.(type) {
	case UserMessaged:
		return oneLine("> " + b.Message.Text())
	case ModelAnswered:
		return oneLine(b.Message.Text())
	case AnswerStreamed:
		return oneLine("so far: " + cmp.Or(b.Text, b.Reasoning))
	case OutputRejected:
		return oneLine("asked again: " + b.Reason)
	case StallDetected:
		return "the model repeats its calls"
	case Compacted:
		return b.text()
	case Checked:
		return oneLine(b.text())
	case HandedOff:
		return oneLine(b.text())
	case Restarted:
		return oneLine("asked again: " + b.Error)
	case Notice:
		return oneLine("notice: " + b.Text)
	case RunPaused:
		return oneLine(b.text())
	case StandingRevoked:
		return oneLine(b.text())
	case RunFinished:
		return fmt.Sprintf("turns: %d, tokens: %d in, %d out", b.Turns, b.Usage.InputTokens, b.Usage.OutputTokens)
	case RunFailed:
		return oneLine("failed: " + b.Error)
	}
	if call, text := callText(e.Body); call != "" {
		return oneLine(fmt.Sprintf("[%s] %s", call, text))
	}
	return ""
}

// callText describes an event about a tool call. call is empty for other events.
func callText(body Body) (call CallRef, text string) {
	switch b := body.(type) {
	case ToolCallStarted:
		return b.Call, b.Name + " " + b.Arguments
	case ToolProgress:
		return b.Call, b.text()
	case ToolCallDeferred:
		return b.Call, b.text()
	case ToolCallFinished:
		return b.Call, b.text()
	case ApprovalAsked:
		return b.Call, b.Name + " needs approval: " + b.Arguments
	case ApprovalDecided:
		return b.Call, b.text()
	case InDoubtDecided:
		if b.By == "runner" { // the runner itself knows that it called no function
			return b.Call, "did not begin, and may run later"
		}
		return b.Call, fmt.Sprintf("was interrupted; decided by %s: %s%s", cmp.Or(b.Person, b.By), b.Decision, remark(b.Words))
	}
	return "", ""
}

func (b RunPaused) text() string {
	if len(b.Late) == 0 {
		return fmt.Sprintf("paused: calls that wait for a decision: %v", b.Calls)
	}
	decided := slices.DeleteFunc(slices.Clone(b.Calls), func(c CallRef) bool { return slices.Contains(b.Late, c) })
	if len(decided) == 0 {
		return fmt.Sprintf("paused: calls that wait for a result: %v", b.Late)
	}
	return fmt.Sprintf("paused: calls that wait for a decision: %v, and for a result: %v", decided, b.Late)
}

func (b ToolCallDeferred) text() string {
	text := b.Name + " has its result later"
	if b.Handle != "" {
		text += ": " + b.Handle
	}
	return text
}

func (b Compacted) text() string {
	fresh := 0
	for _, s := range b.History {
		if s.Message != nil {
			fresh++
		}
	}
	return fmt.Sprintf("history compacted: %d messages became %d, of which %d are new", b.Before, b.After(), fresh)
}

// text is empty for a check that passed.
func (b Checked) text() string {
	switch b.Verdict {
	case "pass":
		return ""
	case "replace":
		return fmt.Sprintf("check %s replaced the text (%s)", b.Check, b.Stage)
	}
	return fmt.Sprintf("check %s (%s): %s: %s", b.Check, b.Stage, b.Verdict, b.Reason)
}

func (b HandedOff) text() string {
	if b.Failure != "" {
		return fmt.Sprintf("the hand-off of %s to %s failed", b.From, b.To)
	}
	return fmt.Sprintf("%s hands over to %s", b.From, b.To)
}

func (b ApprovalDecided) text() string {
	text := "denied" // the result of the call names the reason
	switch {
	case b.Approved && b.Arguments != "":
		text = "approved with other arguments"
	case b.Approved:
		text = "approved"
	}
	switch b.Always {
	case "":
	case SameArguments:
		text += " always, for these arguments"
	default:
		text += " always"
	}
	if b.Standing != 0 {
		text += " by a standing answer"
		if b.Person != "" {
			text += " of " + b.Person
		}
		return text
	}
	if b.Person != "" {
		text += " by " + b.Person
	}
	return text + remark(b.Words)
}

func (b StandingRevoked) text() string {
	text := fmt.Sprintf("standing answer #%d revoked", b.Standing)
	if b.Person != "" {
		text += " by " + b.Person
	}
	return text + remark(b.Words)
}

// remark is what a person said about an answer, as the end of a line.
func remark(said string) string {
	if said == "" {
		return ""
	}
	return ": " + said
}

func (b ToolProgress) text() string {
	// Some tools report their progress in words only.
	if b.Done == 0 && b.Total == 0 && b.Message != "" {
		return b.Message
	}
	text := fmt.Sprintf("%g", b.Done)
	if b.Total > 0 {
		text += fmt.Sprintf(" of %g", b.Total)
	}
	if b.Message != "" {
		text += ": " + b.Message
	}
	return text
}

// text describes the end of a call: the result or the failure.
func (b ToolCallFinished) text() string {
	by := ""
	if g := b.Given; g != nil && g.Person != "" { // in front, because results are long
		by = "handed in by " + g.Person + remark(g.Words) + " "
	}
	if b.Failure != "" {
		return by + b.Result.Name + " " + b.Failure + ": " + b.Result.Text()
	}
	text := by + "="
	for _, p := range b.Result.Parts {
		text += " " + partText(p)
	}
	return text
}

// partText returns the text of a part, or a description of other content.
func partText(p llm.Part) string {
	switch p := p.(type) {
	case llm.Text:
		return p.Text
	case llm.Image:
		return fmt.Sprintf("[image, %d bytes]", max(len(p.Data), len(p.URL)))
	case llm.Audio:
		return fmt.Sprintf("[audio, %d bytes]", len(p.Data))
	case llm.File:
		return fmt.Sprintf("[file %s, %d bytes]", p.Name, len(p.Data))
	}
	return fmt.Sprintf("[%T]", p)
}

// oneLine joins the words of s by single spaces and drops invisible characters.
func oneLine(s string) string {
	return clip.Runes(strings.Join(strings.Fields(strings.Map(visible, s)), " "), maxLine)
}

func visible(r rune) rune {
	switch r {
	case '\n', '\t', '\u200c', '\u200d': // the last two join letters and emoji, or separate them
		return r
	}
	if unicode.In(r, unicode.Cc, unicode.Cf) {
		return -1
	}
	return r
}
