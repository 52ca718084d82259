package temporal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/step"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

const (
	defaultHeartbeat = 10 * time.Second
	// maxInput bounds the inputs of a run, in bytes. Each message becomes an event, with some
	// bytes more.
	maxInput = maxEvent - 16<<10
)

// A Client opens sessions, and needs only the connection: no agent and no model. A Client is a
// configuration, may be copied, and is safe for concurrent use.
type Client struct {
	// Temporal is the connection to the server. It is required.
	Temporal client.Client
	// TaskQueue is the task queue of the workers. Empty means "toolloop".
	TaskQueue string
	// Prefix begins the ids of the workflows: the session "order-17" is the workflow
	// Prefix + "order-17".
	Prefix string
	// Heartbeat is the time after which a silent worker counts as dead. The first input of a
	// session fixes Heartbeat for the session. 0 means 10 seconds. A negative value is an
	// error of Run.
	Heartbeat time.Duration
	// MaxHistory is the number of events in Temporal's history after which a session continues
	// as a new execution: between two turns, or after a message without a run. The first input
	// of a session fixes MaxHistory for the session. 0 means that the server decides, usually at
	// 4,096 events. A negative value is an error of Run.
	MaxHistory int
}

// A Session is a conversation, as [runner.Session]. A Session is safe for concurrent use, and
// holds nothing: any process can use the same session.
type Session struct {
	client Client
	name   string
}

// Session returns the session with the given name. Nothing is sent before the first method.
func (c Client) Session(name string) *Session { return &Session{c, name} }

// Run is like Run of [runner.Session]: it runs an agent on the conversation and the input, and
// returns when the run has ended or paused. Only the name of the agent is used; the workers
// have the agent. Results from outside ([runner.Pending.Result]) that come during a run, and
// without another input, wait for the end of the run and then continue the session. If more than
// 1 MB would wait, Run returns a [journal.BusyError].
//
// The errors are those of [runner.Session.Run], with these types on this side, too:
// [runner.LimitError], [runner.FinishError], [runner.OutputError], [runner.CheckError],
// [runner.OnceError], [runner.DecisionError], [llm.APIError], [journal.BusyError], [tool.Abort],
// [runner.ErrPaused], [runner.ErrNoInput], and those of package context. Any further error
// keeps the text alone.
//
// The end of ctx ends the wait, and not the run: see [Session.Cancel]. Run may then be called
// again with a [runner.Once] of the same key, and gives the outcome of the same run.
func (s *Session) Run(ctx context.Context, a *agent.Agent, in ...runner.Input) (*runner.Result, error) {
	t, err := s.send(ctx, a, in)
	if err != nil {
		return s.asItIs(ctx, err), err
	}
	end, err := t.wait(ctx)
	if err != nil {
		return s.asItIs(ctx, err), err
	}
	events, err := s.read(ctx, 0, end.Len)
	if err != nil {
		return s.unstarted(), err
	}
	result, err := s.result(ctx, events, int64(end.From))
	if err != nil {
		return result, err
	}
	return result, errorOf(end.Failure)
}

// asItIs returns the Result beside a decision that does not fit: the caller sees what the
// session waits for. Beside another error, the Result is empty.
func (s *Session) asItIs(ctx context.Context, err error) *runner.Result {
	if _, ok := errors.AsType[*runner.DecisionError](err); !ok {
		return s.unstarted()
	}
	var events []event.Event
	for e, err := range s.client.Read(ctx, s.name, 0) {
		if err != nil {
			return s.unstarted()
		}
		events = append(events, e)
	}
	result, err := s.result(ctx, events, int64(len(events)))
	if err != nil {
		return s.unstarted()
	}
	return result
}

// Stream is like Run, and yields the stored events of the run as they come: a reader of
// deltas needs [Worker.Watch]. Nothing is sent before the loop begins. A break ends the wait,
// and not the run.
func (s *Session) Stream(ctx context.Context, a *agent.Agent, in ...runner.Input) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if err := s.stream(ctx, a, in, func(e event.Event) bool { return yield(e, nil) }); err != nil {
			yield(event.Event{}, err)
		}
	}
}

