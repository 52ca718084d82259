package runner_test

import (
	"context"
	"encoding/json"
	"errors"
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
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type payArgs struct {
	To string `json:"to"`
}

// pay begins a transfer whose result comes later.
func pay(opts ...tool.Option) tool.Tool {
	return tool.Must(tool.New("pay", "Pays.", func(_ context.Context, in payArgs) (string, error) {
		return "", tool.Later("transfer-" + in.To)
	}, opts...))
}

// A bank is a session in a store. Each use is that of another process.
type bank struct {
	store *journal.Memory
	agent *agent.Agent
	r     runner.Runner
}

func newBank(t *testing.T, steps []llmtest.Step, tools ...tool.Tool) *bank {
	t.Helper()
	d := &bank{store: new(journal.Memory), agent: newAgent(tools...)}
	d.r = runner.Runner{Model: llmtest.Script(t, steps...), Journal: d.store}
	return d
}

func (d *bank) run(t *testing.T, in ...runner.Input) (*runner.Result, error) {
	t.Helper()
	return d.r.Session("s").Run(t.Context(), d.agent, in...)
}

// begin runs until the run waits.
func (d *bank) begin(t *testing.T) []runner.Pending {
	t.Helper()
	result, err := d.run(t, runner.Once("begin", llm.User("Pay.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	return result.Pending
}

// restored returns a Pending that went through JSON.
func restored(t *testing.T, p runner.Pending) (back runner.Pending) {
	t.Helper()
	data, err := json.Marshal(p)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &back))
	return back
}

func stored(t *testing.T, in runner.Input) runner.Input {
	t.Helper()
	data, err := json.Marshal(in)
	require.NoError(t, err)
	back, err := runner.ParseInput(data)
	require.NoError(t, err)
	return back
}

func text(s string) llm.Part { return llm.Text{Text: s} }

var payAnn = llmtest.Calls("pay", payArgs{"ann"})

func requireRefused(t *testing.T, err error, reason string) {
	t.Helper()
	unfit, ok := errors.AsType[*runner.DecisionError](err)
	require.True(t, ok, "%v", err)
	require.Contains(t, unfit.Reason, reason)
	require.Equal(t, event.CallRef("r1.t1.c0"), unfit.Call)
}

// TestLate: the run waits for a result that another process hands in, by the Pending or by
// the key alone. The same result again gets the outcome of the run, also after later runs.
func TestLate(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]func(t *testing.T, p runner.Pending) runner.Pending{
		"by the stored Pending": restored,
		"by the key":            func(_ *testing.T, p runner.Pending) runner.Pending { return runner.Pending{Key: p.Key} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newBank(t, []llmtest.Step{payAnn, llmtest.Text("It is paid."), llmtest.Text("Yes.")}, pay())
			pending := d.begin(t)
			require.Len(t, pending, 1)
			p := pending[0]
			require.Equal(t, runner.Pending{
				Call: "r1.t1.c0", Session: "s", Agent: "assistant", Hash: event.HashArguments(`{"to":"ann"}`), Key: p.Key, Seq: p.Seq, Late: true, Handle: "transfer-ann",
				ToolCall: llm.ToolCall{ID: "call_1", Name: "pay", Arguments: `{"to":"ann"}`},
			}, p)
			again, err := d.run(t) // nothing came
			require.ErrorIs(t, err, runner.ErrPaused)
			require.Equal(t, pending, again.Pending)

			in := stored(t, of(t, p).Result(text("booked")))
			result, err := d.run(t, in)
			require.NoError(t, err)
			require.Equal(t, "It is paid.", result.Text)
			require.Equal(t, []string{"booked"}, results(result.Messages))
			seq := len(eventsOf(t, d.store))
			for range 2 {
				again, err := d.run(t, in)
				require.NoError(t, err)
				require.Equal(t, "It is paid.", again.Text)
				require.Equal(t, result.Messages, again.Messages)
				if seq == len(eventsOf(t, d.store)) {
					_, err = d.run(t, runner.Say(llm.User("Sure?")))
					require.NoError(t, err)
				}
			}
			for _, other := range []runner.Input{p.Result(text("refused")), p.Fail("booked"), p.Result()} {
				_, err = d.run(t, other)
				requireRefused(t, err, "the call has another result")
			}
		})
	}
}

