package runner

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A result from outside is an input about a call: a call that is Late, or in doubt, because
// a result can come before the process notes that it comes later. The input is bound to the
// key of the call alone, because the outside world knows no more.

// A lateResult is the Input that hands in the result of a call.
type lateResult struct {
	key    string
	parts  llm.Parts
	failed bool
	reason string // with failed
	person string // see By
	words  string // see By
}

func (lateResult) input() {}

// Result hands in the result of a call whose result comes from outside: of a call that is
// Late, or of a call in doubt that can have had its effect. Result needs only the Key, so a
// webhook that gets the key of its call back from the outside world needs no stored Pending:
//
//	_, err := session.Run(ctx, clerk, runner.Pending{Key: key}.Result(llm.Text{Text: body}))
//
// The program keeps the name of the session: a tool sends it along or stores it with the key
// ([tool.Call.Session]), because a session cannot be found by a key. A webhook that knows only
// the handle finds the Pending in [Session.State]. For results of
// a tool.External with a form, the result is one text with the JSON.
//
//   - A result counts once. The same result again, from any process, says nothing: if a run
//     has finished since the first, Run returns the Result of that run as [Once] does, and
//     otherwise continues the session as without an input.
//   - If the call has another result, has ended without one (a message closed it, or its time
//     was over), or never waited, or if the result does not fit the form, the error is a
//     [*DecisionError], and nothing is recorded. Another attempt cannot help.
//   - A result that comes during a run gets a [*journal.BusyError]: try again, or use a queue.
func (p Pending) Result(result ...llm.Part) Input { return lateResult{key: p.Key, parts: result} }

// Fail is like [Pending.Result] for work that has failed. The model reads the reason.
func (p Pending) Fail(reason string) Input {
	return lateResult{key: p.Key, failed: true, reason: reason}
}

// checksum returns the checksum of the result.
func (r lateResult) checksum() int64 {
	return checksum(llm.ToolResult{Name: r.reason, Parts: r.parts, IsError: r.failed})
}

var refPattern = regexp.MustCompile(`(?:^|/)((?:r[0-9]+\.t[0-9]+\.c[0-9]+/)*r[0-9]+\.t[0-9]+\.c[0-9]+)$`)

// callOf returns the reference at the end of a key, or "".
func callOf(key string) event.CallRef {
	if m := refPattern.FindStringSubmatch(key); m != nil {
		return event.CallRef(m[1])
	}
	return ""
}

// idOf returns the id of the call in the state, by its key.
func (e *engine) idOf(r lateResult) (id string, err error) {
	id, ours := strings.CutPrefix(r.key, e.session+"/")
	if !ours || callOf(r.key) == "" {
		return "", &DecisionError{Call: callOf(r.key), Reason: fmt.Sprintf("no call of the session %q has the key %q", e.session, clip.Cut(r.key, maxPerson))}
	}
	return id, nil
}

// dropKnown leaves out the results that the session knows. If there is nothing else, and a
// run has finished since, dropKnown sets past.
func (e *engine) dropKnown(ctx context.Context, in *input) error {
	var fresh []lateResult
	s := e.recorder.snapshot()
	done, known, call := 0, false, event.CallRef("")
	for _, r := range in.late {
		id, err := e.idOf(r)
		if err != nil {
			return err
		}
		end, ended := s.End(id)
		switch {
		case !ended:
			fresh = append(fresh, r)
		case end.Given == 0:
			return &DecisionError{Call: callOf(r.key), Reason: "the call has ended without a result from outside, so the result came too late: say it in a message"}
		case end.Given != r.checksum():
			return &DecisionError{Call: callOf(r.key), Reason: "the call has another result, which came before", Decided: e.handedIn(r.key)}
		default:
			done, known, call = max(done, end.Done), true, callOf(r.key)
		}
	}
	in.late = fresh
	if !known || len(fresh)+len(in.decisions)+len(in.messages)+len(in.revocations) > 0 {
		return nil
	}
	switch {
	case done > 0:
		return e.recall(ctx, &s, done)
	case !s.Running() && !s.Waiting():
		return &DecisionError{Call: call, Reason: "the result came before, and its run has failed: " + e.lastFailure(ctx)}
	}
	return nil
}

