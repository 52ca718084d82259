package runner

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/opening"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A recorder records the events of a run: in the log, in the state, and in a queue for
// the consumer. The methods may be called from several goroutines, except open, load,
// begin, deliver and show: these belong to the goroutine of the run's caller, and open,
// load and begin come before the first tool call.
type recorder struct {
	// root is the recorder of the outermost run, which has the log, the lock and the queue.
	// The recorder of a helper's run has only its own path and state.
	root     *recorder
	path     event.CallRef
	session  string      // empty outside a session
	log      journal.Log // nil outside a session
	logger   *slog.Logger
	redactor *redactor
	ctx      context.Context // values of the run's context for appends, without its end; of a helper's run, its context
	consumer consumer
	// collector gets the events in place of the consumer; nil with a consumer
	collector *collector
	wake      chan struct{} // holds a token while the queue may have events; nil with a collector, which has no queue

	// lock holds a token while a goroutine uses the fields below. A mutex would not do:
	// an append under the lock may take long, and a goroutine that waits for a mutex stops
	// the clock of a testing/synctest bubble.
	lock    chan struct{}
	state   *loop.State
	queue   []event.Event // recorded or ephemeral events that the consumer did not get yet
	spare   []event.Event // memory for queue
	recent  []event.Event // of a session: events since its last run that began without open calls
	from    int64         // the Seq at which recent should begin, if its beginning is only in the log; 0: recent is whole
	saved   int64         // the Seq of the saved state
	refused error         // first append that the log refused
	unsaved []event.Event // results that the log refused
	shown   chan struct{} // closed when the consumer has the queue; nil if nobody waits; see waitShown

	finished finishedCalls // has its own lock

	// deciding holds a token while the program is asked about a call; nil if it is asked about
	// none. Of the root.
	deciding chan struct{}

	began chan struct{} // closed when messages can come; nil outside a session
	over  bool          // no more messages; guarded by lock
}

// prepare makes a recorder that is ready to load. state is the zero state.
func (r *recorder) prepare(session string, red *redactor, state *loop.State) {
	r.root, r.session, r.redactor, r.state = r, session, red, state
	r.lock = make(chan struct{}, 1)
}

// nest makes r the recorder of a helper's run, whose outer call has started.
func (r *recorder) nest(outer *recorder, path event.CallRef) {
	r.root, r.path, r.session, r.collector, r.redactor = outer.root, path, outer.session, outer.collector, outer.redactor
	outer.acquire()
	defer outer.release()
	r.state = outer.state.Below(path)
}

func (r *recorder) acquire() { r.root.lock <- struct{}{} }

func (r *recorder) release() { <-r.root.lock }

// load rebuilds the state from the log. If before, the snapshot of an earlier run, belongs
// to this log, load reads only the events after the snapshot.
func (r *recorder) load(ctx context.Context, before *snapshot) error {
	r.acquire()
	defer r.release()
	known, err := r.loadAfter(ctx, before)
	if err == nil && !known {
		known, err = r.loadAfter(ctx, r.loadSaved(ctx))
	}
	if err == nil && !known {
		r.state, r.recent, r.from, r.saved = new(loop.State), nil, 0, 0
		err = r.replay(ctx, r.log.Events(ctx))
	}
	return err
}

// loadAfter reads the events of the log after before. known is false if before does not
// belong to this log, or if the log cannot tell. A different last event means that the
// journal was replaced, so the whole log counts.
func (r *recorder) loadAfter(ctx context.Context, before *snapshot) (known bool, err error) {
	log, ok := r.log.(tailReader)
	if !ok || before == nil {
		return false, nil
	}
	last := before.recent[len(before.recent)-1]
	next, stop := iter.Pull2(log.EventsAfter(ctx, last.Seq-1))
	defer stop()
	got, err, ok := next()
	if err != nil || !ok || !sameEvent(got, last) {
		return false, err
	}
	r.state, r.recent, r.from, r.saved = before.state, before.recent, before.from, before.saved
	return true, r.replay(ctx, func(yield func(event.Event, error) bool) {
		for ev, err, more := next(); more && yield(ev, err); ev, err, more = next() {
		}
	})
}

