package runner_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// record appends to session "s" what a process did before it died.
func record(t *testing.T, j journal.Journal, bodies ...event.Body) {
	t.Helper()
	next := int64(len(eventsOf(t, j)))
	log, err := j.Open(t.Context(), "s")
	require.NoError(t, err)
	for _, b := range bodies {
		next++
		require.NoError(t, log.Append(t.Context(), true, event.Event{Seq: next, Body: b}))
	}
	require.NoError(t, log.Close())
}

// asks is a session that waits for the approval of one refund.
func asks(t *testing.T, store journal.Journal, x *till) (*agent.Agent, runner.Pending) {
	t.Helper()
	a := newAgent(x.refund(over100))
	model := llmtest.NewScript(llmtest.Calls("refund", refundArgs{"W2", 20_000}))
	result, err := runner.Runner{Model: model, Journal: store}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Refund.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Len(t, result.Pending, 1)
	return a, result.Pending[0]
}

const nobodyKnows = "It is not known whether the call took effect: it was started, and its end was never recorded. Check before you call it again."

// runAgain is what is recorded when a call in doubt is to run again.
var runAgain = event.InDoubtDecided{Call: "r1.t1.c0", Decision: event.RunAgain, By: "caller"}

// TestRunAgainIsStillInDoubt: a call that was to run runAgain, and did not come to
// it, may have had its effect at first. Nobody is told that it had none.
func TestRunAgainIsStillInDoubt(t *testing.T) {
	t.Parallel()
	a := newAgent(new(till).refund(tool.Idempotent()))
	open := func(j journal.Journal) *runner.Session {
		return runner.Runner{Model: llmtest.NewScript(llmtest.Text("Fine.")), Journal: j}.Session("s")
	}
	t.Run("the consumer leaves", func(t *testing.T) {
		t.Parallel()
		j, _ := crashedRefund(t)
		for e := range open(j).Stream(t.Context(), a) {
			if e.Type() == "tool_call_started" {
				break
			}
		}
		messages, err := open(j).Messages(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{nobodyKnows}, results(messages))
		result, err := open(j).Run(t.Context(), a)
		require.NoError(t, err)
		require.Equal(t, []string{"paid 500"}, results(result.Messages))
	})
	t.Run("a message comes", func(t *testing.T) {
		t.Parallel()
		j, _ := crashedRefund(t)
		record(t, j, runAgain)
		result, err := open(j).Run(t.Context(), a, runner.Say(llm.User("Well?")))
		require.NoError(t, err)
		require.Equal(t, []string{nobodyKnows}, results(result.Messages))
	})
	t.Run("the tool is gone", func(t *testing.T) {
		t.Parallel()
		j, _ := crashedRefund(t)
		record(t, j, runAgain)
		result, err := open(j).Run(t.Context(), newAgent())
		require.NoError(t, err)
		require.Equal(t, []string{nobodyKnows}, results(result.Messages))
	})
	t.Run("it is denied", func(t *testing.T) {
		t.Parallel()
		j, _ := crashedRefund(t)
		args := `{"order":"W1","cents":500}`
		record(t, j, runAgain, event.ApprovalAsked{Call: runAgain.Call, Name: "refund", Arguments: args, Hash: event.HashArguments(args)})
		result, err := open(j).Run(t.Context(), a)
		require.ErrorIs(t, err, runner.ErrPaused)
		result, err = open(j).Run(t.Context(), a, result.Pending[0].Deny("too late"))
		require.NoError(t, err)
		require.Equal(t, []string{nobodyKnows + " It was not run again: too late"}, results(result.Messages))
	})
}

// TestLateDecisions answer a question that was put before.
func TestLateDecisions(t *testing.T) {
	t.Parallel()
	j, _ := crashedRefund(t)
	x := new(till)
	s := runner.Runner{Model: llmtest.NewScript(), Journal: j}.Session("s")
	a := newAgent(x.refund())
	result, err := s.Run(t.Context(), a)
	require.ErrorIs(t, err, runner.ErrPaused)
	p := result.Pending[0]
	ctx, cancel := context.WithCancel(t.Context())
	dying := newAgent(tool.Must(tool.New("refund", "Pays back.", func(ctx context.Context, _ refundArgs) (string, error) {
		cancel()
		<-ctx.Done()
		return "", ctx.Err()
	})))
	_, err = s.Run(ctx, dying, p.RunAgain())
	require.ErrorIs(t, err, context.Canceled)
	for i, in := range []runner.Input{p.RunAgain(), p.NotHappened(), p.Happened(), p.Unknown()} {
		_, err = s.Run(t.Context(), a, in)
		second(t, err, "the decision is about an earlier question", "run_again", i == 0)
	}
	require.Empty(t, x.all())
}

