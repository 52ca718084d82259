package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestCallsOf: each call of a session has its arguments, its decisions and its end, and counts
// if its effect can have happened or will happen.
func TestCallsOf(t *testing.T) {
	t.Parallel()
	x, j := new(till), new(journal.Memory)
	fails := tool.Must(tool.New("fail", "Fails.", func(context.Context, refundArgs) (string, error) { return "", errors.New("no") }))
	hangs := tool.Must(tool.New("ask_bank", "Asks.", func(context.Context, refundArgs) (string, error) { return "", tool.Later("bank") }, tool.LateWithin(time.Hour, "")))
	breaks := tool.Must(tool.New("break", "Breaks.", func(context.Context, refundArgs) (string, error) { panic("planted") }))
	a := newAgent(x.refund(over100), fails, hangs, breaks)
	call := func(name string, cents int) llmtest.Step { return llmtest.Calls(name, refundArgs{"W", cents}) }
	r := runner.Runner{Journal: j, Model: llmtest.NewScript(
		call("refund", 1).And(call("refund", 20_000), call("refund", 30_000), call("refund", 40_000), call("refund", -1), call("fail", 2), call("ask_bank", 3), call("break", 4), call("gone", 5)),
		llmtest.Text("Done."),
	)}
	result, err := r.Session("s").Run(t.Context(), a, runner.Say(llm.User("Refund.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	by := func(in runner.Input) runner.Input { return runner.By("ada", in, "so") }
	_, err = r.Session("s").Run(t.Context(), a, by(result.Pending[0].Edit(json.RawMessage(`{"order":"W","cents":15000}`))), by(result.Pending[1].Deny("no")))
	require.ErrorIs(t, err, runner.ErrPaused)

	calls, err := runner.CallsOf(j.Read(t.Context(), "s", 0))
	require.NoError(t, err)
	line := func(c runner.PastCall) string {
		said := ""
		for _, d := range c.Decisions {
			said += fmt.Sprintf(" %s by %s", d.What, d.Person)
		}
		return fmt.Sprintf("%s %s %s began=%t ended=%t %s%s counts=%t", c.Call, c.ToolCall.Name, c.ToolCall.Arguments, !c.Began.IsZero(), !c.Ended.IsZero(), c.Failure, said, c.Counts())
	}
	var lines []string
	for _, c := range calls {
		require.Equal(t, "assistant", c.Agent)
		lines = append(lines, line(c))
	}
	require.Equal(t, []string{
		`r1.t1.c0 refund {"order":"W","cents":1} began=true ended=true  counts=true`,
		`r1.t1.c1 refund {"order":"W","cents":15000} began=true ended=true  edited by ada counts=true`,
		`r1.t1.c2 refund {"order":"W","cents":30000} began=false ended=true denied denied by ada counts=false`,
		`r1.t1.c3 refund {"order":"W","cents":40000} began=false ended=false  counts=false`,
		`r1.t1.c4 refund {"order":"W","cents":-1} began=true ended=true  counts=true`,
		`r1.t1.c5 fail {"order":"W","cents":2} began=true ended=true failed counts=false`,
		`r1.t1.c6 ask_bank {"order":"W","cents":3} began=true ended=false  counts=true`,
		`r1.t1.c7 break {"order":"W","cents":4} began=true ended=true panicked counts=true`,
		`r1.t1.c8 gone {"order":"W","cents":5} began=false ended=true unknown_tool counts=false`,
	}, lines)
	require.Contains(t, calls[1].Result.Text(), "paid 15000")
	require.Equal(t, stateOf(t, j, "s").Decisions, append(calls[1].Decisions, calls[2].Decisions...))
	decided := func(c runner.PastCall) runner.Decision { return c.Decisions[len(c.Decisions)-1] }

	_, err = r.Session("s").Run(t.Context(), a, result.Pending[2].Approve(), runner.Pending{Key: result.Pending[3].Key}.Fail("gone"))
	require.NoError(t, err)
	calls, err = runner.CallsOf(j.Read(t.Context(), "s", 0))
	require.NoError(t, err)
	require.Equal(t, `r1.t1.c3 refund {"order":"W","cents":40000} began=true ended=true  approved by  counts=true`, line(calls[3]))
	require.Equal(t, stateOf(t, j, "s").Decisions[2:], []runner.Decision{decided(calls[3]), decided(calls[6])})
	require.Equal(t, `r1.t1.c6 ask_bank {"order":"W","cents":3} began=true ended=true failed failure by  counts=false`, line(calls[6]))

	_, err = runner.CallsOf(func(yield func(event.Event, error) bool) { yield(event.Event{}, errOwn) })
	require.ErrorIs(t, err, errOwn)
}

// TestCallsOfDoubt: a call in doubt counts, until somebody knows better.
func TestCallsOfDoubt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		bodies []event.Body
		counts bool
	}{
		"in doubt":              {nil, true},
		"run again by a person": {[]event.Body{event.InDoubtDecided{Call: "r1.t1.c0", Decision: event.RunAgain, By: "caller"}}, true},
		"run again by the tool": {[]event.Body{event.InDoubtDecided{Call: "r1.t1.c0", Decision: event.RunAgain, By: "tool"}}, true},
		"run again by itself":   {[]event.Body{event.InDoubtDecided{Call: "r1.t1.c0", Decision: event.RunAgain, By: "idempotent"}}, true},
		"again and taken back": {[]event.Body{
			event.InDoubtDecided{Call: "r1.t1.c0", Decision: event.RunAgain, By: "idempotent"}, event.ToolCallStarted{Call: "r1.t1.c0", ID: "call_1", Name: "refund", Arguments: `{"order":"W1","cents":4210}`},
			event.InDoubtDecided{Call: "r1.t1.c0", Decision: event.RunAgain, By: "runner"},
		}, true},
		"taken back":    {[]event.Body{event.InDoubtDecided{Call: "r1.t1.c0", Decision: event.RunAgain, By: "runner"}}, false},
		"unknown":       {[]event.Body{event.InDoubtDecided{Call: "r1.t1.c0", Decision: event.Unknown, By: "caller"}, event.ToolCallFinished{Call: "r1.t1.c0", Failure: "outcome_unknown"}}, true},
		"not happened":  {[]event.Body{event.InDoubtDecided{Call: "r1.t1.c0", Decision: event.NotHappened, By: "caller"}, event.ToolCallFinished{Call: "r1.t1.c0", Failure: "not_run"}}, false},
		"late and over": {[]event.Body{event.ToolCallDeferred{Call: "r1.t1.c0"}, event.ToolCallFinished{Call: "r1.t1.c0", Failure: "expired"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, _ := crashedRefund(t)
			record(t, j, tt.bodies...)
			calls, err := runner.CallsOf(func(yield func(event.Event, error) bool) {
				for e, err := range j.Read(t.Context(), "s", 0) {
					e.Time = time.Unix(e.Seq, 0)
					if !yield(e, err) {
						return
					}
				}
			})
			require.NoError(t, err)
			require.Len(t, calls, 1)
			require.Equal(t, tt.counts, calls[0].Counts())
		})
	}
}

// upTo is a policy: it approves refunds of a session up to a total, and leaves the rest to a
// person.
func upTo(j journal.Reader, max int) func(context.Context, runner.Pending) (runner.Input, error) {
	return func(ctx context.Context, p runner.Pending) (runner.Input, error) {
		calls, err := runner.CallsOf(j.Read(ctx, p.Session, 0))
		if err != nil {
			return nil, err
		}
		total := centsOf(p.ToolCall)
		for _, c := range calls {
			if c.ToolCall.Name == "refund" && c.Counts() {
				total += centsOf(c.ToolCall)
			}
		}
		if total > max {
			return nil, nil
		}
		return runner.By(fmt.Sprintf("policy: up to %d", max), p.Approve()), nil
	}
}

func centsOf(c llm.ToolCall) int {
	var in refundArgs
	_ = json.Unmarshal([]byte(c.Arguments), &in) // the runner has checked the arguments
	return in.Cents
}

// TestPolicy: calls of the same turn count in the total, earlier runs count, and the rest waits
// for a person.
func TestPolicy(t *testing.T) {
	t.Parallel()
	x, j := new(till), new(journal.Memory)
	a := newAgent(x.refund(tool.NeedsApproval()))
	r := runner.Runner{Journal: j, Decide: upTo(j, 50_000), Model: llmtest.NewScript(
		refund("W1", 20_000), llmtest.Text("Done."), refund("W2", 20_000).And(refund("W3", 20_000), refund("W4", 10_000)), llmtest.Text("Done."),
	)}
	_, err := r.Session("s").Run(t.Context(), a, runner.Say(llm.User("Refund.")))
	require.NoError(t, err)
	result, err := r.Session("s").Run(t.Context(), a, runner.Say(llm.User("Refund more.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Len(t, result.Pending, 1)
	require.Equal(t, 20_000, centsOf(result.Pending[0].ToolCall))
	require.Equal(t, "s", result.Pending[0].Session)
	_, err = r.Session("s").Run(t.Context(), a)
	require.ErrorIs(t, err, runner.ErrPaused, "asked again, with the same total")
	_, err = r.Session("s").Run(t.Context(), a, runner.By("ada", result.Pending[0].Approve()))
	require.NoError(t, err)
	var by []string
	for _, d := range stateOf(t, j, "s").Decisions {
		by = append(by, d.Person)
	}
	require.Equal(t, []string{"policy: up to 50000", "policy: up to 50000", "policy: up to 50000", "ada"}, by)
}

// TestPolicyAfterCrash: a call that was interrupted and runs again counts, whoever lets it run.
func TestPolicyAfterCrash(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]tool.Option{
		"idempotent": tool.Idempotent(),
		"tool":       tool.Reconcile(func(context.Context, tool.Call, json.RawMessage) (string, bool, error) { return "", false, nil }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, j := new(till), new(journal.Memory)
			a := newAgent(x.refund(over100, again))
			both := refund("W1", 9_000).And(refund("W2", 20_000))
			whole := new(journal.Memory)
			_, err := runner.Runner{Model: llmtest.NewScript(both), Journal: whole}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Refund.")))
			require.ErrorIs(t, err, runner.ErrPaused)
			log, err := j.Open(t.Context(), "s")
			require.NoError(t, err)
			for _, e := range eventsOf(t, whole) {
				if _, ended := e.Body.(event.ToolCallFinished); ended {
					break
				}
				require.NoError(t, log.Append(t.Context(), true, e))
			}
			require.NoError(t, log.Close())
			x.paid = nil // the process died before the effect
			r := runner.Runner{Model: llmtest.NewScript(llmtest.Text("Done.")), Journal: j, Decide: upTo(j, 25_000)}
			result, err := r.Session("s").Run(t.Context(), a)
			require.ErrorIs(t, err, runner.ErrPaused)
			require.Len(t, result.Pending, 1)
			require.Equal(t, []refundArgs{{"W1", 9_000}}, x.all())
		})
	}
}

// clerks is a model of a desk that asks n clerks at the same time, each of which makes a refund.
func clerks(n int) llm.Model {
	ask := llmtest.Calls("ask_clerk", map[string]string{"task": "Refund."})
	all := ask
	for range n - 1 {
		all = all.And(ask)
	}
	return llmtest.NewScript(append(
		llmtest.For(llmtest.Instructed("desk"), all, llmtest.Text("Done.")),
		llmtest.For(llmtest.Instructed("clerk"), llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
			if len(req.Messages) > 1 {
				return llmtest.Text("Paid.").Response()
			}
			return refund("W", 20_000).Response()
		}).Forever())...,
	)...)
}

// TestPolicyOfTeam: helpers work at the same time, and each question of theirs sees the
// decisions about the others.
func TestPolicyOfTeam(t *testing.T) {
	t.Parallel()
	for _, mayAnswer := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			x, j := new(till), new(journal.Memory)
			clerk := &agent.Agent{Name: "clerk", Instructions: "clerk", Tools: []tool.Tool{x.refund(tool.NeedsApproval())}}
			desk := &agent.Agent{Name: "desk", Instructions: "desk", Helpers: []agent.Helper{{Name: "ask_clerk", Description: "Asks.", Agent: clerk}}}
			policy, asking := upTo(j, 50_000), 0
			slow := func(ctx context.Context, p runner.Pending) (runner.Input, error) {
				asking++
				require.Equal(t, 1, asking, "one question at a time")
				in, err := policy(ctx, p)
				time.Sleep(time.Second) // synctest: exact in a bubble
				asking--
				return in, err
			}
			r := runner.Runner{Journal: j, Decide: slow, Model: clerks(4)}
			if mayAnswer { // a person's answer stands, and a bound on the total holds for it, too
				r.Decide = nil
				r.MayAnswer = func(ctx context.Context, p runner.Pending, _ runner.Decision) error {
					in, err := slow(ctx, p)
					if in == nil && err == nil {
						err = errOwn
					}
					return err
				}
			}
			result, err := r.Session("s").Run(t.Context(), desk, runner.Say(llm.User("Refund all.")))
			require.ErrorIs(t, err, runner.ErrPaused)
			if mayAnswer {
				require.Len(t, result.Pending, 4)
				result, err = r.Session("s").Run(t.Context(), desk, result.Pending[0].ApproveAlways(event.EveryCall))
				require.ErrorIs(t, err, runner.ErrPaused)
			}
			require.Len(t, result.Pending, 2)
			require.Len(t, x.all(), 2)
		})
	}
}

// TestPolicyDeadline: a question whose time ends while another question is asked is not asked.
func TestPolicyDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x, j := new(till), new(journal.Memory)
		clerk := &agent.Agent{Name: "clerk", Instructions: "clerk", Tools: []tool.Tool{x.refund(tool.NeedsApproval(), tool.ApprovalWithin(time.Minute, "Too late."))}}
		desk := &agent.Agent{Name: "desk", Instructions: "desk", Helpers: []agent.Helper{{Name: "ask_clerk", Description: "Asks.", Agent: clerk}}}
		asked := 0
		r := runner.Runner{Journal: j, Model: clerks(3), Decide: func(ctx context.Context, p runner.Pending) (runner.Input, error) {
			if asked++; asked == 1 {
				time.Sleep(50 * time.Second) // synctest: exact in a bubble
				return p.Approve(), nil
			}
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}}
		result, err := r.Session("s").Run(t.Context(), desk, runner.Say(llm.User("Refund both.")))
		require.NoError(t, err)
		require.Equal(t, "Done.", result.Text)
		require.Equal(t, 2, asked)
		require.Len(t, x.all(), 1)
	})
}
