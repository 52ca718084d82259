// Package flow is the workflow of a session. The workflow obeys: it waits for inputs, lets
// activities go on with the machine and run the calls, and keeps the events unread. Package
// flow imports nothing of the library, so a new version of the machine changes nothing in the
// history of an open session.
//
// A change of this package can do so: see Commands. The histories in testdata show whether old
// sessions go on.
package flow

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// The bounds of a session.
const (
	maxRepeats = 5   // attempts of a call that died, before the run asks whether to go on
	maxEnds    = 100 // of inputs, for an update that asks for its end later
	maxLate    = 100 // inputs that wait for the end of a run
	maxSaid    = 100 // ids of updates, for an update that comes again
	forever    = 10 * 365 * 24 * time.Hour
	// MaxPage bounds the events of a page, in bytes, unless one event alone is larger. The
	// server refuses 2 MB.
	MaxPage = 400 << 10
	// maxPacked bounds the packed log of the next execution, and maxArguments the log with the
	// inputs that wait. The server refuses 2 MB, and the rest is for the other members of Start.
	maxPacked    = 1800 << 10
	maxArguments = 1900 << 10
	// maxLog bounds the log of the next execution unpacked: each worker of the session holds it
	// in memory.
	maxLog = 64 << 20
	// maxWaiting bounds the inputs that wait for the end of a run, in bytes: a result of any size
	// that a client sends fits.
	maxWaiting = 1 << 20
	// maxKept bounds the ends that the next execution gets, in bytes, and maxData the members of
	// the error of one of them. The texts of an error are much shorter, unless a client sent them.
	maxKept = 100 << 10
	maxData = 40 << 10
)

// A session is the state of the workflow.
type session struct {
	start   Start
	log     []json.RawMessage
	began   int               // the number of events at the begin of the execution
	updates int               // that the execution accepted
	inputs  []*input          // wait to be taken
	held    []json.RawMessage // messages that were said during Advance
	busy    bool              // Advance is running
	taking  bool              // Advance has an input, and may record its key
	renew   bool              // the execution is over after the running handlers
	ended   bool              // nobody needs the session any more
	tooLong bool              // the log fits into no other execution
	packed  packed            // the log for the next execution
	stopRun workflow.CancelFunc
}

// An input is an accepted update.
type input struct {
	Ticket        // embedded: what the update brought, and its id
	taken  *Taken // nil: not yet
	orphan bool   // its handler is over, and the client looks for the end in Ends
}

// Session is the workflow.
func Session(ctx workflow.Context, start Start, log []byte) error {
	if start.Commands > Commands {
		// A panic leaves the session as it is, until a newer worker takes it.
		panic(fmt.Sprintf("the session needs a newer worker: its commands have version %d, and this worker knows versions up to %d", start.Commands, Commands))
	}
	events, err := unpack(log)
	if err != nil {
		return err
	}
	s := &session{start: start, log: events, began: len(events), ended: start.Ended}
	s.packed = packed{data: log, events: len(events), whole: bytesOf(events)}
	for _, t := range start.Late {
		s.inputs = append(s.inputs, &input{Ticket: t, orphan: true})
	}
	s.start.Late = nil
	if err := s.listen(ctx); err != nil {
		return err
	}
	for {
		if s.start.Going == nil {
			if err := s.await(ctx); err != nil {
				return err
			}
		}
		switch {
		case s.start.Going != nil:
			s.goOn(ctx, nil)
		case len(s.inputs) > 0:
			s.begin(ctx)
		}
		if s.ended && s.start.Going == nil && len(s.inputs) == 0 { // an accepted input runs before the end
			if err := s.archive(ctx); err != nil {
				return err
			}
			err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) || len(s.inputs) > 0 })
			if err != nil || len(s.inputs) == 0 {
				return err
			}
			continue
		}
		if s.isOld(ctx) {
			if next := s.next(ctx); next != nil {
				return next
			}
		}
	}
}