// TestLateApproval: what was approved is not the call of a tool that took the
// place of the one that asked.
func TestLateApproval(t *testing.T) {
	t.Parallel()
	j, x := new(journal.Memory), new(till)
	_, p := asks(t, j, x)
	other := newAgent(tool.Must(tool.New("refund", "Pays back, or takes.", func(context.Context, refundArgs) (string, error) {
		t.Error("it must not run")
		return "", nil
	})))
	s := runner.Runner{Model: llmtest.NewScript(), Journal: j}.Session("s")
	_, err := s.Run(t.Context(), other, p.Approve())
	require.ErrorIs(t, err, runner.ErrPaused)
	_, err = s.Run(t.Context(), other, p.Approve())
	second(t, err, "the decision is about an earlier question", "approved", true)
}

// second checks the error of a decision that came second.
func second(t *testing.T, err error, reason, first string, known bool) {
	t.Helper()
	var unfit *runner.DecisionError
	require.ErrorAs(t, err, &unfit)
	require.Equal(t, reason, unfit.Reason)
	require.NotNil(t, unfit.Decided)
	require.Equal(t, first, unfit.Decided.What)
	require.Equal(t, unfit.Call, unfit.Decided.Call)
	require.Equal(t, known, unfit.Known)
	was := "somebody was first"
	if known {
		was = "this decision was recorded before"
	}
	require.EqualError(t, err, "runner: decision about call "+string(unfit.Call)+": "+reason+"; "+was+": "+unfit.Decided.String())
}

// TestDecisionOfAnotherSession: calls of different sessions have the same names,
// and often the same arguments.
func TestDecisionOfAnotherSession(t *testing.T) {
	t.Parallel()
	first, second, x := new(journal.Memory), new(journal.Memory), new(till)
	_, p := asks(t, first, x)
	a, _ := asks(t, second, x)
	_, err := runner.Runner{Model: llmtest.NewScript(), Journal: second}.Session("s").Run(t.Context(), a, p.Approve())
	require.EqualError(t, err, "runner: decision about call r1.t1.c0: the decision is about a call of another session")
	require.Empty(t, x.all())
}

// TestDecisionAfterTheEnd is a DecisionError like every other that does not fit.
func TestDecisionAfterTheEnd(t *testing.T) {
	t.Parallel()
	s, result, a := paused(t, new(till), llmtest.Text("Fine."))
	in := result.Pending[0].Approve()
	_, err := s.Run(t.Context(), a, in)
	require.NoError(t, err)
	_, err = s.Run(t.Context(), a, in)
	second(t, err, "the call waits no longer: it has ended, its time was over, or a message closed it", "approved", true)
}

// TestPauseStays: a run that is paused waits, however the process that looks at it
// ends.
func TestPauseStays(t *testing.T) {
	t.Parallel()
	stays := func(t *testing.T, j journal.Journal) {
		t.Helper()
		pending, err := runner.Runner{Journal: j}.Session("s").Pending(t.Context())
		require.NoError(t, err)
		require.Len(t, pending, 1)
		events := eventsOf(t, j)
		require.Equal(t, "run_paused", events[len(events)-1].Type())
	}
	t.Run("the consumer leaves", func(t *testing.T) {
		t.Parallel()
		j := new(journal.Memory)
		r := runner.Runner{Model: llmtest.NewScript(llmtest.Calls("refund", refundArgs{"W2", 20_000})), Journal: j}
		for e := range r.Session("s").Stream(t.Context(), newAgent(new(till).refund(over100)), runner.Say(llm.User("Refund."))) {
			if e.Type() == "run_paused" {
				break
			}
		}
		stays(t, j)
	})
	t.Run("Decide fails", func(t *testing.T) {
		t.Parallel()
		j := new(journal.Memory)
		a, _ := asks(t, j, new(till))
		r := runner.Runner{Model: llmtest.NewScript(), Journal: j}
		r.Decide = func(context.Context, runner.Pending) (runner.Input, error) { return nil, errPlanted }
		_, err := r.Session("s").Run(t.Context(), a)
		require.ErrorIs(t, err, errPlanted)
		stays(t, j)
	})
	t.Run("the journal refuses the decision", func(t *testing.T) {
		t.Parallel()
		j := new(recorded)
		a, p := asks(t, j, new(till))
		n := len(j.appends)
		j.before = func(i int) (error, bool) {
			if i == n {
				return errPlanted, false
			}
			return nil, false
		}
		_, err := runner.Runner{Model: llmtest.NewScript(), Journal: j}.Session("s").Run(t.Context(), a, p.Approve())
		require.ErrorIs(t, err, errPlanted)
		stays(t, &j.Memory)
	})
}

