package runner

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/runner/internal/step"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// An engine executes the actions of the state machine for one run, on the goroutine of
// the run's caller. Its parts are safe for concurrent use where tool calls use them: the
// recorder, the redactor, the invoker and the scheduler. All else belongs to the goroutine
// of the caller.
type engine struct {
	runner  Runner
	session string // empty outside a session
	stream  bool
	began   bool        // RunStarted of the run is recorded
	given   *input      // of the caller, for use by runs outside of sessions
	past    *loop.State // at the end of an earlier run that answered the input; nil: none
	outer   *engine     // of the run that this helper's run works for; nil for the outermost run

	first    *agent.Agent              // of the caller
	agent    agent.Agent               // that has the conversation
	handoffs map[string]*agent.Handoff // of the agent, by the names of their tools; nil: none
	helpers  map[string]*agent.Helper  // of the agent, by the names of their tools; nil: none
	model    llm.Model
	here     *promptCall // nil before the first call of a prompt model
	memo     *llm.Memo
	limits   loop.Limits
	base     *slog.Logger // without the attributes of the run; nil before its first use
	logger   *slog.Logger
	drain    context.Context         // see Drain; nil if nobody drains the run
	step     *step.Step              // nil if the run has all calls to itself
	ctx      context.Context         // of the run, for its calls
	leave    context.CancelCauseFunc // ends ctx

	recorder  *recorder
	redactor  *redactor
	invoker   *invoker
	scheduler *scheduler
	collector *collector // nil without a Result

	whole *work // the run, for Around; nil without Around

	work     time.Duration          // of the last answer, if a limit needs it
	reserved reservation            // of the next request
	keeper   *keeper                // nil without KeepPartial
	changed  *turnChange            // of the current turn; nil without BeforeTurn
	offer    *offer                 // of the current turn; nil before the first listing
	own      []tool.Tool            // of the runner; made by listTools
	reported []string               // the last notice about each toolset
	asked    map[event.CallRef]bool // calls that Decide was asked about, and calls of helpers that ran
	checked  []admission            // memory for checkCalls
	bodies   []event.Body           // memory for admit
}

func newEngine(r *Runner, session string, stream bool) *engine {
	all := new(struct { // one piece of memory
		engine    engine
		redactor  redactor
		recorder  recorder
		invoker   invoker
		scheduler scheduler
		state     loop.State
		input     input
	})
	e := &all.engine
	e.given = &all.input
	e.runner, e.session, e.stream = *r, session, stream
	e.redactor, e.recorder, e.invoker, e.scheduler = &all.redactor, &all.recorder, &all.invoker, &all.scheduler
	e.redactor.redact = r.Redact
	e.recorder.prepare(session, e.redactor, &all.state)
	if r.Decide != nil || r.MayAnswer != nil {
		e.recorder.deciding = make(chan struct{}, 1)
	}
	v := e.invoker
	v.timeout, v.keepPasswords, v.recorder, v.redactor = r.ToolTimeout, r.KeepPasswords, e.recorder, e.redactor
	v.keepWhole = r.PutAside > 0
	e.scheduler.invoker, e.scheduler.done = v, make(chan struct{}, 1)
	e.keepsPartial()
	return e
}

// execute runs the agent on the input. When it returns, nothing of the run is
// going on any more.
func (e *engine) execute(ctx context.Context, a *agent.Agent, in *input, yield func(event.Event) bool) error {
	if e.logger == nil { // a run outside a session
		e.setLogger(e.baseLogger())
	}
	e.setDrain(ctx)
	ctx, err := e.runner.nest(ctx)
	if err != nil {
		return err
	}
	if e.step != nil && e.step.Look {
		e.lookBack(ctx)
		return nil
	}
	err = e.prepareRun(ctx, a, in)
	if err != nil || e.past != nil {
		if e.step != nil && e.past != nil {
			e.step.Past = e.past.Seq
		}
		return err
	}
	if in.idle {
		return e.revoke(ctx, in, yield)
	}
	ctx, cancel := e.withRunTimeout(ctx)
	defer cancel()
	defer e.scheduler.close()
	e.recorder.begin(ctx, yield)

	returned := false
	defer func() {
		if !returned { // the loop body, or a model, panicked or called runtime.Goexit
			e.recorder.consumer.left = true
			err = e.fail(errUnwound)
		}
		e.whole.fail(err)
	}()
	err = e.run(ctx, in)
	returned = true
	if err != nil {
		err = e.fail(err)
	} else {
		err = e.pause()
	}
	return err
}

