package runner

import "log/slog"

// newLogger returns the run's logger, which is never nil.
func (e *engine) newLogger() *slog.Logger {
	if e.runner.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	l := e.runner.Logger.With("agent", e.agent.DisplayName(), "run", e.state.Run+1)
	if e.session != "" {
		l = l.With("session", e.session)
	}
	return l
}