// TestApprovalOutlivesTheJournal's refusal of the start: the call stays approved.
func TestApprovalOutlivesTheJournal(t *testing.T) {
	t.Parallel()
	j, x := new(recorded), new(till)
	a, p := asks(t, j, x)
	n := len(j.appends)
	j.before = func(i int) (error, bool) {
		if i == n+1 {
			return errPlanted, false
		}
		return nil, false
	}
	s := runner.Runner{Model: llmtest.NewScript(llmtest.Text("Fine.")), Journal: j}.Session("s")
	_, err := s.Run(t.Context(), a, p.Approve())
	require.ErrorIs(t, err, errPlanted)
	require.Empty(t, x.all())
	result, err := s.Run(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, []string{"paid 20000"}, results(result.Messages))
}

// TestDecideAnswersOtherwise: an input that is no answer to the question ends the run.
func TestDecideAnswersOtherwise(t *testing.T) {
	t.Parallel()
	for want, answer := range map[string]func(runner.Pending) runner.Input{
		"Decide returned a result from outside: a call in doubt needs Happened": func(p runner.Pending) runner.Input { return p.Result(llm.Text{Text: "paid"}) },
		"Decide must return an answer that a method of the Pending made":        func(runner.Pending) runner.Input { return runner.Say(llm.User("Yes.")) },
	} {
		x := new(till)
		r := runner.Runner{Model: llmtest.Script(t, llmtest.Calls("refund", refundArgs{"W2", 20_000})), Decide: func(_ context.Context, p runner.Pending) (runner.Input, error) { return answer(p), nil }}
		_, err := r.Run(t.Context(), newAgent(x.refund(over100)), llm.User("Refund W2."))
		requireRefused(t, err, want)
		require.Empty(t, x.all())
	}
}

// TestDecideAboutAnother: Decide answers what it is asked.
func TestDecideAboutAnother(t *testing.T) {
	t.Parallel()
	x := new(till)
	var first runner.Pending
	script := llmtest.NewScript(llmtest.Calls("refund", refundArgs{"W2", 20_000}).And(llmtest.Calls("refund", refundArgs{"W3", 20_000})))
	r := runner.Runner{Model: script, Decide: func(_ context.Context, p runner.Pending) (runner.Input, error) {
		if first.Call == "" {
			first = p
			return nil, nil
		}
		return first.Approve(), nil
	}}
	_, err := r.Run(t.Context(), newAgent(x.refund(over100)), llm.User("Refund both."))
	require.EqualError(t, err, "runner: decision about call r1.t1.c0: Decide was asked about call r1.t1.c1")
	require.Empty(t, x.all())
}

// TestHappenedWithNoResult: parts that cannot be sent or stored are not a result.
func TestHappenedWithNoResult(t *testing.T) {
	t.Parallel()
	j, _ := crashedRefund(t)
	a := newAgent(new(till).refund())
	s := runner.Runner{Model: llmtest.NewScript(), Journal: j}.Session("s")
	result, err := s.Run(t.Context(), a)
	require.ErrorIs(t, err, runner.ErrPaused)
	for _, tt := range []struct {
		part llm.Part
		want string
	}{
		{nil, "a part of the result is a <nil>"},
		{&llm.Text{Text: "paid"}, "a part of the result is a *llm.Text"},
		{llm.ToolCall{Name: "refund"}, "a part of the result is a llm.ToolCall"},
		{llm.Text{}, "a text of the result is empty or no UTF-8"},
		{llm.Text{Text: "a\xffb"}, "a text of the result is empty or no UTF-8"},
	} {
		_, err := s.Run(t.Context(), a, result.Pending[0].Happened(tt.part))
		require.Equal(t, &runner.DecisionError{Call: "r1.t1.c0", Reason: tt.want}, err)
	}
}