func (s *Session) stream(ctx context.Context, a *agent.Agent, in []runner.Input, yield func(event.Event) bool) error {
	t, err := s.send(ctx, a, in)
	if err != nil {
		return err
	}
	o := t.outcome(ctx)
	seen, err := t.begin(ctx, o)
	if err != nil {
		return err
	}
	left := false
	watched, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(o.over, stop)()
	err = s.watch(watched, int64(seen), func(e event.Event) bool {
		seen = int(e.Seq)
		left = !yield(e)
		return !left && !ends(e) // the events of the next run are not of this stream
	})
	switch {
	case left:
		return nil
	case err != nil && watched.Err() == nil:
		return s.failed(err)
	}
	if err := o.wait(ctx); err != nil {
		return err
	}
	rest, err := s.read(ctx, seen, o.end.Len)
	if err != nil {
		return err
	}
	for _, e := range rest {
		if !yield(e) {
			return nil
		}
	}
	return errorOf(o.end.Failure)
}

// ends reports whether a run ends or pauses with an event.
func ends(e event.Event) bool {
	switch e.Body.(type) {
	case event.RunFinished, event.RunFailed, event.RunPaused:
		return e.Path == ""
	}
	return false
}

// Cancel ends the run that is going on, as the end of its context does in package runner: the
// run fails with [context.Canceled], calls that are running are interrupted, and the session
// goes on with the next input. A running call learns of Cancel by the next heartbeat, after up
// to a third of Heartbeat. Without a run, Cancel has no effect.
func (s *Session) Cancel(ctx context.Context) error { return s.signal(ctx, flow.SignalCancel) }

// End closes the session after the current run. The server keeps the events for the retention
// time of the namespace, and [Worker.Archive] for longer. Until the session is closed, an input
// is refused with a [*journal.BusyError]. A later input begins a new conversation under the
// same name, also if an Archive has this one: do not end a session that may go on.
func (s *Session) End(ctx context.Context) error { return s.signal(ctx, flow.SignalEnd) }

func (s *Session) signal(ctx context.Context, name string) error {
	err := s.client.Temporal.SignalWorkflow(ctx, s.id(), "", name, nil)
	if isNotFound(err) {
		return nil
	}
	return s.failed(err)
}

// State returns what the events of the session say, also during a run.
func (s *Session) State(ctx context.Context) (*runner.State, error) {
	return runner.StateOf(s.name, s.client.Read(ctx, s.name, 0))
}

// Messages returns the conversation so far, also during a run. See [runner.Session.Messages].
func (s *Session) Messages(ctx context.Context) ([]llm.Message, error) {
	state, err := s.State(ctx)
	if err != nil {
		return nil, err
	}
	return state.Messages, nil
}

// Pending returns the calls that wait for a decision or a result from outside. During a run,
// Pending returns only late calls.
func (s *Session) Pending(ctx context.Context) ([]runner.Pending, error) {
	state, err := s.State(ctx)
	if err != nil {
		return nil, err
	}
	return state.Pending, nil
}

func (s *Session) id() string { return s.client.Prefix + s.name }

// A ticket is an accepted input.
type ticket struct {
	session *Session
	handle  client.WorkflowUpdateHandle
	agent   *agent.Agent
	inputs  []runner.Input
}

// Waits between two questions to a workflow.
const (
	minPoll = 20 * time.Millisecond
	maxPoll = time.Second
)

// wait returns how the run of the ticket ended or paused.
func (t *ticket) wait(ctx context.Context) (end flow.End, err error) {
	taken, err := t.taken(ctx)
	if err != nil || taken.Done {
		return taken.End, err
	}
	for pause := minPoll; ; pause = min(2*pause, maxPoll) { // the run goes on in another execution
		status, err := t.session.status(ctx)
		if err != nil {
			return end, err
		}
		if i := t.in(status); i >= 0 {
			return status.Ends[i], nil
		}
		waits := slices.Contains(status.Late, t.handle.UpdateID())
		if !waits && (status.Going == nil || status.Going.Ticket != t.handle.UpdateID()) {
			return end, errors.New("temporal: the run has ended, and later runs have pushed its end out of memory")
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return end, context.Cause(ctx)
		}
	}
}

// taken returns the result of the update.
func (t *ticket) taken(ctx context.Context) (taken flow.Taken, err error) {
	for {
		err := t.handle.Get(ctx, &taken)
		switch {
		case err == nil:
			return taken, nil
		case ctx.Err() != nil: // the error of the SDK is none of package context
			return taken, t.session.failed(context.Cause(ctx))
		case !isSilent(err):
			return taken, t.session.refused(ctx, err, t.agent, t.inputs)
		}
		status, err := t.session.status(ctx)
		if err != nil {
			return taken, err
		}
		if i := t.in(status); i >= 0 {
			return flow.Taken{Done: true, End: status.Ends[i]}, nil
		}
	}
}

