package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/runner/internal/step"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A run of another engine, for example on Temporal, is a sequence of runs with a step: each
// goes on until calls are to run, and stops there as if it were drained. The other engine
// runs the calls, each by a run with a step of its own, adds the events of their ends to the
// session, and continues the session. What a run says and decides is therefore written once.

// errHandedOut stops a run after calls were handed out. The events show the same as after
// a drain, and the session goes on from them.
var errHandedOut = fmt.Errorf("%w: its calls were handed out", ErrDrained)

// errUnseen stops a run before a question to the program, or before a turn. The next step goes
// on there.
var errUnseen = fmt.Errorf("%w: the events so far are to be read first", ErrDrained)

// errHelperDown stops a run one of whose helpers waits for its model.
var errHelperDown = fmt.Errorf("%w: the model of a helper is down", ErrDrained)

// A modelDown is a failure of a model that another attempt may mend. It stops a run whose step
// waits for the model.
type modelDown struct{ error }

func (d modelDown) Unwrap() []error { return []error{d.error, ErrDrained} }

// outlasts returns the failure of a model as the reason why the step stops, if the step waits for
// the model. The model's client has tried again already, as often as the client does.
// If it were inlined, its error would stand on the stack of a run that waits for its model.
//
//go:noinline
func (e *engine) outlasts(err error) error {
	if e.step == nil || !e.step.Waits {
		return err
	}
	if !mayPass(err) {
		return err
	}
	return modelDown{err}
}

