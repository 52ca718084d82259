package runner

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// withheld replaces a text that Redact did not return.
const withheld = "[withheld: it could not be redacted]"

// redacted replaces a text that Redact emptied, because providers refuse empty results.
const redacted = "[redacted]"

// redactBound is the time of Redact for one text, before [invoke.Grace].
const redactBound = 5 * time.Second

// maxRedacted is how much of an error's text Redact gets, in bytes. Events keep far less
// of the text.
const maxRedacted = 256 << 10

// A redactor changes the texts that leave a run: in events, for the model, and in logs.
// The redactor makes the event of a call whenever a text of the event comes from outside
// of this package. A redactor is safe for concurrent use.
type redactor struct {
	redact func(string) string // Runner.Redact; nil changes nothing
	logger *slog.Logger
	hung   atomic.Int32 // abandoned calls of redact that did not return yet
}

// error returns an error's text for events and logs.
func (r *redactor) error(err error) string { return safeText(r.beginning(errorText(err))) }

// text returns a text for events and logs. Redact comes before the cut: a cut can leave
// half of a secret, and Redact would not know the half.
func (r *redactor) text(s string) string { return safeText(r.whole(s)) }

// reason returns a person's reason for events. An empty reason stays empty.
func (r *redactor) reason(s string) string {
	if s == "" {
		return ""
	}
	return r.text(s)
}

// success returns the event of a call with a result.
func (r *redactor) success(c loop.Call, parts llm.Parts) event.ToolCallFinished {
	if r.redact == nil {
		return finished(c, parts)
	}
	parts = slices.Clone(parts) // the tool may keep its slice
	for i, p := range parts {
		if t, ok := p.(llm.Text); ok {
			t.Text = r.whole(t.Text)
			parts[i] = t
		}
	}
	return finished(c, parts)
}

// failure returns the event of a call without a result of its own.
func (r *redactor) failure(c loop.Call, err *tool.Error) event.ToolCallFinished {
	cause := ""
	if err.Err != nil {
		cause = r.error(err.Err)
	}
	return failed(c, err.Failure, safe(r.message(err)), safe(cause))
}

// outcome returns the event of a call that ended.
func (r *redactor) outcome(c loop.Call, o invoke.Outcome) event.ToolCallFinished {
	if o.Err != nil {
		return r.withEdit(c, r.failure(c, o.Err))
	}
	return r.withEdit(c, r.success(c, o.Parts))
}

// withEdit reports the executed arguments to the model if a person or a check changed them.
// The model's own call in the history says something else.
func (r *redactor) withEdit(c loop.Call, b event.ToolCallFinished) event.ToolCallFinished {
	if c.Edited || c.Replaced() {
		who := "A person"
		if c.Replaced() {
			who = "A check of the program"
		}
		note := llm.Text{Text: r.whole("[" + who + " changed the arguments before the call ran: " + c.Arguments + "]\n")}
		b.Result.Parts = append(llm.Parts{note}, b.Result.Parts...)
	}
	return b
}

// message returns the text of a failure for the model. A message that was made of the
// cause may have been cut inside of a secret, so message makes it again of the redacted
// cause.
func (r *redactor) message(err *tool.Error) string {
	if r.redact == nil {
		return err.Message
	}
	if err.Err != nil {
		cause := errorText(err.Err)
		if err.Message == tool.Fail(err.Failure, cause, nil).Message {
			return tool.Fail(err.Failure, r.beginning(cause), nil).Message
		}
	}
	return r.whole(err.Message)
}

// beginning redacts the beginning of an error's text. The cut is between words where
// possible, so that half of a secret never remains.
func (r *redactor) beginning(s string) string {
	if r.redact == nil || len(s) <= maxRedacted {
		return r.whole(s)
	}
	s = strings.ToValidUTF8(s[:maxRedacted], "")
	if i := strings.LastIndexAny(s, " \t\r\n"); i > maxRedacted/2 {
		s = s[:i]
	}
	return r.whole(s)
}

// whole redacts a text of any length.
func (r *redactor) whole(s string) string {
	if r.redact == nil || s == "" {
		return s
	}
	text, ok := r.call(s)
	if !ok {
		r.logger.Error("Redact panicked, or did not return") // the value of a panic may hold the secret
		return withheld
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	if strings.TrimSpace(text) == "" {
		return redacted
	}
	return text
}

// call returns the redacted text, and false if Redact panicked or did not return. While
// an abandoned call is running, call does not call Redact again: the next call is likely
// to hang, too, and each text would take the time of redactBound.
func (r *redactor) call(s string) (string, bool) {
	if r.hung.Load() > 0 {
		return "", false
	}
	ctx, cancel := context.WithTimeout(context.Background(), redactBound)
	defer cancel()
	got := invoke.Alone(ctx, func(context.Context) (string, error) { return r.redact(s), nil })
	if got.Left {
		r.hung.Add(1)
		go func() { // ends when Redact returns
			<-got.Late
			r.hung.Add(-1)
		}()
	}
	return got.Value, !got.Left && !got.Exited && got.Stack == nil
}

// safeText returns a text without the credentials of URLs, and of bounded length.
func safeText(s string) string { return tool.Fail(tool.Failed, s, nil).Message }

// errorText returns the text of err. If the Error method panics, as on a nil pointer,
// errorText returns fmt's description.
func errorText(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprint(err)
		}
	}()
	return err.Error() // fmt would copy the text, however long it is
}
