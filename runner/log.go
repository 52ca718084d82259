package runner

import (
	"context"
	"errors"
	"log/slog"

	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// baseLogger returns the logger of a run that has not begun, which is never nil.
func (e *engine) baseLogger() *slog.Logger {
	l := e.runner.Logger
	switch {
	case l == nil && e.retains: // nobody sees the events
		l = slog.New(warnings{slog.Default().Handler()})
	case l == nil:
		l = slog.New(slog.DiscardHandler)
	}
	return l
}

// newLogger returns the run's logger. Runs that go on at the same time are told apart
// by the id.
func (e *engine) newLogger(run int, id string) *slog.Logger {
	l := e.baseLogger().With("agent", e.agent.DisplayName(), "run", run, "run_id", id)
	if e.session != "" {
		l = l.With("session", e.session)
	}
	return l
}

// warnings is a handler without what is below a warning.
type warnings struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

// WithAttrs implements [slog.Handler].
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

// logEnd says how a run ended that did not finish.
func (e *engine) logEnd(cause error) {
	if errors.Is(cause, errLeft) {
		e.logger.Info("run left by its consumer", "turns", e.state.Turn)
		return
	}
	if e.runner.Logger == nil {
		return // the caller gets the error
	}
	e.logger.Warn("run failed", "turns", e.state.Turn, "error", e.redact(cause))
}

// logPanic logs the stack of a tool that panicked, which nobody else is told.
func (e *engine) logPanic(c loop.Call, err *tool.Error) {
	if err != nil && err.Stack != nil {
		e.logger.Error("tool panicked", "call", c.Ref, "tool", c.Call.Name,
			"error", e.redact(err), "stack", string(err.Stack))
	}
}
