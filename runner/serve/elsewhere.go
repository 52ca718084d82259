package serve

import (
	"context"
	"errors"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// runElsewhere lets the engine of Config.Open run the session, and adds the events to r. The
// run goes on when the chat ends, and a lost connection to the engine does not end the run.
func (conv *conversation) runElsewhere(r *run) error {
	c := conv.chat
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	defer context.AfterFunc(c.drain, cancel)()
	var over bool
	var err error
	if r.fresh || r.key != "" { // otherwise a page looks for a run that goes on
		over, err = conv.takeStream(ctx, r)
	}
	_, busy := errors.AsType[*journal.BusyError](err)
	if !over && ctx.Err() == nil && (r.hasBegun() || !r.fresh && (err == nil || busy)) {
		over, err = conv.join(ctx, r)
	}
	switch {
	case !over && c.drain.Err() != nil:
		err = runner.ErrDrained
	case over && ctx.Err() == nil && errors.Is(err, context.Canceled), over && r.isStopped() && errors.Is(err, errElsewhere):
		err = errStopped
	}
	conv.log(ctx, err)
	return err
}

// takeStream gives the input to the engine, and adds the events of the run. over means the
// end of the run.
func (conv *conversation) takeStream(ctx context.Context, r *run) (over bool, end error) {
	begun := false
	for e, err := range conv.other.Stream(ctx, conv.chat.config.Agent, r.in...) {
		if err != nil {
			if _, elsewhere := errors.AsType[*journal.BusyError](err); over && !elsewhere && ctx.Err() == nil {
				return true, err // the reason of a failed run, with its type
			}
			return over, err
		}
		r.add(conv.chat.public(e))
		if !begun && r.isStopped() { // before the run began, Cancel had no effect
			_ = conv.stopElsewhere(ctx) // logs
		}
		begun = true
		if ended, why := endOf(e); ended { // messages may follow
			over, end = true, why
		}
	}
	return over, end
}

// join adds the events of a run that goes on, to its end.
func (conv *conversation) join(ctx context.Context, r *run) (over bool, err error) {
	c := conv.chat
	for {
		if r.seen() == 0 { // the readers read what was before
			sum, err := conv.summary(ctx)
			if err != nil {
				return false, err
			}
			r.begin(sum.Seq)
			switch sum.Status {
			case journal.Running:
			case journal.Paused, journal.Late:
				return true, runner.ErrPaused
			case journal.Failed:
				return true, errElsewhere
			default:
				return true, nil
			}
		}
		if over, err := conv.take(r, c.reader.Watch(ctx, conv.name, r.seen())); over {
			return true, err
		}
		select { // the engine cannot be reached
		case <-time.After(takeOver):
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// summary returns the summary of the session.
func (conv *conversation) summary(ctx context.Context) (sum journal.Summary, err error) {
	for e, err := range conv.chat.reader.Read(ctx, conv.name, 0) {
		if err != nil {
			return sum, err
		}
		sum.Add(e)
	}
	return sum, nil
}

// state returns the state of the session.
func (conv *conversation) state(ctx context.Context) (*runner.State, error) {
	if conv.other == nil {
		return conv.session.State(ctx)
	}
	return runner.StateOf(conv.name, conv.chat.reader.Read(ctx, conv.name, 0))
}

// stopElsewhere stops the run of the session, whichever process began the run.
func (conv *conversation) stopElsewhere(ctx context.Context) error {
	r := conv.current()
	if r != nil {
		r.setStopped(true)
	}
	err := conv.other.Cancel(ctx)
	if err != nil {
		conv.chat.logger().WarnContext(ctx, "a run of a chat cannot be stopped", "session", conv.name, "error", err)
		if r != nil {
			r.setStopped(false)
		}
	}
	return err
}

func (r *run) setStopped(stopped bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = stopped
}

func (r *run) isStopped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopped
}

// hasBegun reports whether an event of the run has come.
func (r *run) hasBegun() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first > 0
}
