package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
	"golang.org/x/sync/errgroup"
)

// job is a call that is to run.
type job struct {
	loop.Call
	tool tool.Tool
	args json.RawMessage
}

// start records the calls of a turn, runs them, and returns when each has ended
// or was left behind. Results are recorded as they come, whatever the consumer
// is doing.
func (e *engine) start(ctx context.Context, calls []loop.Call) error {
	jobs, bodies := e.admit(calls)
	if err := causeOf(ctx); err != nil {
		return err // a policy that was cut short would ask about what needs no approval
	}
	if err := e.commit(true, bodies...); err != nil {
		return err
	}
	if err := e.deliver(); err != nil {
		return err // nothing was launched yet
	}
	e.number(jobs)
	ctx, cancel := context.WithCancelCause(ctx)
	done := e.launch(ctx, jobs)
	defer func() { // also when the consumer's loop body panics
		cancel(errLeft)
		<-done
	}()
	for {
		select {
		case <-e.wake:
			if err := e.deliver(); err != nil {
				return err
			}
		case <-done:
			return nil // the run's loop looks at ctx and fatal
		}
	}
}

// admit checks the calls. Those that cannot run are finished at once; the
// others start, all in one append.
func (e *engine) admit(calls []loop.Call) ([]job, []event.Body) {
	var jobs []job
	var bodies []event.Body
	for _, c := range e.look(calls) {
		switch {
		case e.isBuiltin(c.Call):
			bodies = append(bodies, success(c.Call, llm.Parts{llm.Text{Text: c.Call.Call.Arguments}}))
		case c.err != nil:
			e.logPanic(c.Call, invoke.Error(c.err))
			bodies = append(bodies, e.failure(c.Call, invoke.Error(c.err)))
		case c.ask:
			bodies = append(bodies, event.ApprovalAsked{
				Call: c.Ref, ID: c.Call.Call.ID, Name: c.Call.Call.Name, Repairs: c.repairs, Fingerprint: c.tool.Fingerprint(),
				Arguments: string(c.args), Hash: event.HashArguments(string(c.args)),
			})
		default:
			e.admitted[c.Ref] = true
			jobs = append(jobs, c.job)
			bodies = append(bodies, event.ToolCallStarted{
				Call: c.Ref, ID: c.Call.Call.ID, Name: c.Call.Call.Name, Arguments: string(c.args), Repairs: c.repairs,
			})
		}
	}
	return jobs, bodies
}

// number gives each job the position of its start, which was just recorded.
func (e *engine) number(jobs []job) {
	e.acquire()
	defer e.release()
	held := map[event.CallRef]int64{}
	for _, c := range e.state.Calls {
		held[c.Ref] = c.Held
	}
	for i := range jobs {
		jobs[i].Held = held[jobs[i].Ref]
	}
}

// looked is what there is to say of a call before it runs.
type looked struct {
	job
	repairs []string
	ask     bool  // a person must decide
	err     error // it cannot run
}

// look checks the calls and asks their approval policies, all at once, so a
// policy that hangs delays no other policy.
func (e *engine) look(calls []loop.Call) []looked {
	all := make([]looked, len(calls))
	var policies errgroup.Group
	for i, c := range calls {
		l := &all[i]
		l.Call = c
		l.tool, l.args, l.repairs, l.err = e.check(c)
		switch {
		case l.err != nil && c.Tried: // what would be said of it now is not all: it has been started before
			l.err = tool.Fail(tool.OutcomeUnknown, "", l.err)
			continue
		case l.err != nil:
			continue
		case c.Status == loop.Cleared && string(l.args) == c.Arguments:
			l.repairs = c.Repairs // of what was written at first
		}
		switch {
		case hasChanged(c, l.tool, l.args):
			l.ask = true
		case !c.Decided && l.tool.AsksApproval():
			policies.Go(func() error { l.ask = e.mustAsk(c, l.tool, l.args); return nil })
		}
	}
	_ = policies.Wait() // none returns an error: in doubt it asks
	return all
}