// TestEditInDoubt: the model is told of what ran, also by a process that comes
// after the one that ran it.
func TestEditInDoubt(t *testing.T) {
	t.Parallel()
	const note = "[A person changed the arguments before the call ran: {\"order\":\"W2\",\"cents\":9000}]\n"
	for _, tt := range []struct {
		name   string
		answer func(runner.Pending) runner.Input
		want   string
	}{
		{"happened", func(p runner.Pending) runner.Input { return p.Happened(llm.Text{Text: "paid"}) }, note + "paid"},
		{"unknown", runner.Pending.Unknown, note + nobodyKnows},
		{"a message", func(runner.Pending) runner.Input { return runner.Say(llm.User("Well?")) }, note + nobodyKnows},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := new(journal.Memory)
			a, p := asks(t, j, new(till))
			edited := `{"order":"W2","cents":9000}`
			record(t, j, event.ApprovalDecided{Call: p.Call, Hash: p.Hash, Approved: true, Arguments: edited},
				event.ToolCallStarted{Call: p.Call, Name: "refund", Arguments: edited})
			s := runner.Runner{Model: llmtest.NewScript(llmtest.Text("Fine.")), Journal: j}.Session("s")
			result, err := s.Run(t.Context(), a)
			require.ErrorIs(t, err, runner.ErrPaused)
			result, err = s.Run(t.Context(), a, tt.answer(result.Pending[0]))
			require.NoError(t, err)
			require.Equal(t, []string{tt.want}, results(result.Messages))
		})
	}
}

// TestDenyWithRedactThatPanics loses the reason, not the program.
func TestDenyWithRedactThatPanics(t *testing.T) {
	t.Parallel()
	j := new(journal.Memory)
	a, p := asks(t, j, new(till))
	r := runner.Runner{Model: llmtest.NewScript(llmtest.Text("Fine.")), Journal: j, Redact: func(string) string { panic("planted") }}
	result, err := r.Session("s").Run(t.Context(), a, p.Deny("no"))
	require.NoError(t, err)
	require.Equal(t, []string{"[withheld: it could not be redacted]"}, results(result.Messages))
}

// TestPausedThroughJSON: a session that waits in a store of the caller's own.
func TestPausedThroughJSON(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"{\"order\":\"a\xffb\",\"cents\":20000}", `{"order":"<>&\u2028\u0000","cents":2e4}`} {
		j, x := new(journal.Memory), new(till)
		a := newAgent(x.refund(over100))
		model := llmtest.NewScript(llmtest.Calls("refund", args), llmtest.Text("Fine."))
		result, err := runner.Runner{Model: model, Journal: j}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Refund.")))
		require.ErrorIs(t, err, runner.ErrPaused)
		data, err := json.Marshal(j)
		require.NoError(t, err)
		back := new(journal.Memory)
		require.NoError(t, json.Unmarshal(data, back))
		_, err = runner.Runner{Model: model, Journal: back}.Session("s").Run(t.Context(), a, result.Pending[0].Approve())
		require.NoError(t, err, "%q", args)
		require.Len(t, x.all(), 1)
	}
}

// TestLoggedResume: a run that goes on is logged under its own number.
func TestLoggedResume(t *testing.T) {
	t.Parallel()
	j := new(journal.Memory)
	a, p := asks(t, j, new(till))
	var out strings.Builder
	r := runner.Runner{Model: llmtest.NewScript(llmtest.Text("Fine.")), Journal: j, Logger: textLogger(&out)}
	_, err := r.Session("s").Run(t.Context(), a, p.Approve())
	require.NoError(t, err)
	require.Contains(t, out.String(), "run=1 ")
	require.NotContains(t, out.String(), "run=2 ")
}
