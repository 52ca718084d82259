package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// sleep lets the time of a bubble pass.
func sleep(d time.Duration) { time.Sleep(d) } // synctest: exact in a bubble

// TestLateWithin: what happens when the result does not come in time. Until is exact, and a
// result counts as long as no run has continued.
func TestLateWithin(t *testing.T) {
	t.Parallel()
	type answer struct {
		out      string
		happened bool
		err      error
	}
	for _, tt := range []struct {
		name    string
		text    string
		asks    *answer // of Reconcile; nil: the tool has none
		want    string  // what the model reads; empty: the call waits again
		failure string
		decided bool // the event has the decision of the tool
	}{
		{name: "a text", text: "The bank is silent: tell the customer.", want: "The bank is silent: tell the customer.", failure: "expired"},
		{name: "no text", want: "The result did not come in time. The call may have had its effect all the same: check before you call it again.", failure: "expired"},
		{name: "the tool finds the result", asks: &answer{out: "booked", happened: true}, want: "booked", decided: true},
		{name: "the tool finds nothing", text: "Nothing came.", asks: &answer{}, want: "Nothing came.", failure: "expired"},
		{name: "the tool cannot find out", text: "Nothing came.", asks: &answer{err: errors.New("down")}, want: "Nothing came.", failure: "expired"},
		{name: "the tool waits longer", text: "Nothing came.", asks: &answer{err: tool.Later("other")}, decided: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				opts := []tool.Option{tool.LateWithin(time.Hour, tt.text)}
				var asked []tool.Call
				if tt.asks != nil {
					opts = append(opts, tool.Reconcile(func(_ context.Context, c tool.Call, _ json.RawMessage) (string, bool, error) {
						asked = append(asked, c)
						return tt.asks.out, tt.asks.happened, tt.asks.err
					}))
				}
				d := newBank(t, []llmtest.Step{payAnn, llmtest.Text("Fine.")}, pay(opts...))
				began := time.Now().UTC()
				p := d.begin(t)[0]
				require.Equal(t, began.Add(time.Hour), p.Until)
				sleep(time.Hour - 1)
				_, err := d.run(t)
				require.ErrorIs(t, err, runner.ErrPaused)
				require.Empty(t, asked)
				sleep(1)
				result, err := d.run(t)
				decided := bodiesOf[event.InDoubtDecided](eventsOf(t, d.store))
				if tt.decided {
					require.Equal(t, []event.InDoubtDecided{{Call: "r1.t1.c0", Decision: event.Happened, By: "tool"}}, decided)
				} else {
					require.Empty(t, decided)
				}
				if tt.asks != nil {
					require.Len(t, asked, 1)
					require.Equal(t, p.Key, asked[0].Key)
					require.Equal(t, p.Seq, asked[0].Fence, "the fence of the attempt")
				}
				if tt.want == "" {
					require.ErrorIs(t, err, runner.ErrPaused)
					require.Equal(t, "other", result.Pending[0].Handle)
					require.Equal(t, began.Add(2*time.Hour), result.Pending[0].Until)
					_, err = d.run(t, p.Result(text("booked")))
					require.NoError(t, err)
					return
				}
				require.NoError(t, err)
				require.Equal(t, []string{tt.want}, results(result.Messages))
				require.Equal(t, tt.failure, bodiesOf[event.ToolCallFinished](eventsOf(t, d.store))[0].Failure)
				_, err = d.run(t, p.Result(text("booked")))
				requireRefused(t, err, "came too late")
			})
		})
	}
}

// TestLateResultAfterItsTime: nobody has continued the run, so the result counts.
func TestLateResultAfterItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newBank(t, []llmtest.Step{payAnn, llmtest.Text("Fine.")}, pay(tool.LateWithin(time.Hour, "")))
		p := d.begin(t)[0]
		sleep(2 * time.Hour)
		result, err := d.run(t, p.Result(text("booked")))
		require.NoError(t, err)
		require.Equal(t, []string{"booked"}, results(result.Messages))
	})
}

