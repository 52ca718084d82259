package runner_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
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
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// halfHandedOver returns the events of a session in which a result says that billing goes on,
// and nothing more is recorded.
func halfHandedOver(t *testing.T) []event.Event {
	t.Helper()
	var work []string
	triage, _ := team(llmtest.Script(t, llmtest.Calls(toBilling, nil)), llmtest.Script(t, llmtest.Text("Billed.")), &work)
	result, err := runner.Runner{}.Session("s").Run(t.Context(), triage, runner.Say(llm.User("Go.")))
	require.NoError(t, err)
	at := slices.IndexFunc(result.Events, func(e event.Event) bool { return e.Type() == "handed_off" })
	require.Positive(t, at)
	return result.Events[:at]
}

// TestHandOffAfterDeploy: the process dies between the result of a hand-off and the hand-off.
// The next process has other hand-offs. The agent that the result names goes on, or the run
// ends with an error before it records anything.
func TestHandOffAfterDeploy(t *testing.T) {
	t.Parallel()
	events := halfHandedOver(t)
	billing := func() *agent.Agent {
		return &agent.Agent{Name: "billing", Model: llmtest.NewScript(llmtest.Text("Billed.").Forever())}
	}
	other := func(name string, handoffs ...agent.Handoff) *agent.Agent {
		return &agent.Agent{Name: name, Model: llmtest.NewScript(llmtest.Text("I am " + name + ".")), Handoffs: handoffs}
	}
	for name, a := range map[string]*agent.Agent{
		"another name of the tool": other("triage", agent.Handoff{Agent: billing(), Name: "to_bills"}),
		"over another agent":       other("triage", agent.Handoff{Agent: other("desk", agent.Handoff{Agent: billing()})}),
		"the tool leads elsewhere": other("triage", agent.Handoff{Agent: other("bills"), Name: toBilling}, agent.Handoff{Agent: billing(), Name: "to_bills"}),
		"the agent itself":         billing(),
	} {
		for _, in := range [][]runner.Input{nil, {runner.Say(llm.User("And?"))}} {
			result, err := runner.Runner{Journal: journalOf(t, events)}.Session("s").Run(t.Context(), a, in...)
			require.NoError(t, err, name)
			require.Equal(t, []any{"billing", "Billed."}, []any{result.Agent, result.Text}, name)
		}
	}
	for name, a := range map[string]*agent.Agent{
		"no hand-off":      other("triage"),
		"another hand-off": other("triage", agent.Handoff{Agent: other("bills"), Name: toBilling}),
	} {
		j := journalOf(t, events)
		s := runner.Runner{Journal: j}.Session("s")
		for _, in := range [][]runner.Input{nil, {runner.Say(llm.User("And?"))}} {
			result, err := s.Run(t.Context(), a, in...)
			require.EqualError(t, err, `runner: the conversation was handed over to the agent "billing", which no hand-off of the agent "triage" reaches`, name)
			require.Empty(t, result.Events)
		}
		triage := other("triage", agent.Handoff{Agent: billing()})
		result, err := s.Run(t.Context(), triage)
		require.NoError(t, err, "nothing is lost")
		require.Equal(t, "Billed.", result.Text)
	}
}

