package runner

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/opening"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// engine executes the actions of the state machine for one run. All of it
// happens on the caller's goroutine but for the listing of toolsets, and for tool
// calls, which share what stands below lock.
type engine struct {
	runner  Runner
	stream  bool
	session string
	log     journal.Log // nil outside a session

	agent    agent.Agent
	model    llm.Model
	tools    map[string]tool.Tool // of the turn
	defs     []llm.ToolDef
	marks    []event.OfferedTool
	listings []listing // of the agent's toolsets, for this turn
	told     []string  // what the last notices said of each toolset
	limits   loop.Limits
	calls    *CallLimit
	memo     *llm.Memo
	logger   *slog.Logger
	yield    func(event.Event) bool
	left     bool          // the consumer has left; yield must not be called again
	kept     []event.Event // for the Result; nobody streams
	recent   []event.Event // of a session: since its last run that began without open calls
	earlier  []event.Event // likewise: what was recorded before of the run, and of runs whose calls it goes on with
	retains  bool          // a Result is wanted

	ctx  context.Context // of the run; appends outlive it
	wake chan struct{}   // holds a token while the queue may have events
	lock chan struct{}   // holds a token while somebody has what follows; no mutex, as an append may take long

	state    *loop.State
	began    bool                   // the run's RunStarted is recorded
	refused  error                  // of the log: the first append that failed
	unsaved  []event.Body           // results that it refused
	noMore   context.CancelFunc     // ends the wait for a slot when the run is about to end
	queue    []event.Event          // committed, not yet yielded
	admitted map[event.CallRef]bool // by this engine: its start is recorded, or about to be
	launched map[event.CallRef]bool // of those: the function runs, or ran
	put      map[event.CallRef]bool // to Decide
	fatal    error                  // ends the run once the running calls have ended
	redactor redactor
}

func newEngine(r Runner, session string, stream bool) *engine {
	return &engine{
		runner: r, session: session, stream: stream,
		wake: make(chan struct{}, 1), lock: make(chan struct{}, 1), state: new(loop.State),
		admitted: map[event.CallRef]bool{}, launched: map[event.CallRef]bool{}, put: map[event.CallRef]bool{},
	}
}

// load rebuilds the state of a session, from what an earlier run of it has left where
// that is still what the log begins with.
func (e *engine) load(ctx context.Context, before *past) error {
	known, err := e.loadAfter(ctx, before)
	if err == nil && !known {
		e.state, e.recent = new(loop.State), nil
		err = e.replay(ctx, e.log.Events(ctx))
	}
	if e.retains {
		e.earlier = slices.Clone(e.recent)
	}
	return err
}

// loadAfter reads the events of the log after before. known is false if before
// does not belong to this log, or if the log cannot tell.
func (e *engine) loadAfter(ctx context.Context, before *past) (known bool, err error) {
	log, ok := e.log.(tail)
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
	e.state, e.recent = before.state, before.recent
	return true, e.replay(ctx, func(yield func(event.Event, error) bool) {
		for ev, err, more := next(); more && yield(ev, err); ev, err, more = next() {
		}
	})
}

