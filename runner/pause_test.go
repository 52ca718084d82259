package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
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

type refundArgs struct {
	Order string `json:"order"`
	Cents int    `json:"cents"`
}

// A till counts what was paid out, by idempotency key.
type till struct {
	mu   sync.Mutex
	paid map[string][]refundArgs
}

func (x *till) refund(opts ...tool.Option) tool.Tool {
	return tool.Must(tool.New("refund", "Pays back.", func(ctx context.Context, in refundArgs) (string, error) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.paid == nil {
			x.paid = map[string][]refundArgs{}
		}
		key := tool.CallFrom(ctx).Key
		x.paid[key] = append(x.paid[key], in)
		return fmt.Sprintf("paid %d", in.Cents), nil
	}, opts...))
}

func (x *till) all() (all []refundArgs) {
	for _, p := range x.paid {
		all = append(all, p...)
	}
	return all
}

var over100 = tool.NeedsApprovalIf(func(_ context.Context, in refundArgs) (bool, error) { return in.Cents > 10_000, nil })

// paused runs a session until it waits: a small refund is paid, a large one asked
// about.
func paused(t *testing.T, x *till, after llmtest.Step) (*runner.Session, *runner.Result, *agent.Agent) {
	t.Helper()
	a := newAgent(x.refund(over100))
	script := llmtest.Script(t,
		llmtest.Calls("refund", refundArgs{"W1", 500}).And(llmtest.Calls("refund", refundArgs{"W2", 20_000})), after)
	s := runner.Runner{Model: script, Journal: new(journal.Memory)}.Session("desk")
	result, err := s.Run(t.Context(), a, runner.Say(llm.User("Refund both.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Equal(t, []refundArgs{{"W1", 500}}, x.all(), "what needs no approval has run")
	require.Len(t, result.Pending, 1)
	return s, result, a
}

func TestApprove(t *testing.T) {
	t.Parallel()
	x := new(till)
	s, result, a := paused(t, x, llmtest.Text("Both are paid."))
	p := result.Pending[0]
	require.Equal(t, event.CallRef("r1.t1.c1"), p.Call)
	require.Equal(t, `{"order":"W2","cents":20000}`, p.ToolCall.Arguments)
	require.False(t, p.InDoubt)

	again, err := s.Run(t.Context(), a)
	require.ErrorIs(t, err, runner.ErrPaused, "no decision, no change")
	require.Equal(t, result.Pending, again.Pending)
	listed, err := s.Pending(t.Context())
	require.NoError(t, err)
	require.Equal(t, result.Pending, listed)

	data, err := json.Marshal(p) // another process decides
	require.NoError(t, err)
	var back runner.Pending
	require.NoError(t, json.Unmarshal(data, &back))
	result, err = s.Run(t.Context(), a, back.Approve())
	require.NoError(t, err)
	require.Equal(t, "Both are paid.", result.Text)
	require.Equal(t, 1, result.Run, "the same run goes on")
	require.Equal(t, []string{"paid 500", "paid 20000"}, results(result.Messages))
	require.Len(t, x.paid[p.Key], 1, "under the key that was shown")
	require.Empty(t, result.Pending)
}

func TestDeny(t *testing.T) {
	t.Parallel()
	x := new(till)
	s, result, a := paused(t, x, llmtest.Text("W2 was refused."))
	result, err := s.Run(t.Context(), a, result.Pending[0].Deny("the order is too old"))
	require.NoError(t, err)
	require.Equal(t, "The call was denied: the order is too old. It did not run. Do not repeat it: go on without it, or ask the user.", results(result.Messages)[1])
	require.Len(t, x.all(), 1)
}

func TestEdit(t *testing.T) {
	t.Parallel()
	x := new(till)
	s, result, a := paused(t, x, llmtest.Text("W2 was paid in part."))
	_, err := s.Run(t.Context(), a, result.Pending[0].Edit(json.RawMessage(`{"order":"W2"}`)))
	wrong, ok := errors.AsType[*runner.DecisionError](err)
	require.True(t, ok, "%v", err)
	require.Contains(t, wrong.Reason, `required property "cents" is missing`)
	for _, none := range []string{"", " ", "null", "[]"} {
		_, err = s.Run(t.Context(), a, result.Pending[0].Edit(json.RawMessage(none)))
		require.Equal(t, &runner.DecisionError{Call: "r1.t1.c1", Reason: "the arguments are not a JSON object"}, err, none)
	}
	result, err = s.Run(t.Context(), a, result.Pending[0].Edit(json.RawMessage(`{"order":"W2", "cents":"9000"}`)))
	require.NoError(t, err)
	require.Contains(t, x.all(), refundArgs{"W2", 9000})
	require.Equal(t, "[A person changed the arguments before the call ran: {\"order\":\"W2\",\"cents\":9000}]\npaid 9000", results(result.Messages)[1])
}

// TestWrongDecisions record nothing.
func TestWrongDecisions(t *testing.T) {
	t.Parallel()
	x := new(till)
	s, result, a := paused(t, x, llmtest.Text("Fine."))
	p := result.Pending[0]
	other, absent, done := p, p, p
	other.Hash = event.HashArguments(`{"order":"W2","cents":1}`)
	absent.Call = "r1.t1.c7"
	done.Call = "r1.t1.c0"
	for _, tt := range []struct {
		name string
		in   []runner.Input
		want string
	}{
		{"other arguments", []runner.Input{other.Approve()}, "runner: decision about call r1.t1.c1: the call has other arguments than the decision is about"},
		{"no such call", []runner.Input{absent.Approve()}, "runner: decision about call r1.t1.c7: the call waits no longer: it has ended, its time was over, or a message closed it"},
		{"finished", []runner.Input{done.Approve()}, "runner: decision about call r1.t1.c0: the call waits no longer: it has ended, its time was over, or a message closed it"},
		{"twice", []runner.Input{p.Approve(), p.Deny("")}, "runner: decision about call r1.t1.c1: there are two"},
		{"not in doubt", []runner.Input{p.RunAgain()}, "runner: decision about call r1.t1.c1: the call is not in doubt"},
	} {
		result, err := s.Run(t.Context(), a, tt.in...)
		require.EqualError(t, err, tt.want, tt.name)
		require.Len(t, result.Pending, 1, tt.name)
	}
	require.Len(t, x.all(), 1)
	_, err := s.Run(t.Context(), a, p.Approve())
	require.NoError(t, err)
}

// TestNewMessageWhilePaused closes what was asked about.
func TestNewMessageWhilePaused(t *testing.T) {
	t.Parallel()
	x := new(till)
	s, _, a := paused(t, x, llmtest.Text("Never mind, then."))
	result, err := s.Run(t.Context(), a, runner.Say(llm.User("Leave it.")))
	require.NoError(t, err)
	require.Equal(t, 2, result.Run)
	require.Equal(t, "The call did not run: nobody approved it before the conversation went on. It had no effect: call again if it is still needed.", results(result.Messages)[1])
	require.Len(t, x.all(), 1)
}

// TestChangedTool: what was approved is what runs, or it is asked about again.
func TestChangedTool(t *testing.T) {
	t.Parallel()
	x := new(till)
	s, result, _ := paused(t, x, llmtest.Text("Fine."))
	strict := newAgent(tool.Must(tool.New("refund", "Pays back.", func(context.Context, struct {
		Order string `json:"order"`
	}) (string, error) {
		t.Error("it must not run")
		return "", nil
	})))
	result, err := s.Run(t.Context(), strict, result.Pending[0].Approve())
	require.NoError(t, err)
	require.Contains(t, results(result.Messages)[1], `unknown property "cents"`)
}

// TestDecide: a function in the program decides, and the run does not pause.
func TestDecide(t *testing.T) {
	t.Parallel()
	x := new(till)
	script := llmtest.Script(t, llmtest.Calls("refund", refundArgs{"W2", 20_000}).And(llmtest.Calls("refund", refundArgs{"W3", 30_000})), llmtest.Text("Fine."))
	var asked []event.CallRef
	r := runner.Runner{Model: script, Decide: func(_ context.Context, p runner.Pending) (runner.Input, error) {
		asked = append(asked, p.Call)
		if p.Call == "r1.t1.c0" {
			return p.Approve(), nil
		}
		return p.Deny("no"), nil
	}}
	result, err := r.Run(t.Context(), newAgent(x.refund(over100)), llm.User("Refund both."))
	require.NoError(t, err)
	require.Equal(t, "Fine.", result.Text)
	require.Equal(t, []event.CallRef{"r1.t1.c0", "r1.t1.c1"}, asked)
	require.Equal(t, []refundArgs{{"W2", 20_000}}, x.all())
}

// crashedRefund returns a journal in which a refund was started and its process died.
func crashedRefund(t *testing.T, opts ...tool.Option) (j *journal.Memory, key string) {
	t.Helper()
	whole := new(journal.Memory)
	script := llmtest.NewScript(llmtest.Calls("refund", refundArgs{"W1", 500}), llmtest.Text("Fine."))
	_, err := runner.Runner{Model: script, Journal: whole}.Session("s").Run(t.Context(), newAgent(new(till).refund(opts...)), runner.Say(llm.User("Refund.")))
	require.NoError(t, err)
	j = new(journal.Memory)
	log, err := j.Open(t.Context(), "s")
	require.NoError(t, err)
	for _, e := range eventsOf(t, whole) {
		if _, finished := e.Body.(event.ToolCallFinished); finished {
			break
		}
		require.NoError(t, log.Append(t.Context(), true, e))
	}
	require.NoError(t, log.Close())
	return j, key
}

func TestInDoubt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		decide func(runner.Pending) runner.Input
		want   string
		runs   int
	}{
		{"happened", func(p runner.Pending) runner.Input { return p.Happened(llm.Text{Text: "paid 500, says the bank"}) }, "paid 500, says the bank", 0},
		{"happened without a result", func(p runner.Pending) runner.Input { return p.Happened() }, "The call took effect. Its result was not recorded.", 0},
		{"not happened", runner.Pending.NotHappened, "The call did not run: it was interrupted before it took effect. It had no effect: call again if it is still needed.", 0},
		{"run again", runner.Pending.RunAgain, "paid 500", 1},
		{"unknown", runner.Pending.Unknown, "It is not known whether the call took effect: it was started, and its end was never recorded. Check before you call it again.", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j, _ := crashedRefund(t)
			x := new(till)
			s := runner.Runner{Model: llmtest.Script(t, llmtest.Text("Fine.")), Journal: j}.Session("s")
			result, err := s.Run(t.Context(), newAgent(x.refund()))
			require.ErrorIs(t, err, runner.ErrPaused)
			require.Empty(t, x.all(), "never without a decision")
			require.True(t, result.Pending[0].InDoubt)
			_, err = s.Run(t.Context(), newAgent(x.refund()), result.Pending[0].Approve())
			require.Error(t, err, "it does not wait for approval")
			result, err = s.Run(t.Context(), newAgent(x.refund()), tt.decide(result.Pending[0]))
			require.NoError(t, err)
			require.Equal(t, []string{tt.want}, results(result.Messages))
			require.Len(t, x.all(), tt.runs)
		})
	}
}

