package runner

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// baseLogger returns the logger of a run that has not begun. It is never nil.
func (e *engine) baseLogger() *slog.Logger {
	switch {
	case e.base != nil:
	case e.runner.Logger != nil:
		e.base = e.runner.Logger
	case e.collector != nil: // the caller of Run sees no events
		e.base = slog.New(warnings{slog.Default().Handler()})
	default:
		e.base = slog.New(slog.DiscardHandler)
	}
	return e.base
}

// newLogger returns the run's logger. The id tells concurrent runs apart.
func (e *engine) newLogger(run int, id string) *slog.Logger {
	return slog.New(&runHandler{Handler: e.baseLogger().Handler(), agent: e.agent.DisplayName(), run: run, id: id, session: e.session, path: e.recorder.path})
}

// A runHandler adds the attributes of a run. Most runs log nothing, so the attributes are
// added when the first record comes.
type runHandler struct {
	slog.Handler       // embedded for Enabled: the handler without the attributes
	agent, id, session string
	path               event.CallRef
	run                int

	once sync.Once
	full slog.Handler // set by once
}

// complete returns the handler with the attributes.
func (h *runHandler) complete() slog.Handler {
	h.once.Do(func() {
		attrs := []slog.Attr{slog.String("agent", h.agent), slog.Int("run", h.run), slog.String("run_id", h.id)}
		if h.session != "" {
			attrs = append(attrs, slog.String("session", h.session))
		}
		if h.path != "" {
			attrs = append(attrs, slog.String("path", string(h.path)))
		}
		h.full = h.Handler.WithAttrs(attrs)
	})
	return h.full
}

// Handle implements [slog.Handler].
func (h *runHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.complete().Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h *runHandler) WithAttrs(attrs []slog.Attr) slog.Handler { return h.complete().WithAttrs(attrs) }

// WithGroup implements [slog.Handler].
func (h *runHandler) WithGroup(name string) slog.Handler { return h.complete().WithGroup(name) }

// setLogger gives a logger to all parts of the engine. No tool call of this
// run is running. Calls of other helpers may run and share the redactor.
func (e *engine) setLogger(l *slog.Logger) {
	e.logger, e.recorder.logger, e.invoker.logger = l, l, l
	if e.outer == nil {
		e.redactor.logger = l
	}
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