// replay applies recorded events. The caller has the lock.
func (r *recorder) replay(ctx context.Context, events iter.Seq2[event.Event, error]) error {
	for ev, err := range events {
		opening.Progress(ctx)
		if err == nil {
			err = r.apply(ev)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// apply applies an event. In a session it keeps the events since the last run that began
// without open calls, because a Result may need these events of an earlier run. The
// caller has the lock.
func (r *recorder) apply(ev event.Event) error {
	open := len(r.state.Calls) > 0
	if err := r.state.Apply(ev); err != nil {
		return err
	}
	if r.log == nil {
		return nil
	}
	if _, begins := ev.Body.(event.RunStarted); begins && !open && ev.Path == "" {
		r.recent, r.from = nil, 0
	}
	r.recent = append(r.recent, ev)
	return nil
}

// begin prepares the recorder for the appends of a run. An append outlives the run's
// context, because events are worth a record also when the run was cancelled.
func (r *recorder) begin(ctx context.Context, yield func(event.Event) bool) {
	r.consumer.yield = yield
	if r.collector == nil {
		r.wake = make(chan struct{}, 1)
	}
	if r.log != nil {
		r.ctx = context.WithoutCancel(ctx)
	}
	if r.began != nil {
		close(r.began)
	}
}

// owner returns nil if this process still owns the session, or the reason why not. The
// check is necessary although the loss of the log ends the run's context: a process that
// was stopped for longer than its lease may wake up before its context ends.
func (r *recorder) owner() error {
	log := r.root.log
	if log == nil || log.Context().Err() == nil {
		return nil
	}
	return context.Cause(log.Context())
}

// snapshot returns a copy of the state. If it were inlined, its callers would hold two copies
// on the stack.
//
//go:noinline
func (r *recorder) snapshot() (s loop.State) { // one name, so that the stack holds one copy
	r.acquire()
	s = r.state.Snapshot()
	r.release()
	return s
}

// next returns the next action. No tool call is running.
func (r *recorder) next(limits *loop.Limits) loop.Action {
	r.acquire()
	defer r.release()
	return loop.Next(r.state, *limits)
}

// record records events. sync means that the events must be durable before the next
// action. record never waits for the consumer.
func (r *recorder) record(sync bool, bodies ...event.Body) error {
	r.acquire()
	defer r.release()
	return r.recordLocked(sync, bodies)
}

// recordResult records the end of a call. Results that arrive during an append share the
// next append, because each append waits for the disk. recordEnd records a result again
// that the log refused.
func (r *recorder) recordResult(body event.Body) error {
	if r.root.log == nil {
		return r.record(true, body)
	}
	call := &finishedCall{event: event.Event{Path: r.path, Body: body}}
	r.root.finished.add(call)
	runtime.Gosched() // calls that end at the same moment get into the same append
	r.acquire()
	defer r.release()
	if call.done {
		return call.err
	}
	calls := r.root.finished.take()
	events := make([]event.Event, len(calls))
	for i, c := range calls {
		events[i] = c.event
	}
	err := r.root.recordAll(true, events)
	for _, c := range calls {
		c.done, c.err = true, err
	}
	if err != nil {
		r.root.unsaved = append(r.root.unsaved, events...)
	}
	return err
}

// recordEnd records the last events of a failed run, after the results that the log
// refused before: the effects of these calls happened, and without the results the calls
// would be in doubt. The error is nil if an append failed before, because that error
// already ends the run.
func (r *recorder) recordEnd(bodies ...event.Body) error {
	r.acquire()
	defer r.release()
	earlier := r.root.refused
	err := r.root.recordAll(true, append(slices.Clip(r.root.unsaved), r.at(bodies)...))
	switch {
	case err == nil:
		r.root.unsaved = nil // the end of a helper's run comes before the end of the outer run
	case earlier == nil:
		return err
	}
	return nil
}

// failed returns the first error of an append, or nil.
func (r *recorder) failed() error {
	r.acquire()
	defer r.release()
	return r.root.refused
}

// recordLate records the last events of a helper's run that stays as it is. If the log
// refuses them, recordEnd of the outermost run tries again.
func (r *recorder) recordLate(bodies []event.Body) {
	r.acquire()
	defer r.release()
	events := r.at(bodies)
	if r.root.recordAll(true, events) != nil {
		r.root.unsaved = append(r.root.unsaved, events...)
	}
}

// recordWith records events of this run and after them events that an answer of the caller
// has made, in one append. The state tries the events first: an event that does not fit the
// events before it would make the session unreadable for good, and an answer can come in more
// ways than the tests of a program have.
func (r *recorder) recordWith(bodies []event.Body, more []event.Event) error {
	if len(more) == 0 {
		return r.record(true, bodies...)
	}
	r.acquire()
	defer r.release()
	events := append(r.at(bodies), more...)
	r.root.stamp(events)
	if err := r.root.state.Try(events); err != nil {
		return fmt.Errorf("runner: session %q: an answer does not fit, and nothing was recorded: %w", r.session, err) // a bug of ours
	}
	return r.root.recordAll(true, events)
}

// stamp gives the next events their Seq and Time.
func (r *recorder) stamp(events []event.Event) {
	now := time.Now().UTC().Round(0)
	for i := range events {
		events[i].Seq, events[i].Time = r.state.Seq+int64(i)+1, now
	}
}

// at returns the events of this run with the bodies.
func (r *recorder) at(bodies []event.Body) []event.Event {
	events := make([]event.Event, len(bodies))
	for i, b := range bodies {
		events[i] = event.Event{Path: r.path, Body: b}
	}
	return events
}

// recordLocked appends to the log before it changes the state and the queue: the
// consumer never sees an event that a crash can take back, and a refused event changes
// nothing.
func (r *recorder) recordLocked(sync bool, bodies []event.Body) error {
	if r.root.log == nil {
		return r.root.recordHere(r.path, bodies)
	}
	return r.root.recordAll(sync, r.at(bodies))
}

// recordAll is recordLocked for events of several runs. r is the recorder of the outermost
// run. The events get their Seq and Time.
func (r *recorder) recordAll(sync bool, events []event.Event) error {
	if len(events) == 0 {
		return nil
	}
	r.stamp(events)
	if err := r.append(sync, events); err != nil {
		return err
	}
	for _, ev := range events {
		if err := r.apply(ev); err != nil {
			return fmt.Errorf("runner: %w", err) // a bug of ours
		}
	}
	r.show(events...)
	return nil
}

// recordHere is recordLocked without a log, so nobody needs the events as a slice.
func (r *recorder) recordHere(path event.CallRef, bodies []event.Body) error {
	now := time.Now().UTC().Round(0)
	for _, b := range bodies {
		ev := event.Event{Seq: r.state.Seq + 1, Time: now, Path: path, Body: b}
		if err := r.state.Apply(ev); err != nil {
			return fmt.Errorf("runner: %w", err) // a bug of ours
		}
		r.show(ev)
	}
	return nil
}

func (r *recorder) append(sync bool, events []event.Event) error {
	if r.log == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, storeBound)
	defer cancel()
	if err := r.log.Append(ctx, sync, events...); err != nil {
		err = fmt.Errorf("runner: session %q: event %d: %w", r.session, events[0].Seq, err)
		r.logger.Error("journal refused an event", "seq", events[0].Seq, "error", r.redactor.error(err))
		r.refused = cmp.Or(r.refused, err)
		return err
	}
	return nil
}

// number gives each job the Seq of its recorded start. The jobs have the order of the
// calls.
func (r *recorder) number(jobs []execution) {
	r.acquire()
	defer r.release()
	for i := range r.state.Calls {
		if c := &r.state.Calls[i]; len(jobs) > 0 && c.Ref == jobs[0].call.Ref {
			jobs[0].call.Seq = c.Seq
			jobs = jobs[1:]
		}
	}
}

// recentEvents returns a copy of the events for Result.Earlier.
func (r *recorder) recentEvents(ctx context.Context) []event.Event {
	r.acquire()
	defer r.release()
	r.fillRecent(ctx)
	return slices.Clone(r.recent)
}

// handOver returns the state and the recent events to the session. The run is over, but
// a function that was left behind may still report progress.
func (r *recorder) handOver() *snapshot {
	r.acquire()
	defer r.release()
	return &snapshot{r.state, r.recent, r.from, r.saved}
}
