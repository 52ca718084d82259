package temporal

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/step"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// Activities are the part of a worker that knows the machine: runs with a step.
type activities struct {
	worker Worker
	agents map[string]*agent.Agent
	logger *slog.Logger
	memory *memory
	// page gets a page of the events of the activity's workflow.
	page func(ctx context.Context, r flow.Range) (flow.Page, error)
}

// query asks the workflow for events. The answer leaves nothing in the history.
func (a *activities) query(ctx context.Context, r flow.Range) (p flow.Page, err error) {
	w := activity.GetInfo(ctx).WorkflowExecution
	value, err := a.worker.Temporal.QueryWorkflow(ctx, w.ID, w.RunID, flow.QueryEvents, r)
	if err == nil {
		err = value.Get(&p)
	}
	return p, err
}

// decode appends stored events. The position of an event is the event's Seq.
func decode(to []event.Event, stored []json.RawMessage) ([]event.Event, error) {
	for _, raw := range stored {
		var e event.Event
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, err
		}
		e.Seq = int64(len(to)) + 1
		to = append(to, e)
	}
	return to, nil
}

// errNoAgent is the error of a worker without the agent.
func errNoAgent(name string) error {
	return fmt.Errorf("this worker has no agent %q", name)
}

// advance goes on with a session until calls are to run, somebody must answer, or the run has
// ended.
func (a *activities) advance(ctx context.Context, in flow.Advance) (out flow.Advanced, err error) {
	defer beat(ctx)()
	desk := a.agents[in.Agent]
	if desk == nil {
		return out, errNoAgent(in.Agent)
	}
	events, err := a.events(ctx, in.Events)
	if err != nil {
		return out, err
	}
	var inputs []runner.Input
	for _, raw := range in.Inputs {
		i, err := runner.ParseInput(raw)
		if err != nil {
			return flow.Advanced{Failure: a.failure(err)}, nil
		}
		inputs = append(inputs, i)
	}
	if activity.GetInfo(ctx).Attempt > 1 {
		a.newWatch(in.Session, in.Events).tell(ctx, event.Event{Body: event.Restarted{Turn: turnOf(events), Error: "another worker sends the request again"}})
	}
	st := &step.Step{Fatal: errorOf(in.Fatal), Unbegun: refs(in.Unbegun), TooOften: refs(in.TooOften), Asked: refs(in.Asked), Deadline: in.Deadline,
		Waits: a.worker.Outage > 0}
	log, runErr := a.run(ctx, in.Session, desk, events, st, inputs...)
	if isStopped(ctx) {
		return out, errStopped
	}
	kept, whole, err := bounded(log, st.Jobs())
	switch {
	case err != nil:
		return out, err
	case whole:
	case len(kept) == 0 && len(inputs) > 0: // nothing is recorded of the inputs
		return flow.Advanced{Failure: a.failure(errTooLarge)}, nil
	case len(kept) > 0:
		jobs := a.jobs(begun(log.Added()[:len(kept)], st.Jobs()))
		return flow.Advanced{Events: kept, Jobs: jobs, Again: true, Timeout: st.RunTimeout, Asked: texts(st.Asked)}, nil
	default:
		st = &step.Step{Fatal: errTooLarge, Unbegun: refs(in.Unbegun), Deadline: in.Deadline}
		log, runErr = a.run(ctx, in.Session, desk, events, st)
		if kept, whole, err = bounded(log, nil); err != nil || !whole {
			return out, cmp.Or(err, final(errTooLarge))
		}
	}
	return a.advanced(ctx, in.Session, append(events, log.Added()...), kept, st, runErr)
}

// advanced returns the outcome of a step whose events are kept.
func (a *activities) advanced(ctx context.Context, session string, events []event.Event, kept []json.RawMessage, st *step.Step, runErr error) (flow.Advanced, error) {
	out := flow.Advanced{Events: kept, Timeout: st.RunTimeout, Past: int(st.Past), Asked: texts(st.Asked)}
	if len(kept) > 0 {
		last := events[len(events)-1]
		switch _, finished := last.Body.(event.RunFinished); {
		case !ends(last):
		case finished:
			out.Undo = 1
		default:
			out.Closed = true
		}
	}
	switch {
	case st.HandedOut():
		out.Jobs = a.jobs(st.Jobs())
		return out, nil
	case errors.Is(runErr, runner.ErrDrained):
		out.Again, out.Down = true, a.down(session, st.Down(), events[st.Begin:])
		return out, nil
	}
	out.Failure = a.failure(runErr)
	r := a.worker.Runner
	r.Journal = step.NewEvents(events)
	pending, err := r.Session(session).Pending(context.WithoutCancel(ctx))
	if err != nil {
		return out, err
	}
	paused := errors.Is(runErr, runner.ErrPaused)
	for _, p := range pending {
		if paused && !p.Until.IsZero() && (out.Until.IsZero() || p.Until.Before(out.Until)) {
			out.Until = p.Until
		}
		out.Waiting = append(out.Waiting, flow.Question{Call: string(p.Call), Seq: p.Seq})
	}
	return out, nil
}