func TestResumeWithoutDecision(t *testing.T) {
	t.Parallel()
	type asked struct {
		key, args string
	}
	var calls []asked
	bank := func(out string, happened bool, err error) tool.Option {
		return tool.Reconcile(func(_ context.Context, c tool.Call, args json.RawMessage) (string, bool, error) {
			calls = append(calls, asked{c.Key, string(args)})
			return out, happened, err
		})
	}
	for _, tt := range []struct {
		name  string
		opts  []tool.Option
		want  string
		runs  int
		pause bool
	}{
		{"idempotent", []tool.Option{tool.Idempotent()}, "paid 500", 1, false},
		{"the bank knows", []tool.Option{bank("paid 500, says the bank", true, nil)}, "paid 500, says the bank", 0, false},
		{"the bank knows better than to repeat", []tool.Option{tool.Idempotent(), bank("paid 500, says the bank", true, nil)}, "paid 500, says the bank", 0, false},
		{"the bank knows nothing of it", []tool.Option{bank("", false, nil)}, "paid 500", 1, false},
		{"the bank does not answer", []tool.Option{bank("", false, errPlanted)}, "", 0, true},
		{"the bank does not answer, and it may be repeated", []tool.Option{tool.Idempotent(), bank("", false, errPlanted)}, "paid 500", 1, false},
	} {
		j, _ := crashedRefund(t)
		x := new(till)
		steps := []llmtest.Step{llmtest.Text("Fine.")}
		if tt.pause {
			steps = nil
		}
		s := runner.Runner{Model: llmtest.Script(t, steps...), Journal: j}.Session("s")
		result, err := s.Run(t.Context(), newAgent(x.refund(tt.opts...)))
		if tt.pause {
			require.ErrorIs(t, err, runner.ErrPaused, tt.name)
			continue
		}
		require.NoError(t, err, tt.name)
		require.Equal(t, []string{tt.want}, results(result.Messages), tt.name)
		require.Len(t, x.all(), tt.runs, tt.name)
		for key := range x.paid {
			for _, c := range calls {
				require.Equal(t, asked{key, `{"order":"W1","cents":500}`}, asked{key, c.args})
			}
		}
	}
}