// pause returns the error of a run that paused, or nil.
func (e *engine) pause() error {
	e.settle(nil, 0)
	s := e.recorder.snapshot()
	if !s.Paused() {
		return nil
	}
	e.logger.Info("run paused", "calls", len(s.Open()))
	if e.session == "" {
		return errPausedForGood
	}
	return ErrPaused
}

// withRunTimeout puts the limit on a run's time on ctx, and sets ctx and leave of e.
func (e *engine) withRunTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	var cancel context.CancelFunc // nil without a limit
	if d := orDefault(e.runner.RunTimeout, defaultRunTimeout); d > 0 {
		over := &LimitError{Limit: runTime, Max: int64(d)}
		if e.step != nil && e.outer == nil {
			ctx, cancel = e.withDeadline(ctx, d, over)
		} else {
			ctx, cancel = context.WithTimeoutCause(ctx, d, over)
		}
	}
	if e.collector != nil && cancel != nil { // no consumer can leave, so no cause is needed
		e.ctx, e.leave = ctx, func(error) { cancel() }
		return ctx, cancel
	}
	e.ctx, e.leave = context.WithCancelCause(ctx)
	return e.ctx, func() {
		e.leave(nil)
		if cancel != nil {
			cancel()
		}
	}
}

// run executes the actions of the state machine until the run has ended.
func (e *engine) run(ctx context.Context, in *input) error {
	if err := causeOf(ctx); err != nil {
		return err
	}
	if e.step != nil && e.step.Call != "" {
		return e.runCall(ctx)
	}
	if len(in.messages) == 0 || in.answers { // open calls may start before the first turn is prepared
		if err := e.listTools(ctx); err != nil {
			return err
		}
	}
	if err := e.begin(ctx, in); err != nil {
		return err
	}
	if e.whole != nil {
		ctx = e.whole.within
	}
	if e.step != nil && e.step.Fatal != nil && e.outer == nil {
		return e.endStep()
	}
	for {
		if err := e.recorder.deliver(); err != nil {
			return err
		}
		if e.outer == nil && e.session != "" {
			e.recorder.saveState(ctx)
		}
		action := e.recorder.next(&e.limits)
		if _, over := action.(loop.Idle); over {
			return nil
		}
		if err := e.stopReason(ctx); err != nil {
			return err
		}
		if e.runner.StopWhen != nil || e.offer != nil && e.offer.final {
			stopped, err := e.stop(ctx, action)
			if err != nil {
				return err
			}
			if stopped {
				continue
			}
		}
		if e.isDrained(action) {
			return ErrDrained
		}
		if e.step != nil && e.showsFirst(action) {
			e.step.Stop()
			return errUnseen
		}
		if err := e.do(ctx, action); err != nil {
			return err
		}
	}
}

// stopReason returns the reason why the run must end now, or nil.
func (e *engine) stopReason(ctx context.Context) error {
	if e.outer != nil {
		if reason := e.outer.stopReason(e.outer.ctx); reason != nil {
			return reason
		}
	}
	cause, failure := causeOf(ctx), e.scheduler.failure()
	if cause == nil {
		cause = e.recorder.owner()
	}
	if failure != nil && cause != nil {
		return fmt.Errorf("%w; %w", failure, cause)
	}
	return cmp.Or(failure, cause)
}

// do executes the usual actions. The stack of a waiting run has no room for the rest.
func (e *engine) do(ctx context.Context, action loop.Action) error {
	switch a := action.(type) {
	case loop.Prepare:
		if e.reserve() {
			return nil // the next action is to stop
		}
		return e.prepare(ctx, a.Turn)
	case loop.Generate:
		if err := e.generate(ctx, a.Turn); err != nil {
			return e.afterFailure(ctx, err)
		}
		return nil
	case loop.Start:
		return e.start(ctx, a.Calls)
	}
	return e.doRest(ctx, action)
}

