package runner

import (
	"context"
	"errors"
	"log/slog"
)

// baseLogger returns the logger of a run that has not begun. It is never nil.
func (e *engine) baseLogger() *slog.Logger {
	l := e.runner.Logger
	switch {
	case l == nil && e.collector != nil: // the caller of Run sees no events
		l = slog.New(warnings{slog.Default().Handler()})
	case l == nil:
		l = slog.New(slog.DiscardHandler)
	}
	return l
}

// newLogger returns the run's logger. The id tells concurrent runs apart.
func (e *engine) newLogger(run int, id string) *slog.Logger {
	l := e.baseLogger().With("agent", e.agent.DisplayName(), "run", run, "run_id", id)
	if e.session != "" {
		l = l.With("session", e.session)
	}
	return l
}

// setLogger gives a logger to all parts of the engine. No tool call is running.
func (e *engine) setLogger(l *slog.Logger) {
	e.logger, e.recorder.logger, e.redactor.logger, e.invoker.logger = l, l, l, l
}

// A warnings handler drops records below the level of warnings.
type warnings struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

// WithAttrs implements [slog.Handler].
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

// logFailure logs the end of a failed run. Without a Logger the caller alone gets the
// error.
func (e *engine) logFailure(cause error, turns int) {
	switch {
	case errors.Is(cause, errLeft):
		e.logger.Info("run left by its consumer", "turns", turns)
	case e.runner.Logger != nil:
		e.logger.Warn("run failed", "turns", turns, "error", e.redactor.error(cause))
	}
}