// TestCancelledCallIsInDoubt: a run that was cancelled while a tool ran, and that
// the next one goes on with.
func TestCancelledCallIsInDoubt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var keys []string
	pay := tool.Must(tool.New("pay", "Pays.", func(ctx context.Context, _ struct{}) (string, error) {
		keys = append(keys, tool.CallFrom(ctx).Key)
		if len(keys) == 1 {
			cancel()
			<-ctx.Done()
			return "", ctx.Err()
		}
		return "paid", nil
	}))
	s := with(llmtest.Script(t, llmtest.Calls("pay", nil), llmtest.Text("Fine."))).Session("s")
	_, err := s.Run(ctx, newAgent(pay), runner.Say(llm.User("Pay.")))
	require.ErrorIs(t, err, context.Canceled)
	result, err := s.Run(t.Context(), newAgent(pay))
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Equal(t, 2, result.Run)
	require.Equal(t, keys[0], result.Pending[0].Key)
	result, err = s.Run(t.Context(), newAgent(pay), result.Pending[0].RunAgain())
	require.NoError(t, err)
	require.Equal(t, "Fine.", result.Text)
	require.Equal(t, []string{keys[0], keys[0]}, keys, "the same key, in another run")
}

// TestAskedAgain: an approved call whose tool is another one by now.
func TestAskedAgain(t *testing.T) {
	t.Parallel()
	x := new(till)
	s, result, _ := paused(t, x, llmtest.Text("Fine."))
	renamed := newAgent(tool.Must(tool.New("refund", "Pays back, or takes.", func(_ context.Context, in refundArgs) (string, error) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.paid["other"] = append(x.paid["other"], in)
		return "paid elsewhere", nil
	})))
	result, err := s.Run(t.Context(), renamed, result.Pending[0].Approve())
	require.ErrorIs(t, err, runner.ErrPaused, "what was approved is another tool's call")
	require.Len(t, x.all(), 1)
	result, err = s.Run(t.Context(), renamed, result.Pending[0].Approve())
	require.NoError(t, err)
	require.Equal(t, []string{"paid 500", "paid elsewhere"}, results(result.Messages))
}