// isBuiltin reports whether the call is for a hosted tool of the type
// "builtin_function", as at Kimi: the provider runs the tool when the provider
// gets the arguments back as the result. No function of the program is meant.
func (e *engine) isBuiltin(c loop.Call) bool {
	if _, ours := e.tools[c.Call.Name]; ours {
		return false
	}
	return slices.ContainsFunc(e.agent.Settings.HostedTools, func(raw json.RawMessage) bool {
		var t struct {
			Type     string
			Function struct{ Name string }
		}
		return json.Unmarshal(raw, &t) == nil && t.Type == "builtin_function" && t.Function.Name == c.Call.Name
	})
}

func (e *engine) check(c loop.Call) (tool.Tool, json.RawMessage, []string, error) {
	t, ok := e.tools[c.Call.Name]
	if !ok {
		names := make([]string, len(e.defs))
		for i, d := range e.defs {
			names[i] = d.Name
		}
		return t, nil, nil, tool.Unknown(c.Call.Name, names...)
	}
	written := c.Call.Arguments
	if c.Status == loop.Cleared {
		written = c.Arguments
	}
	args, repairs, err := e.parse(t, written)
	return t, args, repairs, err
}

// parse checks arguments within the time of a call: their types can have decoders of
// their own, which can hang.
func (e *engine) parse(t tool.Tool, written string) (json.RawMessage, []string, error) {
	type parsed struct {
		args    json.RawMessage
		repairs []string
		err     error
	}
	ctx, cancel := e.toolContext(e.ctx, t)
	defer cancel()
	p, err := invoke.Ask(ctx, func() (p parsed, _ error) {
		p.args, p.repairs, p.err = t.Parse(written)
		return p, nil
	})
	if err != nil {
		e.logger.Warn("tool left behind: the type of its arguments does not decode them", "tool", t.Name(), "error", err)
		return nil, nil, tool.Fail(tool.Failed, "The arguments could not be read.", err)
	}
	return p.args, p.repairs, p.err
}

// hasChanged reports whether the tool or the arguments of a cleared call differ
// by now. A cleared call runs unchanged, or needs a new approval.
func hasChanged(c loop.Call, t tool.Tool, args json.RawMessage) bool {
	return c.Status == loop.Cleared &&
		(string(args) != c.Arguments || c.Fingerprint != "" && c.Fingerprint != t.Fingerprint())
}

// mustAsk asks the tool's policy whether a person must decide before the call runs.
func (e *engine) mustAsk(c loop.Call, t tool.Tool, args json.RawMessage) bool {
	need, err := e.judge(t, args)
	if err != nil {
		e.logger.Warn("approval could not be judged", "call", c.Ref, "tool", c.Call.Name, "error", e.redact(err))
	}
	return need
}

// judge asks the tool whether a call needs approval, within the time of a call.
// A policy that does not return in time counts as a yes.
func (e *engine) judge(t tool.Tool, args json.RawMessage) (need bool, err error) {
	ctx, cancel := e.toolContext(e.ctx, t)
	defer cancel()
	need, err = invoke.Ask(ctx, func() (bool, error) { return t.NeedsApproval(ctx, args) })
	return need || err != nil, err
}

// launch runs the jobs. The channel is closed when all have ended.
func (e *engine) launch(ctx context.Context, jobs []job) <-chan struct{} {
	done := make(chan struct{})
	waiting, stop := context.WithCancel(ctx)
	e.noMore = stop
	go func() { // start waits for it
		defer close(done)
		defer stop()
		for _, together := range batches(jobs) {
			e.runBatch(ctx, waiting, together)
		}
	}()
	return done
}

// batches divides the jobs, in their order, into groups of jobs that may run
// together.
func batches(jobs []job) (out [][]job) {
	begin := 0
	for i, j := range jobs {
		if j.tool.Alone() {
			out = append(out, jobs[begin:i], jobs[i:i+1])
			begin = i + 1
		}
	}
	return append(out, jobs[begin:])
}

