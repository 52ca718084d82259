package runner

import (
	"context"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// RecordAnswer records events as those of an answer of the caller, without the checks that make
// such events.
func (s *Session) RecordAnswer(ctx context.Context, events ...event.Event) (err error) {
	lookErr := s.look(ctx, func(e *engine) {
		e.recorder.ctx = ctx
		err = e.recorder.recordWith(nil, events)
	})
	if lookErr != nil {
		return lookErr
	}
	return err
}