// lateEvents returns the ends of the calls whose results were handed in. A call takes a single
// answer: an event that does not fit the events before it would make the session unreadable.
func (e *engine) lateEvents(ctx context.Context, in *input) ([]event.Event, error) {
	if len(in.late) == 0 {
		return nil, nil
	}
	s := e.recorder.snapshot()
	open := map[string]loop.Call{}
	for _, c := range s.OpenBelow() {
		open[c.ID()] = c
	}
	var events []event.Event
	for _, r := range in.late {
		id, err := e.idOf(r)
		if err != nil {
			return nil, err
		}
		c, ok := open[id]
		reason := ""
		switch {
		case !ok:
			reason = "no such call is open, or there are two results"
		case slices.ContainsFunc(in.decisions, func(d decision) bool { return d.call == c.Ref }):
			reason = "there are a decision and a result"
		case c.Nested != nil:
			reason = "the call is that of a helper, which answers itself"
		case c.Status == loop.Asked && !c.TakesResult():
			reason = "the call waits for approval, and has not run"
		case !c.TakesResult():
			reason = "the call has not begun"
		}
		var body event.ToolCallFinished
		if reason == "" {
			body, reason = e.handIn(ctx, c, r)
		}
		if reason != "" {
			return nil, &DecisionError{Call: callOf(r.key), Reason: reason}
		}
		delete(open, id)
		events = append(events, event.Event{Path: c.Ref.Path(), Body: body})
	}
	return events, nil
}

// handIn returns the end of a call with its result from outside, or the reason against it.
func (e *engine) handIn(ctx context.Context, c loop.Call, r lateResult) (b event.ToolCallFinished, reason string) {
	if r.failed {
		b = e.redactor.failure(c, tool.Fail(tool.Failed, r.reason, nil))
		b.Error = ""
	} else {
		if reason := checkResult(r.parts); reason != "" {
			return b, reason
		}
		t, _ := e.toolOf(ctx, c)
		parts, err := e.invoker.lateResult(ctx, t, c, r.parts)
		if err != nil {
			return b, err.Error()
		}
		b = e.redactor.success(c, parts)
		e.putAside(&b, t)
	}
	b = e.redactor.withEdit(c, b)
	b.Given = &event.Given{Checksum: r.checksum(), Person: r.person, Words: e.redactor.reason(r.words)}
	return b, ""
}

// lateResult checks a result with its tool. The type of the result can have decoders of the
// program, which can hang.
func (v *invoker) lateResult(ctx context.Context, t tool.Tool, c loop.Call, parts llm.Parts) (llm.Parts, error) {
	if t.IsZero() { // the agent has no such tool any more, and the work is done all the same
		if len(parts) == 0 {
			return llm.Parts{llm.Text{Text: "(no output)"}}, nil
		}
		return parts, nil
	}
	ctx, cancel := invoke.Within(ctx, v.timeoutOf(t))
	defer cancel()
	return invoke.Ask(ctx, func() (llm.Parts, error) { return t.LateResult(tool.WithCall(ctx, v.info(c), nil), parts) })
}

// deferral returns the event of a call whose result comes later.
func (e *engine) deferral(c loop.Call, t tool.Tool, handle string) event.ToolCallDeferred {
	b := event.ToolCallDeferred{Call: c.Ref, Name: c.Call.Name, Handle: e.redactor.reason(handle)}
	if d, _ := t.LateWithin(); d > 0 {
		b.Until = time.Now().UTC().Round(0).Add(d)
	}
	return b
}