// runBatch runs jobs together, as far as the limits on concurrent calls allow,
// and returns when all have ended. Those of a tool that has a limit of its own
// wait in a lane of their own, so that they hold up no others.
func (e *engine) runBatch(ctx, waiting context.Context, jobs []job) {
	var group errgroup.Group
	var open []job
	lanes := map[string][]job{}
	for _, j := range jobs {
		if j.tool.Bounded() {
			lanes[j.tool.Name()] = append(lanes[j.tool.Name()], j)
		} else {
			open = append(open, j)
		}
	}
	for _, lane := range lanes {
		group.Go(func() error { e.runLane(ctx, waiting, &group, lane); return nil })
	}
	e.runLane(ctx, waiting, &group, open)
	_ = group.Wait() // no job returns an error: what went wrong is in e.fatal
}

// runLane starts jobs one after the other as slots become free, until waiting ends.
func (e *engine) runLane(ctx, waiting context.Context, group *errgroup.Group, jobs []job) {
	for _, j := range jobs {
		release, err := e.slots(waiting, j.tool)
		if err != nil {
			return
		}
		if !e.mayLaunch(ctx, j.Ref) {
			release()
			return
		}
		group.Go(func() error {
			defer release()
			e.run1(j.tool.Holding(e.calls.holds(ctx)), j)
			return nil
		})
	}
}

// slots waits for a slot of the run's limit and a slot of the tool's limit. It
// never holds a slot while it waits for the other, so two runs never wait for
// each other, and a busy tool does not delay other tools.
func (e *engine) slots(ctx context.Context, t tool.Tool) (release func(), err error) {
	for {
		free, err := t.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		if e.calls.tryAcquire() {
			return func() { free(); e.calls.release() }, nil
		}
		free()
		if err := e.calls.acquire(ctx); err != nil {
			return nil, err
		}
		if free, ok := t.TryAcquire(ctx); ok {
			return func() { free(); e.calls.release() }, nil
		}
		e.calls.release()
	}
}

// mayLaunch marks a call as launched, unless the run is about to end.
func (e *engine) mayLaunch(ctx context.Context, ref event.CallRef) bool {
	e.acquire()
	defer e.release()
	if ctx.Err() != nil || e.fatal != nil {
		return false
	}
	e.launched[ref] = true
	return true
}

// run1 runs one call and records its result.
func (e *engine) run1(ctx context.Context, j job) {
	began := time.Now()
	e.logger.Debug("tool call started", "call", j.Ref, "tool", j.Call.Call.Name)
	o := e.invoke(ctx, j)
	if o.Err != nil && (ctx.Err() != nil || e.holds() != nil) {
		// Cancelled with its run: it may have had its effect or not, as after a crash.
		e.logger.Debug("tool call cancelled", "call", j.Ref, "tool", j.Call.Call.Name)
		return
	}
	var body event.ToolCallFinished
	if o.Err != nil {
		body = e.failure(j.Call, o.Err)
	} else {
		body = e.success(j.Call, o.Parts)
	}
	body.Began = began.UTC().Round(0)
	e.logger.Debug("tool call finished", "call", j.Ref, "tool", j.Call.Call.Name,
		"failure", body.Failure, "elapsed", time.Since(began))
	body = e.withEdit(j.Call, body)
	err := e.commit(true, body)
	if err != nil {
		e.keep(body)
	}
	if err == nil && o.Err != nil && (tool.IsAbort(o.Err) || isTooDeep(o.Err)) {
		err = fmt.Errorf("turn %d: tool %s: %w", j.Turn, j.Call.Call.Name, o.Err.Err)
	}
	if err != nil {
		e.fail(err)
	}
}

// withEdit reports the executed arguments to the model if a person changed them.
func (e *engine) withEdit(c loop.Call, b event.ToolCallFinished) event.ToolCallFinished {
	if c.Edited {
		note := llm.Text{Text: e.hook("[A person changed the arguments before the call ran: " + c.Arguments + "]\n")}
		b.Result.Parts = append(llm.Parts{note}, b.Result.Parts...)
	}
	return b
}

// closed ends a call that the conversation does not wait for any longer.
func (e *engine) closed(c loop.Call) event.ToolCallFinished {
	b := failure(c, unanswered(c))
	if c.Status == loop.Started || c.Tried {
		b = e.withEdit(c, b)
	}
	return b
}