// TestLateFails: the model reads why the work failed.
func TestLateFails(t *testing.T) {
	t.Parallel()
	d := newBank(t, []llmtest.Step{payAnn, llmtest.Text("It failed.")}, pay())
	in := stored(t, d.begin(t)[0].Fail("the bank refused"))
	for range 2 {
		result, err := d.run(t, in)
		require.NoError(t, err)
		require.Equal(t, []string{"the bank refused"}, results(result.Messages))
	}
	finished := bodiesOf[event.ToolCallFinished](eventsOf(t, d.store))
	require.Len(t, finished, 1)
	require.Equal(t, "failed", finished[0].Failure)
	require.NotZero(t, finished[0].Given)
	require.True(t, finished[0].Began.IsZero())
}

// TestLateClosed: a message closes the call, and a result after that is refused: it must not
// vanish.
func TestLateClosed(t *testing.T) {
	t.Parallel()
	d := newBank(t, []llmtest.Step{payAnn, llmtest.Text("I stop.")}, pay())
	p := d.begin(t)[0]
	require.NoError(t, d.r.Session("s").Say(t.Context(), llm.User("By the way.")), "Session.Say closes nothing")
	_, err := d.run(t)
	require.ErrorIs(t, err, runner.ErrPaused)
	result, err := d.run(t, runner.Say(llm.User("Stop.")))
	require.NoError(t, err)
	require.Equal(t, []string{"The call was started, and its result had not come when the conversation went on. It may have its effect all the same: check before you call it again."}, results(result.Messages))
	for range 2 {
		_, err = d.run(t, p.Result(text("booked")))
		requireRefused(t, err, "came too late")
	}
}

// TestLateWrong: results that fit no call.
func TestLateWrong(t *testing.T) {
	t.Parallel()
	d := newBank(t, []llmtest.Step{payAnn.And(llmtest.Calls("refund", refundArgs{"W", 20_000}))}, pay(), new(till).refund(over100))
	pending := d.begin(t)
	late, asked := pending[0], pending[1]
	require.True(t, late.Late && !asked.Late)
	_, err := d.run(t, late.Approve())
	requireRefused(t, err, "the call waits for its result")
	_, err = d.run(t, late.RunAgain())
	requireRefused(t, err, "the call is not in doubt")
	_, err = d.run(t, late.Result(text("")))
	requireRefused(t, err, "a text of the result is empty")
	_, err = d.run(t, late.Result(text("a")), late.Result(text("a")))
	requireRefused(t, err, "there are two results")
	for key, reason := range map[string]string{
		asked.Key: "waits for approval", strings.Replace(late.Key, "r1.", "r7.", 1): "no such call", "x" + late.Key: "no call of the session", "": "no call of the session", "s/r1": "no call of the session",
	} {
		_, err = d.run(t, runner.Pending{Key: key}.Result(text("booked")))
		unfit, ok := errors.AsType[*runner.DecisionError](err)
		require.True(t, ok, "%v", err)
		require.Contains(t, unfit.Reason, reason)
	}
	_, err = json.Marshal(runner.Pending{Key: "x"}.Result())
	require.ErrorContains(t, err, `"x", which is the key of no call`)
	_, err = d.run(t, runner.Once("k", llm.User("Hi.")), late.Result())
	require.ErrorContains(t, err, "Once and another input")
	require.Len(t, bodiesOf[event.ToolCallFinished](eventsOf(t, d.store)), 0)
}

