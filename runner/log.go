package runner

import (
	"errors"
	"log/slog"

	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// newLogger returns the run's logger, which is never nil. Runs that go on at the
// same time are told apart by the id.
func (e *engine) newLogger(run int, id string) *slog.Logger {
	if e.runner.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	l := e.runner.Logger.With("agent", e.agent.DisplayName(), "run", run, "run_id", id)
	if e.session != "" {
		l = l.With("session", e.session)
	}
	return l
}

// logEnd says how a run ended that did not finish.
func (e *engine) logEnd(cause error) {
	if errors.Is(cause, errLeft) {
		e.logger.Info("run left by its consumer", "turns", e.state.Turn)
		return
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
