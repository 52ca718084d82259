package cli

import (
	"strings"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// PrintEvent prints an event of a run: as a line of JSON with -json, and as text
// otherwise. Events without a text, for example RunStarted, print nothing.
func (app *App) PrintEvent(e event.Event) {
	if app.JSON {
		app.PrintJSON(e)
		return
	}
	app.event(e)
}

func (o *Out) event(e event.Event) {
	switch b := e.Body.(type) {
	case event.TextDelta:
		o.Text(b.Text)
	case event.ModelAnswered:
		o.Answer(b.Message.Text())
	case event.OutputRejected, event.Restarted:
		o.Void("%s", e.Line())
	case event.Notice:
		o.Notice("%s", b.Text)
	case event.RunFailed, event.RunPaused: // the program prints the error of the run
	default:
		if line := e.Line(); line != "" {
			o.Note("%s", wordsFirst(e, line))
		}
	}
}

// wordsFirst puts the reference of a call behind the words, which people read first, and
// the name of the tool before its result.
func wordsFirst(e event.Event, line string) string {
	ref, words, about := strings.Cut(line, "] ")
	if !about || !strings.HasPrefix(ref, "[") {
		return line
	}
	if b, ok := e.Body.(event.ToolCallFinished); ok && b.Failure == "" {
		words = b.Result.Name + " " + words
	}
	return words + " " + ref + "]"
}