// await waits for an input, an end, or a history that messages have made old. If a call waits no
// longer before, the paused run goes on.
func (s *session) await(ctx workflow.Context) error {
	woken := func() bool {
		grown := len(s.log) > s.began // else a small MaxHistory would renew without end
		return len(s.inputs) > 0 || s.renew || s.ended || grown && !s.tooLong && s.isOld(ctx)
	}
	d := s.start.Due
	if d == nil {
		return workflow.Await(ctx, woken)
	}
	wait := max(d.At.Sub(workflow.Now(ctx))+time.Millisecond, backoff(d.Tries)) // a server may cut the rest of a millisecond
	timerCtx, cancel := workflow.WithCancel(ctx)
	timer := workflow.NewTimerWithOptions(timerCtx, wait, workflow.TimerOptions{Summary: "a call waits until then"})
	err := workflow.Await(ctx, func() bool { return woken() || timer.IsReady() })
	cancel() // not deferred, as in together
	if err == nil && !woken() {
		d.Tries++
		s.start.Going = &Going{From: len(s.log), Agent: d.Agent}
	}
	return err
}

// due returns when the run that has paused goes on without an input. If the activity recorded
// nothing, the session waits as before.
func (s *session) due(agent string, out Advanced) *Due {
	before := s.start.Due
	if out.Failure == nil || out.Failure.Kind != KindPaused {
		if len(out.Events) == 0 {
			return before
		}
		return nil
	}
	if out.Until.IsZero() {
		return nil
	}
	d := &Due{At: out.Until, Agent: agent}
	if before != nil && !d.At.After(before.At) {
		d.Tries = before.Tries
	}
	return d
}

// archive lets an activity copy the events, before nobody has them.
func (s *session) archive(ctx workflow.Context) error {
	if len(s.log) == 0 {
		return nil
	}
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		ScheduleToCloseTimeout: forever, HeartbeatTimeout: s.start.Heartbeat,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
	}), ArchiveName, Archive{Session: s.start.Session, Events: len(s.log)}).Get(ctx, nil)
}

// listen sets the handlers of the workflow.
func (s *session) listen(ctx workflow.Context) error {
	err := workflow.SetQueryHandler(ctx, QueryEvents, func(r Range) (Page, error) {
		return s.page(workflow.GetInfo(ctx).FirstRunID, r), nil
	})
	if err == nil {
		err = workflow.SetQueryHandler(ctx, QueryStatus, func() (Status, error) {
			status := Status{Events: len(s.log), Going: s.start.Going, Ends: s.start.Ends}
			for _, p := range s.inputs {
				status.Late = append(status.Late, p.Ticket.Ticket)
			}
			for _, t := range s.start.Late { // the execution is over, and answers once more
				status.Late = append(status.Late, t.Ticket)
			}
			return status, nil
		})
	}
	if err == nil {
		err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateRun, s.run, workflow.UpdateHandlerOptions{Validator: s.mayRun})
	}
	if err == nil {
		err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateSay, s.say, workflow.UpdateHandlerOptions{Validator: s.maySay})
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			if more := workflow.GetSignalChannel(ctx, SignalCancel).Receive(ctx, nil); !more {
				return
			}
			if s.start.Going != nil {
				s.start.Going.Canceled = true
			}
			if s.stopRun != nil {
				s.stopRun()
			}
		}
	})
	workflow.Go(ctx, func(ctx workflow.Context) {
		s.ended = workflow.GetSignalChannel(ctx, SignalEnd).Receive(ctx, nil) || s.ended
	})
	return err
}

// page returns events: at least one, unless the range is empty.
func (s *session) page(conversation string, r Range) Page {
	p := Page{Total: len(s.log), Conversation: conversation}
	to := len(s.log)
	if r.To > 0 {
		to = min(to, r.To)
	}
	size := 0
	for i := max(r.From, 0); i < to; i++ {
		if size += len(s.log[i]); size > MaxPage && len(p.Events) > 0 {
			break
		}
		p.Events = append(p.Events, s.log[i])
	}
	return p
}