// TestLateWithinARun: the time can be over while other calls of the same turn run.
func TestLateWithinARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := tool.Must(tool.New("slow", "Is slow.", func(context.Context, struct{}) (string, error) { sleep(time.Minute); return "done", nil }))
		d := newBank(t, []llmtest.Step{payAnn.And(llmtest.Calls("slow", nil)), llmtest.Text("Fine.")}, pay(tool.LateWithin(time.Second, "Nothing came.")), slow)
		d.r.Limits.WorkTime = 2 * time.Minute
		result, err := d.run(t, runner.Say(llm.User("Pay.")))
		require.NoError(t, err)
		require.Equal(t, []string{"Nothing came.", "done"}, results(result.Messages))
	})
}

// TestLateIsNoWork: days of waiting are within a limit of a minute of work.
func TestLateIsNoWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newBank(t, []llmtest.Step{payAnn, llmtest.Text("Fine.")}, pay())
		d.r.Limits.WorkTime = time.Minute
		p := d.begin(t)[0]
		sleep(100 * time.Hour)
		_, err := d.run(t, p.Result())
		require.NoError(t, err)
	})
}

// TestApprovalExpires: an approval that is over is not asked about again, also while Decide
// asks a person, and the call did not run. (Only the event of the question knows the time.)
func TestApprovalExpires(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"in the next run", "while Decide asks"} {
		synctest.Test(t, func(t *testing.T) {
			d := newBank(t, []llmtest.Step{llmtest.Text("Fine.")}, new(till).refund(over100))
			record(t, d.store, event.RunStarted{Run: 1, Agent: "assistant", ID: "x"}, event.UserMessaged{Message: llm.User("Refund.")}, event.TurnPrepared{Turn: 1, Agent: "assistant"},
				event.ModelAnswered{Turn: 1, Message: llm.Assistant("", llm.ToolCall{ID: "c", Name: "refund", Arguments: `{"order":"W","cents":20000}`}), Finish: llm.FinishOf("tool_calls", "")},
				event.ApprovalAsked{Call: "r1.t1.c0", Name: "refund", Arguments: `{"order":"W","cents":20000}`, Hash: event.HashArguments(`{"order":"W","cents":20000}`), Until: time.Now().UTC().Add(time.Minute)},
				event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t1.c0"}})
			result, err := d.run(t)
			require.ErrorIs(t, err, runner.ErrPaused)
			require.False(t, result.Pending[0].Until.IsZero())
			began := time.Now()
			if how == "in the next run" {
				sleep(time.Minute)
			} else {
				d.r.Decide = func(ctx context.Context, p runner.Pending) (runner.Input, error) {
					<-ctx.Done()
					return p.Approve(), nil
				}
			}
			result, err = d.run(t)
			require.NoError(t, err)
			require.Equal(t, time.Minute, time.Since(began))
			require.Equal(t, []string{"The call did not run: nobody approved it in time."}, results(result.Messages))
			require.Equal(t, "expired", bodiesOf[event.ToolCallFinished](eventsOf(t, d.store))[0].Failure)
		})
	}
}

type receipt struct {
	Number int    `json:"number" jsonschema:"minimum=1"`
	Note   string `json:"note,omitempty"`
}

// TestExternal: nobody runs the function of an external tool. Arguments and results are
// checked, and approval is possible.
func TestExternal(t *testing.T) {
	t.Parallel()
	schema := json.RawMessage(`{"type":"object","properties":{"to":{"type":"string"}},"required":["to"],"additionalProperties":false}`)
	for name, external := range map[string]tool.Tool{
		"of a type":   tool.Must(tool.External[payArgs, receipt]("pay", "Pays.")),
		"of a schema": tool.Must(tool.ExternalRaw[receipt]("pay", "Pays.", schema)),
		"approved":    tool.Must(tool.External[payArgs, receipt]("pay", "Pays.", tool.NeedsApproval())),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newBank(t, []llmtest.Step{llmtest.Calls("pay", `{"to":1}`), payAnn, llmtest.Text("Paid.")}, external)
			p := d.begin(t)[0]
			if external.AsksApproval() {
				require.False(t, p.Late)
				result, err := d.run(t, p.Approve())
				require.ErrorIs(t, err, runner.ErrPaused)
				p = result.Pending[0]
			}
			require.True(t, p.Late)
			require.Equal(t, `{"to":"ann"}`, p.ToolCall.Arguments)
			for _, wrong := range []runner.Input{p.Result(), p.Result(text("fine")), p.Result(text(`{"number":0}`)), p.Result(text(`{"number":"1"}`)), p.Result(text(`{"number":1,"x":1}`)), p.Result(text("{}"), text("{}")), p.Result(llm.Image{URL: "https://x.example"})} {
				_, err := d.run(t, wrong)
				unfit, ok := errors.AsType[*runner.DecisionError](err)
				require.True(t, ok, "%v", err)
				require.Contains(t, unfit.Reason, "the result", "%s", unfit.Reason)
			}
			result, err := d.run(t, p.Result(text(`{ "number": 7 }`)))
			require.NoError(t, err)
			require.Equal(t, `{ "number": 7 }`, results(result.Messages)[1])
			require.True(t, strings.HasPrefix(results(result.Messages)[0], "Arguments for pay"))
		})
	}
}