// down returns the failure of a model at which a step stopped, or nil. added are the events of
// the step.
func (a *activities) down(session string, err error, added []event.Event) *flow.Down {
	if err == nil {
		return nil
	}
	d := &flow.Down{Failure: *a.failure(err), Longest: a.worker.Outage}
	if api, ok := errors.AsType[*llm.APIError](err); ok {
		d.RetryAfter = api.RetryAfter
	}
	a.logger.Warn("a model is down", "session", session, "error", d.Failure.Text)
	d.Answered = slices.ContainsFunc(added, func(e event.Event) bool {
		_, ok := e.Body.(event.ModelAnswered)
		return ok
	})
	return d
}

// jobs returns jobs for the workflow.
func (a *activities) jobs(of []step.Job) (all []flow.Job) {
	for _, j := range of {
		all = append(all, flow.Job{Call: string(j.Call), Tool: j.Tool, Alone: j.Alone, Queue: a.worker.Queues[j.Tool]})
	}
	return all
}

// call runs a call. An error means that nobody knows whether the function ran.
func (a *activities) call(ctx context.Context, in flow.Call) (out flow.Called, err error) {
	defer beat(ctx)()
	desk := a.agents[in.Agent]
	if desk == nil {
		return flow.Called{Elsewhere: errNoAgent(in.Agent).Error()}, nil
	}
	events, err := a.events(ctx, in.Events)
	if err != nil {
		return flow.Called{Elsewhere: err.Error()}, nil
	}
	st := &step.Step{Call: event.CallRef(in.Call), Deadline: in.Deadline}
	log, runErr := a.run(ctx, in.Session, desk, events, st)
	if runErr != nil && !st.Began { // also if the run was canceled, or the worker stopped
		return flow.Called{Elsewhere: a.redact(runErr.Error())}, nil
	}
	added := log.Added()
	if isStopped(ctx) {
		if len(added) == 0 {
			return out, errStopped
		}
		if !tool.IsAbort(runErr) { // the end of the worker is not the end of the run
			runErr = nil
		}
	}
	for _, e := range added {
		raw, err := small(e)
		if err != nil {
			return out, err
		}
		out.Events = append(out.Events, raw)
	}
	out.Failure = a.failure(runErr)
	return out, nil
}

// run does a step of a session, and returns the events with the new ones.
func (a *activities) run(ctx context.Context, name string, desk *agent.Agent, events []event.Event, st *step.Step, in ...runner.Input) (*step.Events, error) {
	log := step.NewEvents(events)
	r := a.worker.Runner
	r.Journal = log
	stopped, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() { // ends with the step
		select {
		case <-activity.GetWorkerStopChannel(ctx):
			cancel()
		case <-stopped.Done():
		}
	}()
	// A run that is canceled fails with context.Canceled, as everywhere, and not with the
	// cause of Temporal.
	own, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, end)()
	within := runner.Drain(step.With(own, st), stopped)
	session := r.Session(name)
	if a.worker.Watch == nil && r.KeepPartial == 0 {
		_, err := session.Run(within, desk, in...)
		return log, err
	}
	w := a.newWatch(name, len(events))
	for e, err := range session.Stream(within, desk, in...) {
		if err != nil {
			return log, err
		}
		if e.Seq == 0 {
			w.tell(ctx, e)
		}
	}
	if st.Past > 0 { // a stream knows only that an earlier run answered, and Run also knows where
		_, err := session.Run(within, desk, in...)
		return log, err
	}
	return log, nil
}

// A watch tells the events of an activity that nobody stores.
type watch struct {
	activities *activities
	live       event.Live // the newest
}

// newWatch returns the watch of an activity that began behind so many events.
func (a *activities) newWatch(session string, events int) *watch {
	return &watch{a, event.Live{Session: session, After: int64(events), Source: rand.Text()}}
}

// tell calls Watch, if the worker has one.
func (w *watch) tell(ctx context.Context, e event.Event) {
	if w.activities.worker.Watch == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			w.activities.logger.Error("Watch panicked", "session", w.live.Session, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	w.live.N++
	w.live.Event = e
	w.activities.worker.Watch(ctx, w.live)
}

// errStopped says that the worker stopped before the end of an activity.
var errStopped = temporal.NewApplicationError("the worker stopped", "toolloop.stopped")

// isStopped reports whether ctx ended because the worker stopped, and not because the run was
// canceled.
func isStopped(ctx context.Context) bool {
	if ctx.Err() == nil {
		return false
	}
	select {
	case <-activity.GetWorkerStopChannel(ctx):
		return true
	default:
		return false
	}
}

// beat sends heartbeats until the caller calls stop.
func beat(ctx context.Context) (stop func()) {
	timeout := activity.GetInfo(ctx).HeartbeatTimeout
	if timeout <= 0 {
		return func() {}
	}
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticks := time.NewTicker(timeout / 3)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				activity.RecordHeartbeat(ctx)
			case <-done:
				return
			}
		}
	})
	return func() { close(done); running.Wait() }
}

// turnOf returns the turn of a run.
func turnOf(events []event.Event) int {
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Path != "" {
			continue
		}
		switch b := events[i].Body.(type) {
		case event.RunStarted:
			return 1
		case event.ModelAnswered:
			return b.Turn + 1
		}
	}
	return 1
}

func texts(calls []event.CallRef) []string {
	var all []string
	for _, c := range calls {
		all = append(all, string(c))
	}
	return all
}

func refs(calls []string) []event.CallRef {
	all := make([]event.CallRef, len(calls))
	for i, c := range calls {
		all[i] = event.CallRef(c)
	}
	return all
}