func (e *engine) doRest(ctx context.Context, action loop.Action) error {
	switch a := action.(type) {
	case loop.Close:
		return e.recorder.record(true, closings(a, e.recorder.snapshot().Choice)...)
	case loop.Decide:
		return e.decide(ctx, a.Calls)
	case loop.Check:
		body, err := e.checkOutput(ctx, e.recorder.snapshot(), a)
		if err != nil {
			return err
		}
		_, err = e.recorder.finish(&e.limits, body)
		return err
	case loop.CheckItems:
		return e.check(ctx, a)
	case loop.HandOff:
		return e.handOff(ctx, a)
	case loop.Reject:
		return e.recorder.record(false, event.OutputRejected{Turn: a.Turn, Reason: a.Reason.String(), Message: a.Message})
	case loop.StopAtLimit:
		return e.stopAtLimit(ctx, a)
	case loop.Compact:
		if e.reserve() {
			return nil
		}
		return e.compact(ctx, a.Turn, 0)
	case loop.Nudge:
		return e.nudge(a.Turn)
	case loop.Finish:
		s := e.recorder.snapshot()
		_, err := e.recorder.finish(&e.limits, event.RunFinished{Run: s.Run, Turns: s.Turn, Usage: s.Usage})
		return err
	case loop.Fail:
		return e.failureOf(a)
	}
	return fmt.Errorf("runner: no way to do %T", action) // a bug of ours
}

// begin continues a run that has not ended, or starts a run. A message closes the open
// calls of an earlier run.
func (e *engine) begin(ctx context.Context, in *input) error {
	id := rand.Text()                  // needs a deep stack
	b, err := e.beginning(ctx, in, id) // its copy of the state leaves the stack before the append
	if err != nil {
		return err
	}
	if b.continues {
		e.began = true
		if len(b.events) == 0 {
			return e.resume(ctx)
		}
	}
	err = e.recorder.recordWith(b.bodies, b.events)
	e.began = e.began || err == nil
	if err == nil && b.continues && len(b.events) == len(in.revocations) { // the run stands where it stood
		return e.resume(ctx)
	}
	return err
}

// A beginning is how a run begins or goes on.
type beginning struct {
	continues bool
	bodies    []event.Body  // of a run that begins
	events    []event.Event // what the input says about calls, and then the messages beside it
}

func (e *engine) beginning(ctx context.Context, in *input, newID string) (b beginning, err error) {
	s := e.recorder.snapshot()
	b.continues = (len(in.messages) == 0 || in.answers) && s.Running()
	run, id := s.Run, s.ID
	if !b.continues {
		run, id = run+1, newID
	}
	e.setLogger(e.newLogger(run, id))
	if e.runner.Around != nil {
		ctx = e.enter(ctx, &s, run, b.continues)
	}
	if in.answers {
		if b.events, err = e.answerEvents(ctx, in); err != nil {
			return b, err
		}
	}
	open := s.Open()
	if e.collector != nil && e.outer == nil && (b.continues || len(open) > 0) {
		e.collector.earlier = e.recorder.recentEvents(ctx)
	}
	if b.continues {
		e.logger.Info("run resumed", "paused", s.Paused())
		return b, nil
	}
	b.bodies = append(b.bodies, event.RunStarted{Version: event.Version, Run: run, Agent: e.agent.DisplayName(), ID: id, Trace: e.trace()})
	if !in.answers {
		if len(in.messages) > 0 { // providers refuse a message between a call and its result
			for _, c := range open {
				b.bodies = append(b.bodies, e.closedByMessage(c))
			}
		}
		b.bodies = append(b.bodies, in.bodies(false)...)
	}
	e.logger.Info("run started", "messages", len(in.messages))
	return b, nil
}

// answerEvents returns the events of the answers about calls. Messages beside them wait for
// the next turn, which comes after the results of the calls.
func (e *engine) answerEvents(ctx context.Context, in *input) ([]event.Event, error) {
	events, err := e.decisionEvents(ctx, in.decisions)
	if err != nil {
		return nil, err
	}
	late, err := e.lateEvents(ctx, in)
	if err != nil {
		return nil, err
	}
	revoked, err := e.revocationEvents(ctx, in.revocations)
	if err != nil {
		return nil, err
	}
	return slices.Concat(revoked, events, late, e.recorder.at(in.bodies(true))), nil
}

// resume continues a paused run, or a run whose process died. A paused run needs a
// decision, of the caller or of Decide.
func (e *engine) resume(ctx context.Context) error {
	s := e.recorder.snapshot()
	switch {
	case s.Paused():
		return e.askAgain(ctx, &s)
	case s.Prepared(): // perhaps for another agent, or for other tools
		return e.prepare(ctx, s.Turn)
	}
	return nil
}