// TestRepairsOfApprovedCalls stand with the call that runs.
func TestRepairsOfApprovedCalls(t *testing.T) {
	t.Parallel()
	x := new(till)
	a := newAgent(x.refund(tool.NeedsApproval()))
	script := llmtest.Script(t, llmtest.Calls("refund", `{"order":"W1","cents":"5"}`).And(llmtest.Calls("refund", `{"order":"W2","cents":5}`)), llmtest.Text("Fine."))
	s := with(script).Session("s")
	result, err := s.Run(t.Context(), a, runner.Say(llm.User("Hi.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	result, err = s.Run(t.Context(), a, result.Pending[0].Approve(), result.Pending[1].Edit(json.RawMessage(`{"order":"W2","cents":"7"}`)))
	require.NoError(t, err)
	want := []string{"/cents: a string became the number in its text"}
	for _, e := range result.Events {
		if b, ok := e.Body.(event.ToolCallStarted); ok {
			require.Equal(t, want, b.Repairs, b.Call)
		}
	}
}

// TestApprovalThatHangs: a policy that does not answer asks, in the time of one
// call however many calls it is asked about.
func TestApprovalThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		defer close(stuck)
		hang := tool.NeedsApprovalIf(func(context.Context, refundArgs) (bool, error) { <-stuck; return false, nil })
		script := llmtest.Script(t, llmtest.Calls("refund", refundArgs{"W1", 5}).And(llmtest.Calls("refund", refundArgs{"W2", 5})))
		start := time.Now()
		result, err := with(script).Session("s").Run(t.Context(), newAgent(new(till).refund(hang)), runner.Say(llm.User("Hi.")))
		require.ErrorIs(t, err, runner.ErrPaused)
		require.Len(t, result.Pending, 2)
		require.Equal(t, 2*time.Minute, time.Since(start))
	})
}

// TestDecisionsForNothing: a double click, a misspelt session, a Pending that is
// none; and a pause that nobody can answer.
func TestDecisionsForNothing(t *testing.T) {
	t.Parallel()
	x := new(till)
	s, result, a := paused(t, x, llmtest.Text("Fine."))
	p := result.Pending[0]
	_, err := s.Run(t.Context(), a, p.Approve())
	require.NoError(t, err)
	_, err = s.Run(t.Context(), a, p.Approve())
	second(t, err, "the call waits no longer: it has ended, its time was over, or a message closed it", "approved", true)
	r := runner.Runner{Model: llmtest.Script(t), Journal: new(journal.Memory)}
	for _, tt := range []struct {
		session *runner.Session
		in      runner.Input
		want    string
	}{
		{r.Session("dsek"), p.Approve(), `runner: decision about call r1.t1.c1: the session "dsek" has no events`},
		{s, runner.Pending{}.Approve(), "runner: answer: it names no call: a Pending with a Key alone fits Result and Fail"},
	} {
		_, err := tt.session.Run(t.Context(), a, tt.in)
		require.EqualError(t, err, tt.want)
		_, ok := errors.AsType[*runner.DecisionError](err)
		require.True(t, ok)
	}
	require.Len(t, x.all(), 2)

	script := llmtest.Script(t, llmtest.Calls("refund", refundArgs{"W2", 20_000}))
	_, err = with(script).Run(t.Context(), a, llm.User("Refund."))
	require.ErrorIs(t, err, runner.ErrPaused)
	require.EqualError(t, err, "runner: the run is paused: tool calls wait for a decision or a result; outside a session nobody can answer them: use a Session, or Runner.Decide for decisions")
}