// in returns the position of the ticket's end, or -1.
func (t *ticket) in(s flow.Status) int {
	return slices.IndexFunc(s.Ends, func(e flow.End) bool { return e.Ticket == t.handle.UpdateID() })
}

// An outcome is how the run of a ticket ends. The fields are for readers after over.
type outcome struct {
	over context.Context
	end  flow.End
	err  error
}

// outcome waits in the background for the end of the run, at most until ctx ends.
func (t *ticket) outcome(ctx context.Context) *outcome {
	over, tell := context.WithCancel(context.Background())
	o := &outcome{over: over}
	go func() { // ends with ctx
		defer tell()
		o.end, o.err = t.wait(ctx)
	}()
	return o
}

func (o *outcome) wait(ctx context.Context) error {
	select {
	case <-o.over.Done():
		return o.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// begin returns the number of events before the run.
func (t *ticket) begin(ctx context.Context, o *outcome) (int, error) {
	for pause := minPoll; ; pause = min(2*pause, maxPoll) {
		select {
		case <-o.over.Done():
			return o.end.From, o.err
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		default:
		}
		status, err := t.session.status(ctx)
		if err != nil {
			return 0, err
		}
		if g := status.Going; g != nil && g.Ticket == t.handle.UpdateID() {
			return g.From, nil
		}
		if i := t.in(status); i >= 0 {
			return status.Ends[i].From, nil
		}
		select {
		case <-o.over.Done():
		case <-time.After(pause):
		}
	}
}

func (s *Session) status(ctx context.Context) (status flow.Status, err error) {
	return status, s.failed(s.query(ctx, &status, flow.QueryStatus))
}

// query asks the workflow. It tries again for a while if nobody can answer now: a worker died,
// or the session goes on in a new execution.
func (s *Session) query(ctx context.Context, to any, kind string, args ...any) error {
	if s.client.Temporal == nil {
		return errNoClient
	}
	for pause, tries := minPoll, 0; ; pause, tries = min(2*pause, maxPoll), tries+1 {
		value, err := s.client.Temporal.QueryWorkflow(ctx, s.id(), "", kind, args...)
		if err == nil {
			return value.Get(to)
		}
		if isNotFound(err) || ctx.Err() != nil || tries > 60 {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// A conversation is the id of the conversation that the pages of a reader are of. It is empty
// before the first page with events.
type conversation string

var errAnew = errors.New("the session has ended, and another conversation began under its name")

// page returns a page of events, and how many the session has.
func (s *Session) page(ctx context.Context, of *conversation, r flow.Range) ([]event.Event, int, error) {
	var p flow.Page
	if err := s.query(ctx, &p, flow.QueryEvents, r); err != nil {
		if isNotFound(err) {
			return nil, 0, nil
		}
		return nil, 0, err
	}
	now := conversation(p.Conversation)
	if *of != "" && *of != now {
		return nil, 0, errAnew
	}
	if p.Total > 0 {
		*of = now
	}
	events := make([]event.Event, 0, len(p.Events))
	for i, raw := range p.Events {
		var e event.Event
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, 0, err
		}
		e.Seq = int64(r.From+i) + 1
		events = append(events, e)
	}
	return events, p.Total, nil
}

// read returns the events after from, up to to.
func (s *Session) read(ctx context.Context, from, to int) (all []event.Event, err error) {
	var of conversation
	for from < to {
		events, _, err := s.page(ctx, &of, flow.Range{From: from, To: to})
		if err != nil {
			return nil, s.failed(err)
		}
		if len(events) == 0 {
			return nil, fmt.Errorf("temporal: session %q: event %d is missing", s.name, from+1)
		}
		all = append(all, events...)
		from += len(events)
	}
	return all, nil
}

// result returns the Result of the newest run in events.
func (s *Session) result(ctx context.Context, events []event.Event, from int64) (*runner.Result, error) {
	r := runner.Runner{Journal: step.NewEvents(events)}
	return r.Session(s.name).Run(step.With(ctx, &step.Step{Look: true, From: from}), nil)
}

// unstarted is the Result of a run that did not begin.
func (s *Session) unstarted() *runner.Result { return &runner.Result{Session: s.name} }

func (s *Session) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("temporal: session %q: %w", s.name, err)
}

func isNotFound(err error) bool {
	_, ok := errors.AsType[*serviceerror.NotFound](err)
	return ok
}
