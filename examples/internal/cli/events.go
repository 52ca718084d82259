package cli

import (
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// PrintEvent prints an event of a run: as a line of JSON with -json, and as text
// otherwise. Events without a text, for example RunStarted, print nothing.
func (app *App) PrintEvent(e event.Event) {
	if app.JSON {
		app.PrintJSON(e)
		return
	}
	app.event(e.Body)
}

func (o *Out) event(body event.Body) {
	switch b := body.(type) {
	case event.TextDelta:
		o.Text(b.Text)
	case event.ModelAnswered:
		o.Answer(b.Message.Text())
	case event.OutputRejected:
		o.Void("asked again: %s", b.Reason)
	case event.Restarted:
		o.Void("asked again: %s", b.Error)
	case event.Notice:
		o.Notice("%s", b.Text)
	default:
		if line := Line(body); line != "" {
			o.Note("%s", line)
		}
	}
}

// Line describes an event in one line. Line returns "" for events with the text of
// an answer, and for events without a text.
func Line(body event.Body) string {
	switch b := body.(type) {
	case event.UserMessaged:
		return "> " + b.Message.Text()
	case event.ToolCallStarted:
		return fmt.Sprintf("[%s] %s %s", b.Call, b.Name, b.Arguments)
	case event.ToolProgress:
		return fmt.Sprintf("[%s] %s", b.Call, progress(b))
	case event.ToolCallFinished:
		return fmt.Sprintf("[%s] %s", b.Call, outcome(b))
	case event.ApprovalAsked:
		return fmt.Sprintf("[%s] %s needs approval: %s", b.Call, b.Name, b.Arguments)
	case event.ApprovalDecided:
		return fmt.Sprintf("[%s] %s", b.Call, decision(b))
	case event.InDoubtDecided:
		return fmt.Sprintf("[%s] was interrupted; decided by %s: %s", b.Call, b.By, b.Decision)
	case event.RunFinished:
		return fmt.Sprintf("turns: %d, tokens: %d in, %d out", b.Turns, b.Usage.InputTokens, b.Usage.OutputTokens)
	}
	return ""
}

func decision(b event.ApprovalDecided) string {
	switch {
	case b.Approved && b.Arguments != "":
		return "approved with other arguments"
	case b.Approved:
		return "approved"
	}
	return "denied" // the result of the call names the reason
}

func progress(b event.ToolProgress) string {
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

// outcome describes the end of a call: the result or the failure.
func outcome(b event.ToolCallFinished) string {
	if b.Failure != "" {
		return b.Result.Name + " " + b.Failure + ": " + b.Result.Text()
	}
	text := "="
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