// TestLateInHelper: the outer run does everything else, and pauses for the call of the helper.
func TestLateInHelper(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clerk := &agent.Agent{Name: "clerk", Instructions: "Pay.", Tools: []tool.Tool{pay(tool.LateWithin(time.Hour, "Nothing came."))}}
		a := newAgent(new(till).refund())
		a.Helpers = []agent.Helper{{Name: "clerk", Agent: clerk, Description: "Pays."}}
		d := &bank{store: newBank(t, nil).store, agent: a}
		desk := func(steps ...llmtest.Step) []llmtest.Step {
			return llmtest.For(llmtest.Instructed("Be brief."), steps...)
		}
		inside := func(steps ...llmtest.Step) []llmtest.Step { return llmtest.For(llmtest.Instructed("Pay."), steps...) }
		d.r = runner.Runner{Journal: d.store, Model: llmtest.NewScript(slices.Concat(
			desk(llmtest.Calls("clerk", `{"task":"Pay ann."}`).And(llmtest.Calls("refund", refundArgs{"W", 5})), llmtest.Text("All done.")), inside(payAnn, llmtest.Text("Paid.")))...)}
		p := d.begin(t)[0]
		require.Equal(t, event.CallRef("r1.t1.c0/r1.t1.c0"), p.Call)
		data, err := json.Marshal(d.store)
		require.NoError(t, err)
		for _, expired := range []bool{false, true} {
			require.NoError(t, json.Unmarshal(data, d.store))
			var result *runner.Result
			if expired {
				sleep(time.Hour)
				result, err = d.run(t)
			} else {
				result, err = d.run(t, runner.Pending{Key: p.Key}.Result(text("booked")))
			}
			require.NoError(t, err)
			require.Equal(t, []string{"Paid.", "paid 5"}, results(result.Messages))
			again, err := d.run(t, p.Result(text("booked")))
			if expired {
				unfit, ok := errors.AsType[*runner.DecisionError](err)
				require.True(t, ok, "%v", err)
				require.Contains(t, unfit.Reason, "too late")
				return
			}
			require.NoError(t, err)
			require.Equal(t, result.Messages, again.Messages)
			d.r.Model = llmtest.NewScript(slices.Concat(desk(llmtest.Text("All done.")), inside(llmtest.Text("Paid.")))...)
		}
	})
}

// TestLateIsAResult: checks on results, Redact and PutAside see it as any result.
func TestLateIsAResult(t *testing.T) {
	t.Parallel()
	d := newBank(t, []llmtest.Step{payAnn, llmtest.Text("Fine.")}, pay())
	var seen []string
	d.agent.Checks = []agent.Check{{Name: "look", Result: func(_ context.Context, in agent.Subject) (agent.Verdict, error) {
		seen = append(seen, fmt.Sprint(in.Call.Name, len(in.Text)))
		return agent.Verdict{}, nil
	}}}
	d.r.Redact = func(s string) string { return strings.ReplaceAll(s, "s3cret", "***") }
	d.r.PutAside = 1000
	p := d.begin(t)[0]
	long := "s3cret " + strings.Repeat("x", 5000)
	result, err := d.run(t, p.Result(text(long)))
	require.NoError(t, err)
	finished := bodiesOf[event.ToolCallFinished](eventsOf(t, d.store))[0]
	require.Equal(t, "*** "+strings.Repeat("x", 5000), finished.Whole)
	require.True(t, strings.HasPrefix(results(result.Messages)[0], "*** xxx"))
	require.Less(t, len(results(result.Messages)[0]), 1000)
	require.Len(t, seen, 1)
	_, err = d.run(t, p.Result(text(long)))
	require.NoError(t, err)
}