// keep saves a result that the log refused for the last append of the run.
func (e *engine) keep(body event.Body) {
	e.acquire()
	defer e.release()
	e.unsaved = append(e.unsaved, body)
}

// fail ends the run once the running calls have ended. The first reason counts.
func (e *engine) fail(err error) {
	e.acquire()
	defer e.release()
	e.fatal = cmp.Or(e.fatal, err)
	e.noMore()
}

// invoke calls the tool's function under its deadline.
func (e *engine) invoke(ctx context.Context, j job) invoke.Outcome {
	watch := &watch{engine: e, call: j.Call}
	o := invoke.Call{
		Tool: j.tool, Args: j.args, Info: e.callValue(j.Call), Timeout: e.toolTimeout(j.tool), Progress: watch.progress,
		May: e.holds,
	}.Do(ctx)
	watch.end()
	if o.Left {
		e.logger.Warn("tool left behind: it ignores its context", "call", j.Ref, "tool", j.Call.Call.Name)
	}
	e.logPanic(j.Call, o.Err)
	return o
}

// toolTimeout is the time of one call; 0: no limit.
func (e *engine) toolTimeout(t tool.Tool) time.Duration {
	return orDefault(cmp.Or(t.Timeout(), e.runner.ToolTimeout), defaultToolTimeout)
}

func (e *engine) toolContext(ctx context.Context, t tool.Tool) (context.Context, context.CancelFunc) {
	return invoke.Within(ctx, e.toolTimeout(t))
}

// callValue is what the tool's function may know of its call.
func (e *engine) callValue(c loop.Call) tool.Call {
	return tool.Call{
		ID: c.Call.ID, Key: e.keyOf(c), Fence: c.Held, Tool: c.Call.Name, Session: e.session, Turn: c.Turn,
		KeepPasswords: e.runner.KeepPasswords,
	}
}

// keyOf is the idempotency key of a call. The key is the same after a restart,
// because the run's id is read from the journal. No other call has the key, even
// if the journal was lost and the session's name is used again.
func (e *engine) keyOf(c loop.Call) string {
	key := c.RunID + "/" + string(c.Ref)
	if e.session != "" {
		key = e.session + "/" + key
	}
	return key
}

func success(c loop.Call, parts llm.Parts) event.ToolCallFinished {
	return event.ToolCallFinished{
		Call:   c.Ref,
		Result: llm.ToolResult{CallID: c.Call.ID, Name: c.Call.Name, Parts: parts},
	}
}

// failure is the end of a call that has no result of its own.
func failure(c loop.Call, err *tool.Error) event.ToolCallFinished {
	b := success(c, llm.Parts{llm.Text{Text: err.Message}})
	b.Result.IsError = true
	b.Failure = string(err.Failure)
	if err.Err != nil {
		b.Error = safeText(errorText(err.Err))
	}
	b.Rejected = slices.Contains([]tool.Failure{tool.UnknownTool, tool.InvalidJSON, tool.InvalidArguments}, err.Failure)
	return b
}

// closings end calls that must not run: cut off, or forbidden by the tool choice.
func (e *engine) closings(a loop.Close) []event.Body {
	bodies := make([]event.Body, len(a.Calls))
	for i, c := range a.Calls {
		if c.CutOff {
			bodies[i] = failure(c, tool.Fail(tool.NotRun, "your reply was cut off by the limit on its length; "+
				"make the call again, with shorter arguments or fewer calls at once", nil))
			continue
		}
		b := failure(c, barred(e.state.Choice))
		b.Rejected = true
		bodies[i] = b
	}
	return bodies
}

// barred is the failure of a call that the tool choice forbids.
func barred(choice llm.ToolChoice) *tool.Error {
	err := tool.Fail(tool.NotRun, "no tool may be called in this turn", nil)
	err.Message = "The call did not run: no tool may be called in this turn. Answer without one."
	if name, named := choice.Named(); named {
		err.Message = fmt.Sprintf("The call did not run: only the tool %q may be called in this turn. Call that tool.", name)
	}
	return err
}