// replay applies events that are recorded.
func (e *engine) replay(ctx context.Context, events iter.Seq2[event.Event, error]) error {
	for ev, err := range events {
		opening.Progress(ctx)
		if err == nil {
			err = e.apply(ev)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// apply applies an event. It keeps the events since the last run that began
// without open calls, because a Result may need these events of an earlier run.
func (e *engine) apply(ev event.Event) error {
	open := len(e.state.Calls) > 0
	if err := e.state.Apply(ev); err != nil {
		return err
	}
	if e.log == nil {
		return nil
	}
	if _, begins := ev.Body.(event.RunStarted); begins && !open {
		e.recent = nil
	}
	e.recent = append(e.recent, ev)
	return nil
}

// holds returns nil if this process still owns the session, or the reason why
// not. A process that was stopped for longer than its lease may ask before its
// run's context has ended.
func (e *engine) holds() error {
	if e.log == nil || e.log.Context().Err() == nil {
		return nil
	}
	return context.Cause(e.log.Context())
}

func (e *engine) acquire() { e.lock <- struct{}{} }

func (e *engine) release() { <-e.lock }

// execute runs the agent on the input. When it returns, nothing of the run is
// going on any more.
func (e *engine) execute(ctx context.Context, a *agent.Agent, in input, yield func(event.Event) bool) error {
	if e.logger == nil { // the run of no session
		e.logger = e.baseLogger()
	}
	ctx, err := e.runner.nest(ctx)
	if err != nil {
		return err
	}
	in, err = e.prepareRun(ctx, a, in)
	if err != nil {
		return err
	}
	ctx, cancel := e.bound(ctx)
	defer cancel()
	e.ctx, e.yield = ctx, yield

	returned := false
	defer func() {
		if !returned { // the loop body, or a model, panicked or called runtime.Goexit
			e.left = true
			_ = e.settle(errUnwound)
		}
	}()
	err = e.run(ctx, in)
	returned = true
	switch {
	case err != nil:
		return e.settle(err)
	case e.state.Paused():
		e.logger.Info("run paused", "calls", len(e.state.Open()))
		if e.log == nil {
			return errPausedForGood
		}
		return ErrPaused
	}
	return nil
}

// prepareRun checks what it was given, and fixes it for the run.
func (e *engine) prepareRun(ctx context.Context, a *agent.Agent, in input) (input, error) {
	if err := e.setAgent(a); err != nil {
		return in, err
	}
	var err error
	if in.messages, err = checkInput(in.messages); err != nil {
		return in, err
	}
	if len(in.messages) > 0 && len(in.decisions) > 0 {
		return in, errors.New("runner: messages and decisions in one run: a message begins a new run, which closes the calls that the decisions are about")
	}
	if len(in.messages) == 0 && len(in.decisions) == 0 && !e.state.Running() && !e.state.Waiting() {
		return in, ErrNoInput
	}
	e.limits = loop.Limits{
		Turns:         orDefault(e.runner.MaxTurns, defaultMaxTurns),
		InvalidRounds: orDefault(e.runner.MaxInvalidRounds, defaultMaxInvalidRounds),
		Unusable:      1,
		Serial:        e.agent.Settings.ParallelToolCalls != nil && !*e.agent.Settings.ParallelToolCalls,
	}
	e.calls = e.runner.Calls
	if e.calls == nil || e.calls.within(ctx) {
		e.calls = new(CallLimit)
	}
	e.memo = new(llm.Memo)
	return in, nil
}

func (e *engine) setAgent(a *agent.Agent) error {
	if err := a.Validate(); err != nil {
		return fmt.Errorf("runner: %w", err)
	}
	e.agent = *a
	e.agent.Settings = cloneSettings(a.Settings)
	e.model = e.runner.Model
	if e.model == nil {
		e.model = a.Model
	}
	if e.model == nil {
		return fmt.Errorf("runner: agent %q has no Model, and neither has the Runner", a.DisplayName())
	}
	e.agent.Tools, e.agent.Toolsets = slices.Clone(a.Tools), slices.Clone(a.Toolsets)
	return nil
}

func cloneSettings(s llm.Settings) llm.Settings {
	s.Stop, s.Modalities, s.Extra = slices.Clone(s.Stop), slices.Clone(s.Modalities), slices.Clone(s.Extra)
	s.HostedTools = slices.Clone(s.HostedTools)
	s.Metadata = maps.Clone(s.Metadata)
	return s
}

// bound puts the limit on a run's time on ctx.
func (e *engine) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	d := orDefault(e.runner.RunTimeout, defaultRunTimeout)
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, &LimitError{Limit: runTime, Max: int64(d)})
}

// run executes the actions of the state machine until the run has ended.
func (e *engine) run(ctx context.Context, in input) error {
	if err := causeOf(ctx); err != nil {
		return err
	}
	if len(in.messages) == 0 { // there may be calls to go on with
		if err := e.listTools(ctx); err != nil {
			return err
		}
	}
	if err := e.begin(ctx, in); err != nil {
		return err
	}
	for {
		if err := e.deliver(); err != nil {
			return err
		}
		action := e.next()
		if _, over := action.(loop.Idle); over {
			return nil
		}
		if err := e.ending(ctx); err != nil {
			return err
		}
		if err := e.do(ctx, action); err != nil {
			return err
		}
	}
}

// ending returns the reason why the run must end now, or nil.
func (e *engine) ending(ctx context.Context) error {
	cause := causeOf(ctx)
	if cause == nil {
		cause = e.holds()
	}
	if e.fatal != nil && cause != nil {
		return fmt.Errorf("%w; %w", e.fatal, cause)
	}
	return cmp.Or(e.fatal, cause)
}

// causeOf says why ctx ended, in words of the one who ended it and so that
// errors.Is finds context.Canceled or context.DeadlineExceeded. Nil: it has not.
func causeOf(ctx context.Context) error {
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(cause, ctx.Err()) || errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return fmt.Errorf("%w: %w", ctx.Err(), cause)
}

func (e *engine) do(ctx context.Context, action loop.Action) error {
	switch a := action.(type) {
	case loop.Prepare:
		return e.prepare(ctx, a.Turn)
	case loop.Ask:
		return e.ask(ctx, a.Turn)
	case loop.Start:
		return e.start(ctx, a.Calls)
	case loop.Close:
		return e.commit(true, e.closings(a)...)
	case loop.Settle:
		return e.settleCalls(ctx, a.Calls)
	case loop.Reject:
		return e.commit(false, event.OutputRejected{Turn: a.Turn, Reason: a.Reason.String(), Message: a.Message})
	case loop.Limit:
		return e.commit(true, event.LimitReached{Limit: a.Name, Max: a.Max})
	case loop.Finish:
		return e.commit(true, e.finished())
	case loop.Fail:
		return e.failed(a)
	}
	return fmt.Errorf("runner: no way to do %T", action) // a bug of ours
}

// begin goes on with a run that has not ended, or starts one. A message closes
// what an earlier run left open.
func (e *engine) begin(ctx context.Context, in input) error {
	goesOn := len(in.messages) == 0 && e.state.Running()
	run, id := e.state.Run, e.state.ID
	if !goesOn {
		run, id = run+1, rand.Text()
	}
	e.logger = e.newLogger(run, id)
	decisions, err := e.decided(in.decisions)
	if err != nil {
		return err
	}
	if goesOn {
		return e.resume(ctx, decisions)
	}
	if len(e.state.Open()) == 0 {
		e.earlier = nil // none of it is of this run
	}
	bodies := []event.Body{event.RunStarted{Version: event.Version, Run: run, Agent: e.agent.DisplayName(), ID: id}}
	if len(in.messages) > 0 {
		for _, c := range e.state.Open() {
			bodies = append(bodies, e.closed(c))
		}
	}
	for _, m := range in.messages {
		bodies = append(bodies, event.UserMessaged{Message: m})
	}
	bodies = append(bodies, decisions...)
	e.logger.Info("run started", "messages", len(in.messages))
	err = e.commit(true, bodies...)
	e.began = err == nil
	return err
}

// resume continues a run that was paused, or whose process died. A paused run
// needs a decision, from the caller or from Decide.
func (e *engine) resume(ctx context.Context, decisions []event.Body) error {
	e.began = true
	e.logger.Info("run resumed", "paused", e.state.Paused())
	if len(decisions) > 0 {
		return e.commit(true, decisions...)
	}
	switch {
	case e.state.Paused():
		waiting := slices.DeleteFunc(e.state.Open(), func(c loop.Call) bool { return !c.Waits() })
		return e.settleCalls(ctx, waiting)
	case e.state.Prepared(): // perhaps for an agent that was another
		return e.prepare(ctx, e.state.Turn)
	}
	return nil
}

// next asks the machine. Calls that run are live; none does when it is asked.
func (e *engine) next() loop.Action {
	e.acquire()
	defer e.release()
	return loop.Next(e.state, e.limits, nil)
}

// prepare fixes the instructions and the tools of a turn. A turn that was prepared
// before this process went on with it is prepared again where that changes it.
func (e *engine) prepare(ctx context.Context, turn int) error {
	if err := e.listTools(ctx); err != nil {
		return fmt.Errorf("turn %d: %w", turn, err)
	}
	text := e.agent.Instructions
	if e.agent.Instruct != nil {
		var err error
		info := agent.Info{Session: e.session, Run: e.state.Run, Turn: turn, Messages: e.history()}
		text, err = outside(ctx, e, "Instruct", func(ctx context.Context, _ here) (string, error) { return e.agent.Instruct(ctx, info) })
		if err != nil {
			return fmt.Errorf("turn %d: instructions: %w", turn, err)
		}
	}
	b := event.TurnPrepared{Turn: turn, Agent: e.agent.DisplayName(), ToolChoice: e.heldTo()}
	if text != e.state.Instructions {
		b.Instructions = &text
	}
	notices := e.compareTools()
	if !slices.Equal(e.marks, e.state.Tools) {
		b.Tools = e.marks
	}
	same := e.state.Prepared() && b.Agent == e.state.Agent && b.Instructions == nil && b.Tools == nil && b.ToolChoice == e.state.Choice
	if !same {
		if err := e.commit(false, b); err != nil {
			return err
		}
	}
	e.acquire()
	defer e.release()
	for _, text := range notices { // behind the event of the turn that they are about
		e.queue = append(e.queue, e.ephemeralEvent(event.Notice{Text: text}))
	}
	return nil
}

// history returns a view that appending to does not reach the state's own.
func (e *engine) history() []llm.Message {
	m := e.state.Messages
	return m[:len(m):len(m)]
}

// failed makes the error of a run that the machine ends.
func (e *engine) failed(a loop.Fail) error {
	if a.Limit != "" {
		return &LimitError{Limit: a.Limit, Max: int64(a.Max)}
	}
	return fmt.Errorf("turn %d: %w", e.state.Turn,
		&FinishError{Reason: a.Reason.String(), Finish: e.state.Finish, Refusal: e.state.Refusal})
}

func (e *engine) finished() event.RunFinished {
	return event.RunFinished{Run: e.state.Run, Turns: e.state.Turn, Usage: e.state.Usage}
}

// settle ends a run that failed, and records the failure. A call that was launched
// and has no result stays started, as after a crash: nobody knows what it did. A run
// that is paused stays so.
func (e *engine) settle(cause error) error {
	if !e.began || !e.state.Running() || e.state.Paused() {
		return cause
	}
	bodies := e.unsaved // what the log refused may be taken now
	for _, c := range e.state.Open() {
		bodies = append(bodies, e.unbegun(c)...)
	}
	bodies = append(bodies, event.RunFailed{
		Run: e.state.Run, Turns: e.state.Turn, Usage: e.state.Usage, Error: e.redact(cause),
	})
	first := e.refused
	if err := e.commit(true, bodies...); err != nil && first == nil {
		cause = fmt.Errorf("%w; %w", cause, err)
	}
	e.logEnd(cause)
	if !e.left {
		if lerr := e.deliver(); lerr != nil {
			return lerr
		}
	}
	return cause
}

// unbegun returns the events for an open call at the end of a failed run, if this run
// did not launch the call. In a session the call stays open for the next run: an event
// takes back a recorded start. Without a session the call ends with the run.
func (e *engine) unbegun(c loop.Call) []event.Body {
	took := c.Status == loop.Started && e.admitted[c.Ref] && !e.launched[c.Ref]
	switch {
	case e.log != nil && took:
		return []event.Body{event.InDoubtDecided{Call: c.Ref, Decision: event.RunAgain, By: "runner"}}
	case e.log == nil && (c.Status == loop.Proposed || took):
		c.Status = loop.Proposed
		return []event.Body{failure(c, unanswered(c))}
	}
	return nil // approved, or somebody has to decide about it, or its result is among the unsaved
}

// commit records events: it appends them to the log, applies them and queues
// them for the consumer, without waiting for the consumer. sync means that the
// events must be durable before the next action.
func (e *engine) commit(sync bool, bodies ...event.Body) error {
	e.acquire()
	defer e.release()
	events := make([]event.Event, len(bodies))
	now := time.Now().UTC().Round(0)
	for i, b := range bodies {
		events[i] = event.Event{Seq: e.state.Seq + int64(i) + 1, Time: now, Body: b}
	}
	if err := e.append(sync, events); err != nil {
		return err
	}
	for _, ev := range events {
		if err := e.apply(ev); err != nil {
			return fmt.Errorf("runner: %w", err) // a bug of ours
		}
	}
	e.queue = append(e.queue, events...)
	e.poke()
	return nil
}

func (e *engine) append(sync bool, events []event.Event) error {
	if e.log == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), storeBound)
	defer cancel()
	if err := e.log.Append(ctx, sync, events...); err != nil {
		err = fmt.Errorf("runner: session %q: event %d: %w", e.session, events[0].Seq, err)
		e.logger.Error("journal refused an event", "seq", events[0].Seq, "error", e.redact(err))
		e.refused = cmp.Or(e.refused, err)
		return err
	}
	return nil
}

// deliver yields what was committed. The error is errLeft.
func (e *engine) deliver() error {
	for {
		e.acquire()
		events := e.queue
		e.queue = nil
		e.release()
		if len(events) == 0 {
			return nil
		}
		for _, ev := range events {
			if !e.show(ev) {
				return errLeft
			}
		}
	}
}

// show yields one event, and reports whether the consumer stays.
func (e *engine) show(ev event.Event) bool {
	if e.left {
		return false
	}
	e.left = true // should the loop body panic, and a model recover
	e.left = !e.yield(ev)
	return !e.left
}