// mayRun refuses an input that does not fit before the history has a record of the input.
func (s *session) mayRun(ctx workflow.Context, in Input) error {
	if _, known := s.known(workflow.GetCurrentUpdateInfo(ctx).ID); known {
		return nil
	}
	if s.ended {
		return temporal.NewNonRetryableApplicationError("the session is ending", EndingType, nil)
	}
	if (s.start.Going != nil || len(s.inputs) > 0) && !(isLate(in) && s.hasRoom(in)) {
		return temporal.NewNonRetryableApplicationError("a run of the session is going on", BusyType, nil)
	}
	for _, raw := range in.Inputs {
		var q struct {
			Question        // embedded: the input has the members of a Question
			Approval string `json:"approval"`
			InDoubt  bool   `json:"in_doubt"`
		}
		if err := json.Unmarshal(raw, &q); err != nil {
			return temporal.NewNonRetryableApplicationError("an input is not JSON", UnfitType, nil)
		}
		if q.Call == "" && isAbove(ctx, fullSize, fullLength) {
			return s.full()
		}
		if q.Approval == "" && !q.InDoubt {
			continue // messages, or a result from outside, which has its own rules
		}
		reason := "the call waits no longer: it has ended, its time was over, or a message closed it"
		for _, w := range s.start.Waiting {
			if w.Call != q.Call {
				continue
			}
			if reason = ""; w.Seq != q.Seq {
				reason = "the decision is about an earlier question"
			}
		}
		if reason != "" {
			return temporal.NewNonRetryableApplicationError(reason, UnfitType, nil, q.Question)
		}
	}
	return nil
}

// run is the handler of the update. It returns when the run has ended or paused, or when the
// execution is over.
func (s *session) run(ctx workflow.Context, in Input) (Taken, error) {
	id := workflow.GetCurrentUpdateInfo(ctx).ID
	if taken, known := s.known(id); known {
		return taken, nil
	}
	p := &input{Ticket: Ticket{in, id}}
	s.inputs = append(s.inputs, p)
	s.updates++
	err := workflow.Await(ctx, func() bool { return p.taken != nil || s.renew && len(s.inputs) == 0 })
	if err != nil || p.taken == nil {
		return Taken{}, err
	}
	return *p.taken, nil
}

// known returns what the session did with an update that an earlier execution took: a client
// sends the update again if the answer was lost. Within one execution, the server knows the id.
func (s *session) known(id string) (Taken, bool) {
	if i := slices.IndexFunc(s.start.Ends, func(e End) bool { return e.Ticket == id }); i >= 0 {
		return Taken{Done: true, End: s.start.Ends[i]}, true
	}
	waits := slices.ContainsFunc(s.inputs, func(p *input) bool { return p.Ticket.Ticket == id })
	return Taken{}, waits || s.start.Going != nil && s.start.Going.Ticket == id
}

// begin takes the waiting input.
func (s *session) begin(ctx workflow.Context) {
	p := s.inputs[0]
	s.inputs = s.inputs[1:]
	s.start.Going = &Going{Ticket: p.Ticket.Ticket, From: len(s.log), Agent: p.Agent}
	s.goOn(ctx, p)
}

// goOn goes on with the run until it has ended or paused, or until the execution is to be
// renewed. p is the input that the run begins with, or nil.
func (s *session) goOn(ctx workflow.Context, p *input) {
	runCtx, stop := workflow.WithCancel(ctx)
	s.stopRun = stop
	if s.start.Going.Canceled {
		stop()
	}
	s.steps(ctx, runCtx, p)
	s.stopRun = nil // not deferred, as in together
	stop()
}

// steps is goOn within the context of the run.
func (s *session) steps(ctx, runCtx workflow.Context, p *input) {
	g := s.start.Going
	in, first := Advance{}, p != nil
	if first {
		in.Inputs = p.Inputs
	}
	for {
		out := s.advance(runCtx, in, first)
		if len(out.Jobs) == 0 && !out.Again {
			s.end(p, out, first && isRefusal(out))
			return
		}
		in, first = s.calls(runCtx, out.Jobs), false
		if in.Fatal == nil {
			in.Fatal = s.outlast(runCtx, out.Down)
		}
		g.Canceled = g.Canceled || runCtx.Err() != nil
		if in.Fatal == nil && s.isOld(ctx) && s.fits(s.inputs) {
			s.renew = true
			return
		}
		if in.Fatal == nil && isAbove(ctx, lastSize, lastLength) {
			in.Fatal = &Failure{Text: "temporal: " + tooLarge}
		}
	}
}