// mayPass reports whether another attempt may mend a failure. A model of several models has the
// failures of all, and each of them may come back.
func mayPass(err error) bool {
	api, ok := errors.AsType[*llm.APIError](err)
	if !ok {
		return false
	}
	plain := *api
	plain.Retries = min(plain.Retries, 0) // a number of retries is over, and the kind decides
	if plain.Retryable() {
		return true
	}
	switch tree := err.(type) { //nolint:errorlint // looks at every error of the tree
	case interface{ Unwrap() error }:
		return mayPass(tree.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(tree.Unwrap(), mayPass)
	}
	return false
}

// noteDown tells the step and the consumer of a model that is down.
func (e *engine) noteDown(err error) {
	if _, down := errors.AsType[modelDown](err); !down {
		return
	}
	e.step.NoteDown(err)
	e.recorder.restarted(event.Restarted{Turn: e.recorder.snapshot().Turn, Error: e.redactor.error(err)})
}

// hasUnseen reports whether a question about a call must wait for the next step: the program
// is to be asked, and cannot yet read all events of the session. A policy that adds up calls
// would miss the newest.
func (e *engine) hasUnseen(c *loop.Call) bool {
	if e.step == nil || c.Status == loop.Late || e.recorder.root.snapshot().Seq == e.step.Begin {
		return false
	}
	if e.asksDecide(c) {
		return true
	}
	if e.runner.MayAnswer == nil || c.Status != loop.Asked {
		return false
	}
	_, stands := e.standing(c, c.Fingerprint, c.Arguments)
	return stands
}

// showsFirst reports whether a turn must wait for the next step. Other readers get the events
// of a step after its end, and what was said before a turn is to be read while the model
// answers. If it were inlined, its copy of the state would stand on the stack of a waiting run.
//
//go:noinline
func (e *engine) showsFirst(action loop.Action) bool {
	switch action.(type) {
	case loop.Prepare, loop.Compact:
		return e.outer == nil && e.recorder.snapshot().Seq != e.step.Begin
	}
	return false
}

// divide returns the jobs that run here, and the jobs for the step. Runs of helpers stop
// themselves at their own calls; tools of the runner have no effect and need the state.
func (e *engine) divide(jobs []execution) (here []execution, away []step.Job) {
	here = make([]execution, 0, len(jobs)) // never grows, because a task must not be copied
	for i := range jobs {
		x := &jobs[i]
		if x.helper() == nil && !e.isOwn(x.tool) {
			away = append(away, step.Job{
				Call: x.call.Ref, Tool: x.tool.Name(), Alone: x.tool.Alone(), Timeout: max(e.invoker.timeoutOf(x.tool), 0),
			})
			continue
		}
		here = here[:len(here)+1]
		last := &here[len(here)-1]
		last.job, last.engine = x.job, x.engine
	}
	return here, away
}

// isOwn reports whether a tool of the offer is one of the runner, and not of the program.
func (e *engine) isOwn(t tool.Tool) bool {
	return e.offer.catalog != nil && t.Name() == searchName ||
		slices.ContainsFunc(e.own, func(o tool.Tool) bool { return o.Name() == t.Name() })
}

// withDeadline is the part of withRunTimeout for a step: the time of the run has begun in an
// earlier step, or begins now.
func (e *engine) withDeadline(ctx context.Context, d time.Duration, over *LimitError) (context.Context, context.CancelFunc) {
	e.step.RunTimeout = d
	until := e.step.Deadline
	if until.IsZero() || e.step.Fatal != nil { // its time may be over, and the end must be recorded
		until = time.Now().Add(d)
	}
	return context.WithDeadlineCause(ctx, until, over)
}

// lookBack makes the Result of the newest run without a run.
func (e *engine) lookBack(ctx context.Context) {
	e.began = e.recorder.snapshot().Run > 0
	recent := e.recorder.recentEvents(ctx)
	after := len(recent)
	for after > 0 && recent[after-1].Seq > e.step.From {
		after--
	}
	e.collector.earlier = slices.Clip(recent[:after])
	e.collector.add(recent[after:])
}

// endStep ends the run with the step's error.
func (e *engine) endStep() error {
	for _, ref := range e.step.Unbegun {
		body := event.InDoubtDecided{Call: ref, Decision: event.RunAgain, By: "runner"}
		if err := e.recorder.recordWith(nil, []event.Event{{Path: ref.Path(), Body: body}}); err != nil {
			return err
		}
	}
	return e.step.Fatal
}

// runCall runs the call of the step.
func (e *engine) runCall(ctx context.Context) error {
	s := e.recorder.snapshot()
	e.setLogger(e.newLogger(s.Run, s.ID))
	if e.runner.Around != nil {
		ctx = e.enter(ctx, &s, s.Run, true)
	}
	ref := e.step.Call
	n, err := e.below(ref.Path())
	if err != nil {
		return fmt.Errorf("runner: call %s: %w", ref, err)
	}
	n.ctx, n.leave, n.whole, n.scheduler.limit = e.ctx, e.leave, e.whole, e.scheduler.limit
	if err := n.listTools(ctx); err != nil {
		return fmt.Errorf("runner: call %s: %w", ref, err)
	}
	s = n.recorder.snapshot()
	i := slices.IndexFunc(s.Calls, func(c loop.Call) bool { return c.Ref == ref && c.Status == loop.Started })
	if i < 0 {
		return fmt.Errorf("runner: call %s has not started, or has ended", ref)
	}
	c := &s.Calls[i]
	t, ok := n.offer.tools[c.Call.Name]
	if !ok { // this process has another agent than the process that recorded the start
		return n.recorder.recordResult(n.redactor.failure(*c, tool.Unknown(c.Call.Name, n.offer.names()...)))
	}
	args, _, err := n.invoker.parse(ctx, t, c.Arguments)
	if err != nil {
		b := n.refusal(c, err)
		return n.recorder.record(true, b)
	}
	jobs := make([]execution, 1)
	jobs[0].job, jobs[0].engine = job{call: c, tool: t, args: args}, n
	n.scheduler.admit(jobs)
	defer n.scheduler.close()
	e.step.Began = true
	if err := n.launch(ctx); err != nil {
		return err
	}
	return n.stopReason(ctx)
}
