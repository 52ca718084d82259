package runner

import (
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// withheld stands for a text that the caller's Redact panicked on.
const withheld = "[withheld: it could not be redacted]"

// safeText is a text without the credentials of URLs, and of bounded length.
func safeText(s string) string { return tool.Fail(tool.Failed, s, nil).Message }

// redact is an error's text as events and logs may have it.
func (e *engine) redact(err error) string { return e.redactText(err.Error()) }

func (e *engine) redactText(s string) string { return e.hook(safeText(s)) }

// hook is the caller's Redact.
func (e *engine) hook(s string) (redacted string) {
	if e.runner.Redact == nil || s == "" {
		return s
	}
	defer func() {
		if p := recover(); p != nil {
			e.logger.Error("Redact panicked") // its value may hold the secret
			redacted = withheld
		}
	}()
	return e.runner.Redact(s)
}

// redacted is what may be recorded of the end of a call.
func (e *engine) redacted(b event.ToolCallFinished) event.ToolCallFinished {
	if e.runner.Redact == nil {
		return b
	}
	b.Error = e.hook(b.Error)
	b.Result.Parts = slices.Clone(b.Result.Parts)
	for i, p := range b.Result.Parts {
		if t, ok := p.(llm.Text); ok {
			t.Text = e.hook(t.Text)
			b.Result.Parts[i] = t
		}
	}
	return b
}