// TestHelperHandedOverAfterDeploy: a helper's run was handed over and waits for approval. A
// process without the agent, or without the helper, refuses the decision and uses nothing up.
func TestHelperHandedOverAfterDeploy(t *testing.T) {
	t.Parallel()
	x := new(till)
	refund := x.refund(tool.NeedsApproval())
	build := func() *agent.Agent {
		payer := &agent.Agent{Name: "payer", Tools: []tool.Tool{refund}}
		payer.Model = llmtest.NewScript(llmtest.Calls("refund", refundArgs{"W1", 500}).When(llmtest.Turn(2)).Forever(), llmtest.Text("Finished.").Forever())
		a := withHelper(t, nil, nil)
		a.Model = llmtest.NewScript(delegate("Refund W1.").When(llmtest.Turn(1)).Forever(), llmtest.Text("Done.").Forever())
		a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Calls("transfer_to_payer", nil))
		a.Helpers[0].Agent.Handoffs = []agent.Handoff{{Agent: payer}}
		return a
	}
	j := new(journal.Memory)
	s := runner.Runner{Journal: j}.Session("s")
	result, err := s.Run(t.Context(), build(), runner.Say(llm.User("Refund W1.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	p := result.Pending[0]
	require.Equal(t, "payer", p.Agent)
	without := build()
	without.Helpers[0].Agent.Handoffs = nil
	gone := build()
	gone.Helpers = nil
	for _, in := range []runner.Input{p.Approve(), p.Deny("no"), p.Edit([]byte(`{"order":"W1","amount":5}`))} {
		for want, a := range map[string]*agent.Agent{
			`handed over to the agent "payer", which no hand-off of the agent "billing" reaches`: without,
			`the agent "desk" has no helper "ask_billing" any more`:                              gone,
		} {
			result, err := s.Run(t.Context(), a, in)
			require.ErrorAs(t, err, new(*runner.DecisionError))
			if !strings.Contains(err.Error(), "no such tool") { // an edit asks for the tool first
				require.ErrorContains(t, err, want)
			}
			require.Empty(t, result.Events)
			require.Equal(t, []runner.Pending{p}, result.Pending)
		}
	}
	_, err = s.Run(t.Context(), without)
	require.ErrorContains(t, err, `handed over to the agent "payer"`)
	require.Empty(t, x.all())
	result, err = s.Run(t.Context(), build(), p.Approve())
	require.NoError(t, err)
	require.Equal(t, "Done.", result.Text)
	require.Len(t, x.all(), 1)
}

// TestHelperHandedOverAnswers: the helper has an Output, and the agent to which it hands over
// has another one, or none. The result of the call has the form of the agent that answers.
func TestHelperHandedOverAnswers(t *testing.T) {
	t.Parallel()
	for want, output := range map[string]*agent.Output{"In words.": nil, `{"city":"Oslo","celsius":4}`: agent.OutputOf[reading]()} {
		a := withHelper(t, []llmtest.Step{delegate("Look."), llmtest.Text("Done.")}, []llmtest.Step{llmtest.Calls("transfer_to_poet", nil)})
		poet := &agent.Agent{Name: "poet", Model: llmtest.Script(t, llmtest.Text(want)), Output: output}
		a.Helpers[0].Agent.Output = agent.OutputOf[stepArgs]()
		a.Helpers[0].Agent.Handoffs = []agent.Handoff{{Agent: poet}}
		result, err := runner.Run(t.Context(), a, llm.User("Go."))
		require.NoError(t, err)
		got := result.Messages[2].Results()[0]
		require.False(t, got.IsError)
		require.Equal(t, want, got.Text())
	}
}

// TestHandOffFilterFailsOnce: a Filter that fails ends the run. The agent keeps the
// conversation, its model reads that, and later runs go on.
func TestHandOffFilterFailsOnce(t *testing.T) {
	t.Parallel()
	var work []string
	first := llmtest.Script(t, llmtest.Calls(toBilling, nil), llmtest.Calls(toBilling, nil), llmtest.Text("I stay."))
	triage, _ := team(first, llmtest.NewScript(llmtest.Text("Billed.")), &work)
	triage.Handoffs[0].Filter = func([]llm.Message) []llm.Message { panic("oh") }
	j := new(journal.Memory)
	s := runner.Runner{Journal: j}.Session("s")
	result, err := s.Run(t.Context(), triage, runner.Say(llm.User("Go.")))
	require.ErrorContains(t, err, "Filter panicked: oh")
	failed, _ := bodyOf(result.Events, "handed_off", 0).(event.HandedOff)
	require.Equal(t, []any{"triage", "billing", event.CallRef("r1.t1.c0")}, []any{failed.From, failed.To, failed.Call})
	require.Equal(t, []string{failed.Failure}, results(result.Messages))
	require.Contains(t, failed.Failure, `was not handed over to the agent "billing"`)
	require.True(t, result.Messages[2].Results()[0].IsError)

	_, err = s.Run(t.Context(), triage) // the model tries again
	require.ErrorContains(t, err, "Filter panicked: oh")
	result, err = s.Run(t.Context(), triage, runner.Say(llm.User("And?")))
	require.NoError(t, err)
	require.Equal(t, []any{"triage", "I stay."}, []any{result.Agent, result.Text})
	state, err := runner.Runner{Journal: j}.Session("s").State(t.Context())
	require.NoError(t, err)
	require.Equal(t, oneLine(result.Messages), oneLine(state.Messages))
}

// TestHandOffFilterCutShort: the run ends during a Filter. A later run asks the Filter again.
func TestHandOffFilterCutShort(t *testing.T) {
	t.Parallel()
	var work []string
	triage, _ := team(llmtest.Script(t, llmtest.Calls(toBilling, nil)), llmtest.Script(t, llmtest.Text("Billed.")), &work)
	ctx, cancel := context.WithCancel(t.Context())
	hang := make(chan struct{})
	defer close(hang)
	triage.Handoffs[0].Filter = func([]llm.Message) []llm.Message { cancel(); <-hang; return nil }
	s := runner.Runner{}.Session("s")
	_, err := s.Run(ctx, triage, runner.Say(llm.User("Go.")))
	require.ErrorIs(t, err, context.Canceled)
	triage.Handoffs[0].Filter = nil
	result, err := s.Run(t.Context(), triage)
	require.NoError(t, err)
	require.Equal(t, "Billed.", result.Text)
}

// TestHandOffLimitAfterAnswer: a message comes behind the final answer, and BeforeTurn wants
// to hand over once more than the limit allows. The run finishes with its answer.
func TestHandOffLimitAfterAnswer(t *testing.T) {
	t.Parallel()
	var work []string
	var s *runner.Session
	answer := llmtest.Reply(func(ctx context.Context, _ *llm.Request) (*llm.Response, error) {
		if err := s.Say(ctx, llm.User("Thanks.")); err != nil {
			return nil, err
		}
		return llmtest.Text("Billed.").Response()
	})
	triage, _ := team(llmtest.NewScript(llmtest.Text("I am triage.")), llmtest.Script(t, answer, llmtest.Text("You are welcome.")), &work)
	r := runner.Runner{Limits: runner.Limits{Handoffs: 1}, BeforeTurn: func(_ context.Context, info agent.Info) (runner.Change, error) {
		return runner.Change{Handoff: map[int]string{1: "billing", 2: "triage"}[info.Turn]}, nil
	}}
	s = r.Session("s")
	result, err := s.Run(t.Context(), triage, runner.Say(llm.User("Go.")))
	require.NoError(t, err)
	require.Equal(t, []any{"billing", "Billed."}, []any{result.Agent, result.Text})
	result, err = s.Run(t.Context(), triage) // the message waits for the next run
	require.NoError(t, err)
	require.Equal(t, "Thanks.", result.Messages[len(result.Messages)-2].Text())
}

// TestManyHandOffs: bounds above 32767 hold, too.
func TestManyHandOffs(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("one goroutine, many turns")
	}
	var work []string
	triage, _ := team(llmtest.NewScript(), llmtest.NewScript(), &work)
	n := 0
	r := runner.Runner{Limits: runner.Limits{Handoffs: math.MaxInt16 + 5}, BeforeTurn: func(_ context.Context, info agent.Info) (runner.Change, error) {
		n++
		return runner.Change{Handoff: map[string]string{"triage": "billing", "billing": "triage"}[info.Agent]}, nil
	}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := r.Run(ctx, triage, llm.User("Go."))
	require.ErrorAs(t, err, new(*runner.LimitError))
	require.Equal(t, math.MaxInt16+6, n)
}

// TestHandOffLog: after a hand-off the records have the name of the agent that goes on.
func TestHandOffLog(t *testing.T) {
	t.Parallel()
	var work []string
	var log bytes.Buffer
	triage, _ := team(llmtest.Script(t, llmtest.Calls(toBilling, nil)), llmtest.Script(t, llmtest.Text("Billed.")), &work)
	_, err := runner.Runner{Logger: slog.New(slog.NewTextHandler(&log, nil))}.Run(t.Context(), triage, llm.User("Go."))
	require.NoError(t, err)
	require.Regexp(t, `msg="run started" agent=triage`, log.String())
	require.Regexp(t, `msg="handed over" agent=triage`, log.String())
	require.Regexp(t, `msg="run finished" agent=billing`, log.String())
}

// TestHelperAnswerBeforeMessage: the process dies between the end of a helper's run and the
// result of its call. A message closes the call, and the model reads the helper's answer.
func TestHelperAnswerBeforeMessage(t *testing.T) {
	t.Parallel()
	for _, gone := range []bool{false, true} {
		a := withHelper(t, nil, nil)
		lines := []string{}
		var j *journal.Memory
		for left := 1; len(lines) == 0 || lines[len(lines)-1] != "r1.t1.c0 run_finished"; left++ {
			require.Less(t, left, 30)
			j = new(journal.Memory)
			a.Model = llmtest.NewScript(delegate("Look.").When(llmtest.Turn(1)), llmtest.Text("Done.").Forever())
			a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Text("It is paid."))
			result, err := runner.Runner{Journal: &mortal{Journal: j, left: left}}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Go.")))
			require.ErrorIs(t, err, errDied)
			lines = linesOf(result.Events)
		}
		if gone {
			a.Helpers = nil
		}
		result, err := runner.Runner{Journal: j}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Well?")))
		require.NoError(t, err)
		require.Equal(t, "Go. | | It is paid. | Well? | Done.", oneLine(result.Messages))
		require.False(t, result.Messages[2].Results()[0].IsError)
	}
}

// TestWorkBesideCheck: the time of a request that a check beside it discards, or cuts short,
// is work of the run.
func TestWorkBesideCheck(t *testing.T) {
	t.Parallel()
	for _, cut := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			check := agent.Check{Name: "guard", Beside: true, Input: func(context.Context, agent.Subject) (verdict, error) {
				time.Sleep(6 * time.Second) // synctest: exact in a bubble
				return verdict{Replace: "Hello."}, nil
			}}
			model := llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
				n++
				d := 4 * time.Second
				if cut {
					d = 10 * time.Second
				}
				select {
				case <-time.After(d):
				case <-ctx.Done():
					return nil, ctx.Err()
				}
				return llmtest.NewScript(llmtest.Calls("look", nil)).Generate(ctx, req, sink)
			})
			look := tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return "seen", nil }))
			a := &agent.Agent{Model: model, Tools: []tool.Tool{look}, Checks: []agent.Check{check}}
			limit := 8 * time.Second
			if cut {
				limit = 16 * time.Second
			}
			result, err := runner.Runner{Limits: runner.Limits{WorkTime: limit}}.Run(t.Context(), a, llm.User("Go."))
			require.ErrorAs(t, err, new(*runner.LimitError), fmt.Sprint(result.Text))
			require.Equal(t, 2, n)
			checked, _ := bodyOf(result.Events, "checked", 0).(event.Checked)
			require.Equal(t, map[bool]time.Duration{false: 4 * time.Second, true: 6 * time.Second}[cut], checked.Work)
		})
	}
}
