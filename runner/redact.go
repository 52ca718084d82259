package runner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// withheld stands for a text that the caller's Redact panicked on.
const withheld = "[withheld: it could not be redacted]"

// redacted stands for a text of which the caller's Redact left nothing: no
// provider takes an empty result.
const redacted = "[redacted]"

// safeText is a text without the credentials of URLs, and of bounded length.
func safeText(s string) string { return tool.Fail(tool.Failed, s, nil).Message }

// maxRedacted is how much of an error's text Redact gets, in bytes: far more than is
// kept of it.
const maxRedacted = 256 << 10

// errorText is the text of err. If the Error method panics, as on a nil pointer,
// errorText returns fmt's description.
func errorText(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprint(err)
		}
	}()
	return err.Error() // which fmt would copy, however long it is
}

// redact is an error's text as events and logs may have it.
func (e *engine) redact(err error) string { return safeText(e.hookError(errorText(err))) }

// hookError is hook for the text of an error, of which events keep only the
// beginning. hookError cuts between words where possible, so that half of a
// secret never remains.
func (e *engine) hookError(s string) string {
	if e.runner.Redact == nil || len(s) <= maxRedacted {
		return e.hook(s)
	}
	s = strings.ToValidUTF8(s[:maxRedacted], "")
	if i := strings.LastIndexAny(s, " \t\r\n"); i > maxRedacted/2 {
		s = s[:i]
	}
	return e.hook(s)
}

// redactText redacts before it cuts: no half of a secret is left at the cut.
func (e *engine) redactText(s string) string { return safeText(e.hook(s)) }

// hook is the caller's Redact.
func (e *engine) hook(s string) string {
	if e.runner.Redact == nil || s == "" {
		return s
	}
	text, ok := e.redactor.change(e.runner.Redact, s)
	if !ok {
		e.logger.Error("Redact panicked, or did not return") // the value of a panic may hold the secret
		return withheld
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	if strings.TrimSpace(text) == "" {
		return redacted
	}
	return text
}

// success is the recorded event of a call with a result.
func (e *engine) success(c loop.Call, parts llm.Parts) event.ToolCallFinished {
	if e.runner.Redact == nil {
		return success(c, parts)
	}
	parts = slices.Clone(parts)
	for i, p := range parts {
		if t, ok := p.(llm.Text); ok {
			t.Text = e.hook(t.Text)
			parts[i] = t
		}
	}
	return success(c, parts)
}

// failure is the recorded event of a call without a result.
func (e *engine) failure(c loop.Call, err *tool.Error) event.ToolCallFinished {
	if e.runner.Redact == nil {
		return failure(c, err)
	}
	own := *err
	own.Message = e.redactMessage(err)
	b := failure(c, &own)
	if err.Err != nil {
		b.Error = e.redact(err.Err)
	}
	return b
}

// redactMessage is what the model reads. What was made of the cause's text is
// made anew of the redacted one, since it may have been cut inside a secret.
func (e *engine) redactMessage(err *tool.Error) string {
	if err.Err != nil {
		cause := errorText(err.Err)
		if err.Message == tool.Fail(err.Failure, cause, nil).Message {
			return tool.Fail(err.Failure, e.hookError(cause), nil).Message
		}
	}
	return e.hook(err.Message)
}

// redactReason is a person's reason as events may have it; empty stays empty.
func (e *engine) redactReason(s string) string {
	if s == "" {
		return ""
	}
	return e.redactText(s)
}