// isRefusal reports whether the first activity of an input refused the input. A session that
// is still paused refused nothing.
func isRefusal(out Advanced) bool {
	return len(out.Events) == 0 && out.Failure != nil && out.Failure.Kind != KindPaused
}

// end notes how the run ended or paused.
func (s *session) end(p *input, out Advanced, refused bool) {
	g := s.start.Going
	e := End{Ticket: g.Ticket, From: g.From, Len: len(s.log), Failure: out.Failure}
	if out.Past > 0 {
		e.From, e.Len = out.Past, out.Past
	}
	s.start.Going = nil
	if !refused {
		s.start.Waiting, s.start.Due = out.Waiting, s.due(g.Agent, out)
	}
	if (!refused || p.orphan) && e.Ticket != "" {
		s.start.Ends = kept(append(s.start.Ends, e))
	}
	if p != nil {
		p.taken = &Taken{Done: true, End: e, Refused: refused}
	}
}

// advance lets an activity go on with the machine, and keeps the events. If the first activity
// of an input has no result, nothing is recorded of the input.
func (s *session) advance(ctx workflow.Context, in Advance, first bool) Advanced {
	g := s.start.Going
	in.Session, in.Agent, in.Events, in.Deadline, in.Asked = s.start.Session, g.Agent, len(s.log), g.Deadline, g.Asked
	for call, dead := range g.Dead {
		if dead >= maxRepeats {
			in.TooOften = append(in.TooOften, call)
		}
	}
	slices.Sort(in.TooOften) // a map has no order
	options := workflow.ActivityOptions{
		HeartbeatTimeout: s.start.Heartbeat, WaitForCancellation: true,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
	}
	if in.Fatal != nil { // it records the end, and has all time
		ctx, _ = workflow.NewDisconnectedContext(ctx)
	}
	var out Advanced
	began := workflow.Now(ctx)
	s.busy, s.taking = true, len(in.Inputs) > 0
	err := workflow.ExecuteActivity(s.within(ctx, options, in.Fatal != nil), AdvanceName, in).Get(ctx, &out)
	s.busy, s.taking = false, false
	if len(s.held) > 0 && out.Undo > 0 {
		out.Events, out.Again = out.Events[:len(out.Events)-out.Undo], true
	}
	n := len(out.Events)
	if len(s.held) > 0 && out.Closed {
		n--
	}
	s.add(out.Events[:n])
	s.add(s.held)
	s.add(out.Events[n:])
	s.held = nil
	if err != nil {
		failure := s.whyEnded(ctx, err)
		if in.Fatal != nil || first {
			return Advanced{Failure: failure}
		}
		return s.advance(ctx, Advance{Fatal: failure}, false)
	}
	g.Asked = out.Asked
	if g.Deadline.IsZero() && out.Timeout > 0 {
		g.Timeout, g.Deadline = out.Timeout, began.Add(out.Timeout)
	}
	return out
}

// within bounds an activity by the time of the run. A running activity sees
// the deadline; the bound is for activities without a worker.
func (s *session) within(ctx workflow.Context, o workflow.ActivityOptions, unbounded bool) workflow.Context {
	o.ScheduleToCloseTimeout = forever
	if d := s.start.Going.Deadline; !d.IsZero() && !unbounded {
		o.ScheduleToCloseTimeout = max(d.Sub(workflow.Now(ctx)), 0) + time.Minute
	}
	return workflow.WithActivityOptions(ctx, o)
}

// whyEnded returns why an activity has no result. After a cancel, Temporal does not repeat an
// attempt that fails: its worker has died, say.
func (s *session) whyEnded(ctx workflow.Context, err error) *Failure {
	if temporal.IsCanceledError(err) || ctx.Err() != nil {
		return Canceled()
	}
	g := s.start.Going
	if _, ok := errors.AsType[*temporal.TimeoutError](err); ok && !g.Deadline.IsZero() {
		return TimeOver(g.Timeout)
	}
	return &Failure{Text: "temporal: " + err.Error()}
}
