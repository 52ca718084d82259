package runner

import (
	"context"
	"errors"
	"slices"

	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/runner/internal/step"
)

// ErrDrained says that a run of a session stopped between two turns, because the context
// of [Drain] ended. Nothing is lost: the next call of [Session.Run] without messages
// continues the run.
var ErrDrained = errors.New("runner: the run stopped between two turns, and can be continued")

// Drain returns a context for runs that stop in order when stop ends: a run asks the model
// no more, waits for its running calls, records their results, and returns [ErrDrained].
// All calls of the last answer run. A request to the model that is going on is cancelled,
// and asked again by the run that continues. So a process can end without a call that
// nobody knows the end of.
//
//	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
//	result, err := session.Run(runner.Drain(ctx, stop), assistant)
//
// The end of ctx cancels the run, as always. Helpers stop like the run itself. Drain has no
// effect on a nested run (see [Runner.MaxDepth]): its outer run waits for it. Outside of a
// session, a drained run is a failed run.
func Drain(ctx, stop context.Context) context.Context {
	return context.WithValue(ctx, drainKey{}, stop)
}

type drainKey struct{}

// setDrain notes the context of Drain and the step, for an outermost run.
func (e *engine) setDrain(ctx context.Context) {
	if _, nested := ctx.Value(nestingKey{}).(*nestingContext); !nested {
		e.drain, _ = ctx.Value(drainKey{}).(context.Context)
		if e.step = step.From(ctx); e.step != nil {
			e.step.Begin = e.recorder.snapshot().Seq
		}
	}
}

// isDrained reports whether the run must stop before an action.
func (e *engine) isDrained(action loop.Action) bool {
	if e.drain == nil || e.drain.Err() == nil {
		return false
	}
	switch a := action.(type) {
	case loop.Prepare, loop.Generate, loop.Compact:
		return true
	case loop.Start: // helpers that stopped themselves
		return !slices.ContainsFunc(a.Calls, func(c loop.Call) bool { return c.Nested == nil })
	}
	return false
}

// untilDrained returns a context for a request to a model.
func (e *engine) untilDrained(ctx context.Context) (context.Context, func()) {
	if e.drain == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(e.drain, func() { cancel(ErrDrained) })
	return ctx, func() { stop(); cancel(nil) }
}

// endDrained ends a run; the session continues the run later. The journal shows the same as
// after a crash here, and no call is open but those of helpers, which stopped, too.
func (e *engine) endDrained() error {
	s := e.recorder.snapshot()
	if !e.step.HandedOut() && !e.step.Stopped() && e.step.Down() == nil {
		e.logger.Info("run drained", "turns", s.Turn)
	}
	if rest := e.rest(s.Turn, s.Prepared()); rest != nil {
		_ = e.recorder.record(false, rest...) // the run goes on later all the same
	}
	if !e.recorder.consumer.left {
		if err := e.recorder.deliver(); err != nil {
			return err
		}
	}
	return ErrDrained
}