// TestLateWaitsForAll: the model goes on when all results of the turn are in, and Decide is
// asked about approvals alone.
func TestLateWaitsForAll(t *testing.T) {
	t.Parallel()
	d := newBank(t, []llmtest.Step{
		payAnn.And(llmtest.Calls("pay", payArgs{"bob"})).And(llmtest.Calls("refund", refundArgs{"W", 20_000})).And(llmtest.Calls("refund", refundArgs{"W", 5})), llmtest.Text("All."),
	}, pay(), new(till).refund(over100))
	var asked []event.CallRef
	d.r.Decide = func(_ context.Context, p runner.Pending) (runner.Input, error) {
		asked = append(asked, p.Call)
		return nil, nil
	}
	pending := d.begin(t)
	require.Len(t, pending, 3)
	paused := bodiesOf[event.RunPaused](eventsOf(t, d.store))[0]
	require.Equal(t, event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t1.c0", "r1.t1.c1", "r1.t1.c2"}, Late: []event.CallRef{"r1.t1.c0", "r1.t1.c1"}}, paused)
	require.Equal(t, []event.CallRef{"r1.t1.c2"}, asked)
	_, err := d.run(t, pending[1].Result(text("to bob")))
	require.ErrorIs(t, err, runner.ErrPaused)
	_, err = d.run(t, pending[2].Approve())
	require.ErrorIs(t, err, runner.ErrPaused)
	result, err := d.run(t, pending[0].Result(text("to ann")))
	require.NoError(t, err)
	require.Equal(t, []string{"to ann", "to bob", "paid 20000", "paid 5"}, results(result.Messages))
}

// TestLateState: a reader sees what the session waits for.
func TestLateState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newBank(t, []llmtest.Step{payAnn}, pay(tool.LateWithin(time.Hour, "")))
		d.begin(t)
		state, err := d.r.Session("s").State(t.Context())
		require.NoError(t, err)
		now := time.Now().UTC()
		require.Len(t, state.Open, 1)
		require.Equal(t, now, state.Open[0].Deferred)
		require.Equal(t, "transfer-ann", state.Pending[0].Handle)
		require.Equal(t, now.Add(time.Hour), state.Pending[0].Until)
		require.Equal(t, []string{"The call was started, and has no result yet: the result comes later."}, results(state.Messages))
	})
}

// TestLateInDoubt: the result of a call can come before the process has noted that it comes
// later, and the process can die there.
func TestLateInDoubt(t *testing.T) {
	t.Parallel()
	d := newBank(t, []llmtest.Step{llmtest.Text("Fine.")}, pay())
	record(t, d.store, event.RunStarted{Run: 1, Agent: "assistant", ID: "x"}, event.UserMessaged{Message: llm.User("Pay.")}, event.TurnPrepared{Turn: 1, Agent: "assistant"},
		event.ModelAnswered{Turn: 1, Message: llm.Assistant("", llm.ToolCall{ID: "c", Name: "pay", Arguments: `{"to":"ann"}`}), Finish: llm.FinishOf("tool_calls", "")},
		event.ToolCallStarted{Call: "r1.t1.c0", Name: "pay", Arguments: `{"to":"ann"}`})
	for range 2 {
		result, err := d.run(t, runner.Pending{Key: "s/x/r1.t1.c0"}.Result(text("booked")))
		require.NoError(t, err)
		require.Equal(t, []string{"booked"}, results(result.Messages))
	}
}

// TestLateOutside: without a session nobody can hand the result in.
func TestLateOutside(t *testing.T) {
	t.Parallel()
	d := newBank(t, []llmtest.Step{payAnn}, pay())
	_, err := d.r.Run(t.Context(), d.agent, llm.User("Pay."))
	require.ErrorIs(t, err, runner.ErrPaused)
	require.ErrorContains(t, err, "outside a session")
}

// TestLateCancelled: a run that ends while the function returns Later, or fails, keeps the
// call; the next run waits for its result.
func TestLateCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	slow := tool.Must(tool.New("pay", "Pays.", func(context.Context, payArgs) (string, error) {
		cancel()
		return "", tool.Later("h")
	}))
	d := newBank(t, []llmtest.Step{payAnn, llmtest.Text("Fine.")}, slow)
	_, err := d.r.Session("s").Run(ctx, d.agent, runner.Say(llm.User("Pay.")))
	require.ErrorIs(t, err, context.Canceled)
	result, err := d.run(t)
	require.ErrorIs(t, err, runner.ErrPaused)
	require.True(t, result.Pending[0].Late)
	result, err = d.run(t, result.Pending[0].Result(text("booked")))
	require.NoError(t, err)
	require.Equal(t, []string{"booked"}, results(result.Messages))
}

// TestLateAfterTimeout: the effect is known, although the time of the call was over.
func TestLateAfterTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := tool.Must(tool.New("pay", "Pays.", func(ctx context.Context, _ payArgs) (string, error) {
			<-ctx.Done()
			return "", tool.Later("h")
		}))
		require.True(t, newBank(t, []llmtest.Step{payAnn}, slow).begin(t)[0].Late)
	})
}

func bodiesOf[B event.Body](events []event.Event) (all []B) {
	for _, e := range events {
		if b, ok := e.Body.(B); ok {
			all = append(all, b)
		}
	}
	return all
}