// putOff records that the result of the call comes later. The effect has begun, so the record
// is made also at the end of the run.
func (x *execution) putOff(err *tool.Error, handle string) error {
	b := x.engine.deferral(*x.call, x.tool, handle)
	b.Began = x.beginning()
	x.around.fail(err)
	x.debug("tool call deferred")
	return x.engine.recorder.recordResult(b)
}

// isOver reports whether a call that waits has waited long enough.
func isOver(c loop.Call) bool {
	until := c.Until()
	return !until.IsZero() && !time.Now().Before(until)
}

// overdue returns the events of a call whose time is over: the end of the call, or a later time.
func (e *engine) overdue(ctx context.Context, c loop.Call) ([]event.Body, error) {
	if c.Status == loop.Asked {
		return []event.Body{e.expired(ctx, c)}, nil
	}
	t, ok := e.offer.tools[c.Call.Name]
	if !ok {
		return []event.Body{e.redactor.withEdit(c, e.redactor.failure(c, tool.Fail(tool.Expired, "", nil)))}, nil
	}
	effect, err := e.invoker.reconcile(ctx, t, c)
	if ctx.Err() != nil {
		return nil, cmp.Or(causeOf(ctx), err)
	}
	handle, later := tool.IsLater(err)
	switch {
	case later:
		return e.laterEvents(c, t, handle), nil
	case err == nil && effect.happened:
		return e.doubtEvents(c, t, event.Happened, "tool", effect.result), nil
	}
	_, text := t.LateWithin()
	return []event.Body{e.redactor.withEdit(c, e.redactor.failure(c, tool.Fail(tool.Expired, text, nil)))}, nil
}

// endOverdue is overdue for the log, once in a run for each call: a tool that always has another
// time must not keep the run busy.
func (e *engine) endOverdue(ctx context.Context, c loop.Call) ([]event.Event, error) {
	asked := "overdue " + c.Ref
	if e.asked[asked] {
		return nil, nil
	}
	e.markAsked(asked)
	bodies, err := e.overdue(ctx, c)
	return e.recorder.at(bodies), err
}

// askDecide calls Runner.Decide, at most until the call no longer waits.
func (e *engine) askDecide(ctx context.Context, c loop.Call, p Pending) (Input, error) {
	if until := c.Until(); !until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, until)
		defer cancel()
	}
	return callApart(ctx, e.logger, "Decide", func(ctx context.Context) (Input, error) { return e.runner.Decide(ctx, p) })
}

// laterEvents are the events of a tool that knows the effect of a call, and gives the result
// later.
func (e *engine) laterEvents(c loop.Call, t tool.Tool, handle string) []event.Body {
	return []event.Body{event.InDoubtDecided{Call: c.Ref, Decision: event.Happened, By: "tool"}, e.deferral(c, t, handle)}
}

// expired returns the end of a call that nobody approved in time. An earlier attempt of the
// call may have had its effect.
func (e *engine) expired(ctx context.Context, c loop.Call) event.ToolCallFinished {
	if !c.MayHaveRun {
		t, _ := e.toolOf(ctx, c)
		_, text := t.ApprovalWithin()
		return e.redactor.failure(c, tool.Fail(tool.Expired, cmp.Or(text, "The call did not run: nobody approved it in time."), nil))
	}
	err := tool.Fail(tool.OutcomeUnknown, "", nil)
	err.Message += " It was not run again: nobody approved it in time."
	return e.redactor.withEdit(c, e.redactor.failure(c, err))
}

// paused returns the event of a run that waits for decisions and results.
func paused(s *loop.State) event.RunPaused {
	b := event.RunPaused{Run: s.Run, Calls: []event.CallRef{}}
	for _, c := range s.Undecided() {
		b.Calls = append(b.Calls, c.Ref)
		if c.Status == loop.Late {
			b.Late = append(b.Late, c.Ref)
		}
		if until := c.Until(); !until.IsZero() && (b.Until.IsZero() || until.Before(b.Until)) {
			b.Until = until
		}
	}
	return b
}