// start records the starts of the calls of a turn, runs the calls, and returns when each
// has ended or was left behind. Results are recorded as they come, also while the
// consumer's loop body holds an event. earlier are the events before the starts that are
// not yet recorded.
func (e *engine) start(ctx context.Context, calls []loop.Call, earlier ...event.Body) error {
	jobs, bodies := e.admit(ctx, calls)
	if err := causeOf(ctx); err != nil { // a policy that was cut short counts as yes, and would ask without need
		if len(earlier) > 0 {
			err = cmp.Or(e.recorder.record(false, earlier...), err)
		}
		return err
	}
	// The order makes effects safe: all starts are durable, and the consumer has seen
	// them, before the first function begins. A consumer that leaves here, or a crash,
	// therefore never hides an effect.
	var away []step.Job
	if e.step != nil {
		jobs, away = e.divide(jobs)
	}
	e.scheduler.admit(jobs)
	if err := e.recorder.record(true, append(earlier, bodies...)...); err != nil {
		return err
	}
	if err := e.recorder.deliver(); err != nil {
		return err
	}
	if len(away) > 0 {
		e.step.Add(away...)
	}
	if len(jobs) > 0 {
		e.recorder.number(jobs)
		if err := e.launch(ctx); err != nil {
			return err
		}
	}
	if e.step.HandedOut() {
		return errHandedOut
	}
	if e.step.Stopped() { // in the run of a helper
		return errUnseen
	}
	if e.step.Down() != nil { // of a helper
		return cmp.Or(e.stopReason(ctx), errHelperDown)
	}
	return nil
}

// launch runs the admitted jobs, and returns when each has ended or was left behind.
func (e *engine) launch(ctx context.Context) error {
	e.scheduler.launch(ctx)
	ended := false
	defer func() { // also when the consumer's loop body panics
		if !ended {
			e.leave(errLeft)
			if e.scheduler.attended {
				e.scheduler.calls.group.End()
			}
			<-e.scheduler.done
		}
	}()
	var ends <-chan struct{} // nil unless attended
	if e.scheduler.attended {
		ends = ctx.Done()
	}
	for {
		select {
		case <-ends:
			e.scheduler.calls.group.End()
			ends = nil
		case <-e.recorder.wake:
			if err := e.recorder.deliver(); err != nil {
				return err
			}
		case <-e.scheduler.done:
			ended = true
			return nil // run looks at ctx and at the scheduler's failure
		}
	}
}

// fail ends a failed run, and records the failure. A call that began and has no result
// stays started, as after a crash: nobody knows its effect. A paused run stays paused.
func (e *engine) fail(cause error) error {
	e.settle(nil, 0) // a request without an answer costs nothing
	if e.session != "" && errors.Is(cause, ErrDrained) {
		e.noteDown(cause)
		return e.endDrained()
	}
	s := e.recorder.snapshot()
	if !e.began || !s.Running() || s.Paused() {
		return cause
	}
	var bodies []event.Body
	for _, c := range s.Open() {
		bodies = append(bodies, e.endUnbegun(c)...)
	}
	bodies = append(append(bodies, e.rest(s.Turn, s.Prepared())...), event.RunFailed{
		Run: s.Run, Turns: s.Turn, Usage: s.Usage, Error: e.redactor.error(cause),
	})
	if err := e.recorder.recordEnd(bodies...); err != nil {
		cause = fmt.Errorf("%w; %w", cause, err)
	}
	e.logFailure(cause, s.Turn)
	if !e.recorder.consumer.left {
		if lerr := e.recorder.deliver(); lerr != nil {
			return lerr
		}
	}
	return cause
}

// endUnbegun returns the events for an open call at the end of a failed run, if the
// call's function did not begin. In a session the call stays open for the next run, and
// an event takes a recorded start back. Without a session nobody can run the call later,
// so the call ends with the run.
func (e *engine) endUnbegun(c loop.Call) []event.Body {
	neverBegan := c.Status == loop.Started && e.scheduler.neverBegan(c.Ref)
	switch {
	case c.Nested != nil && c.Nested.Run > 0:
		return nil // the helper's run goes on later, where it is
	case e.session != "" && neverBegan:
		return []event.Body{event.InDoubtDecided{Call: c.Ref, Decision: event.RunAgain, By: "runner"}}
	case e.session == "" && (c.Status == loop.Proposed || neverBegan):
		c.Status = loop.Proposed // the text must not say that the outcome is unknown
		return []event.Body{neverFinished(c)}
	}
	return nil // approved, waiting for a decision, in doubt, or its result is among the unsaved
}
