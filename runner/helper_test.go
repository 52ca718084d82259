package runner_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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

// withHelper returns an agent that has one helper, "billing". Each of both has its script.
func withHelper(t *testing.T, desk, billing []llmtest.Step, tools ...tool.Tool) *agent.Agent {
	t.Helper()
	return &agent.Agent{
		Name: "desk", Model: llmtest.Script(t, desk...),
		Helpers: []agent.Helper{{
			Name: "ask_billing", Description: "Asks billing.",
			Agent: &agent.Agent{Name: "billing", Model: llmtest.Script(t, billing...), Tools: tools},
		}},
	}
}

func delegate(task string) llmtest.Step {
	return llmtest.Calls("ask_billing", map[string]string{"task": task})
}

// lines returns the events as text: the type, and the path where there is one.
func linesOf(events []event.Event) (lines []string) {
	for _, e := range events {
		line := e.Type()
		if e.Path != "" {
			line = string(e.Path) + " " + line
		}
		lines = append(lines, line)
	}
	return lines
}

func TestHelper(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"memory", "session", "stream"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			x := new(till)
			a := withHelper(t,
				[]llmtest.Step{delegate("Refund W1.").Usage(llm.Usage{InputTokens: 10, OutputTokens: 1}), llmtest.Text("It is paid back.").Usage(llm.Usage{InputTokens: 20, OutputTokens: 2})},
				[]llmtest.Step{llmtest.Calls("refund", refundArgs{"W1", 500}).Usage(llm.Usage{InputTokens: 100, OutputTokens: 10}), llmtest.Text("Paid 5.00.").Usage(llm.Usage{InputTokens: 200, OutputTokens: 20})},
				x.refund())
			var events []event.Event
			switch where {
			case "memory", "session":
				run := func() (*runner.Result, error) { return runner.Run(t.Context(), a, llm.User("Refund W1.")) }
				if where == "session" {
					run = func() (*runner.Result, error) {
						return runner.Runner{Journal: new(journal.Memory)}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Refund W1.")))
					}
				}
				result, err := run()
				require.NoError(t, err)
				require.Equal(t, "It is paid back.", result.Text)
				require.Equal(t, llm.Usage{InputTokens: 330, OutputTokens: 33}, result.Usage)
				require.Equal(t, map[string]llm.Usage{"billing": {InputTokens: 300, OutputTokens: 30}}, result.Helpers)
				require.Equal(t, "Paid 5.00.", result.Messages[2].Results()[0].Text())
				events = result.Events
			default:
				text := map[event.CallRef]string{}
				for e, err := range runner.Stream(t.Context(), a, llm.User("Refund W1.")) {
					require.NoError(t, err)
					if d, ok := e.Body.(event.TextDelta); ok {
						text[e.Path] += d.Text
					}
					if e.Seq > 0 {
						events = append(events, e)
					}
				}
				require.Equal(t, map[event.CallRef]string{"": "It is paid back.", "r1.t1.c0": "Paid 5.00."}, text)
			}
			require.Equal(t, []refundArgs{{"W1", 500}}, x.all())
			require.Equal(t, []string{
				"run_started", "user_messaged", "turn_prepared", "model_answered", "tool_call_started",
				"r1.t1.c0 run_started", "r1.t1.c0 user_messaged", "r1.t1.c0 turn_prepared", "r1.t1.c0 model_answered",
				"r1.t1.c0 tool_call_started", "r1.t1.c0 tool_call_finished", "r1.t1.c0 turn_prepared", "r1.t1.c0 model_answered", "r1.t1.c0 run_finished",
				"tool_call_finished", "turn_prepared", "model_answered", "run_finished",
			}, linesOf(events))
			inner := events[9].Body.(event.ToolCallStarted)
			require.Equal(t, event.CallRef("r1.t1.c0/r1.t1.c0"), inner.Call)
		})
	}
}

// TestHelperApproval: a call of a helper needs approval. The outer run pauses, and the
// decision of another process goes on inside.
func TestHelperApproval(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"approve", "deny", "edit"} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			x := new(till)
			a := withHelper(t, []llmtest.Step{delegate("Refund W1."), llmtest.Text("Done.")},
				[]llmtest.Step{llmtest.Calls("refund", refundArgs{"W1", 500}), llmtest.Text("Finished.")}, x.refund(tool.NeedsApproval()))
			j := new(journal.Memory)
			result, err := runner.Runner{Journal: j}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Refund W1.")))
			require.ErrorIs(t, err, runner.ErrPaused)
			require.Empty(t, x.all())
			require.Len(t, result.Pending, 1)
			p := result.Pending[0]
			require.Equal(t, event.CallRef("r1.t1.c0/r1.t1.c0"), p.Call)
			require.Equal(t, "refund", p.ToolCall.Name)
			require.Equal(t, event.RunPaused{Run: 1, Calls: []event.CallRef{p.Call}}, result.Events[len(result.Events)-1].Body)

			s := runner.Runner{Journal: j}.Session("s")
			pending, err := s.Pending(t.Context())
			require.NoError(t, err)
			require.Equal(t, result.Pending, pending)
			again, err := s.Run(t.Context(), a)
			require.ErrorIs(t, err, runner.ErrPaused, "without a decision")
			require.Empty(t, again.Events)
			in := map[string]runner.Input{"approve": p.Approve(), "deny": p.Deny("No."), "edit": p.Edit([]byte(`{"order":"W1","cents":1}`))}[answer]
			result, err = s.Run(t.Context(), a, in)
			require.NoError(t, err)
			require.Equal(t, "Done.", result.Text)
			require.Equal(t, map[string][]refundArgs{"approve": {{"W1", 500}}, "deny": nil, "edit": {{"W1", 1}}}[answer], x.all())
			_, err = s.Run(t.Context(), a, in)
			require.ErrorAs(t, err, new(*runner.DecisionError), "late")
		})
	}
}

// TestHelperFails: a helper that fails costs the outer run a failed call that the model can
// read.
func TestHelperFails(t *testing.T) {
	t.Parallel()
	endless := llmtest.Calls("look", nil).Forever()
	for _, tt := range []struct {
		name    string
		billing llmtest.Step
		change  func(*agent.Helper)
		want    string
	}{
		{"turns", endless, func(h *agent.Helper) { h.MaxTurns = 2 }, "The helper did not finish: limit of 2 turns reached (MaxTurns)"},
		{"calls", endless, func(h *agent.Helper) { h.Limits.ToolCalls = 3 }, "The helper did not finish: limit of 3 tool calls reached (Limits.ToolCalls)"},
		{"tokens", endless.Usage(llm.Usage{InputTokens: 60}), func(h *agent.Helper) { h.Limits.Tokens = 100 }, "The helper did not finish: limit of 100 tokens reached (Limits.Tokens)"},
		{"error", llmtest.Fail(&llm.APIError{Kind: llm.KindAuth, Message: "wrong key"}), nil, "The helper did not finish: turn 1: auth: wrong key"},
		{"refusal", llmtest.Refusal("I will not."), nil, `The helper did not finish: turn 1: the model declined to answer: I will not. (finish reason "stop")`},
		{"panic of the model", llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) { panic("planted") }), nil, "The helper did not finish: runner: a function of the caller's panicked or ended its goroutine"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			look := tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return "nothing", nil }))
			a := withHelper(t, []llmtest.Step{delegate("Look."), llmtest.Text("It failed.")}, []llmtest.Step{tt.billing}, look)
			if tt.change != nil {
				tt.change(&a.Helpers[0])
			}
			result, err := runner.Run(t.Context(), a, llm.User("Look."))
			require.NoError(t, err)
			require.Equal(t, "It failed.", result.Text)
			r := result.Messages[2].Results()[0]
			require.True(t, r.IsError)
			require.Equal(t, tt.want, r.Text())
		})
	}
}

// TestHelperAborts: tool.Abort inside a helper ends the outer run, too.
func TestHelperAborts(t *testing.T) {
	t.Parallel()
	abort := tool.Must(tool.New("stop", "Stops.", func(context.Context, struct{}) (string, error) { return "", tool.Abort(errPlanted) }))
	a := withHelper(t, []llmtest.Step{delegate("Stop.")}, []llmtest.Step{llmtest.Calls("stop", nil)}, abort)
	_, err := runner.Run(t.Context(), a, llm.User("Stop."))
	require.ErrorIs(t, err, errPlanted)
}

// errDied ends a process after so many appends.
var errDied = errors.New("the process died")

// TestHelperCrash: the process dies at every append, and the next goes on inside.
func TestHelperCrash(t *testing.T) {
	t.Parallel()
	whole := 0
	for at := 0; at == 0 || at <= whole; at++ {
		x := new(till)
		byTurn := func(steps ...llmtest.Step) []llmtest.Step {
			for i, s := range steps {
				steps[i] = s.When(llmtest.Turn(i + 1)).Forever()
			}
			return steps
		}
		a := withHelper(t, byTurn(delegate("Refund W1."), llmtest.Text("Done.")),
			byTurn(llmtest.Calls("refund", refundArgs{"W1", 500}), llmtest.Text("Paid.")), x.refund(tool.Idempotent()))
		j := new(journal.Memory)
		mortal := &mortal{Journal: j, left: at}
		if at == 0 {
			mortal.left = -1
		}
		_, err := runner.Runner{Journal: mortal}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Refund W1.")))
		if at == 0 {
			require.NoError(t, err)
			whole = mortal.appends
			continue
		}
		require.ErrorIs(t, err, errDied)
		s := runner.Runner{Journal: j}.Session("s")
		result, err := s.Run(t.Context(), a)
		if at == 1 {
			require.ErrorIs(t, err, runner.ErrNoInput)
			continue
		}
		require.NoError(t, err, "at %d", at)
		require.Equal(t, "Done.", result.Text)
		require.Len(t, x.paid, 1, "one key at %d", at)
		kinds := linesOf(slices.Concat(result.Earlier, result.Events))
		n := 0
		for _, k := range kinds {
			if k == "r1.t1.c0 model_answered" {
				n++
			}
		}
		require.Equal(t, 2, n, fmt.Sprint(kinds))
	}
}

// A mortal journal refuses everything after some appends.
type mortal struct {
	journal.Journal
	left    int
	appends int
}

func (m *mortal) Open(ctx context.Context, session string) (journal.Log, error) {
	log, err := m.Journal.Open(ctx, session)
	return &mortalLog{log, m}, err
}

type mortalLog struct {
	journal.Log
	m *mortal
}

func (l *mortalLog) Append(ctx context.Context, sync bool, events ...event.Event) error {
	l.m.appends++
	if l.m.left >= 0 && l.m.appends >= l.m.left {
		return errDied
	}
	return l.Log.Append(ctx, sync, events...)
}

// TestHelperDrain: a run that is drained stops inside its helper, and goes on there.
func TestHelperDrain(t *testing.T) {
	t.Parallel()
	stop, cancel := context.WithCancel(t.Context())
	last := tool.Must(tool.New("last", "Ends the process.", func(context.Context, struct{}) (string, error) { cancel(); return "done", nil }))
	a := withHelper(t, []llmtest.Step{delegate("Work."), llmtest.Text("Done.")}, []llmtest.Step{llmtest.Calls("last", nil), llmtest.Text("Worked.")}, last)
	s := runner.Runner{}.Session("s")
	result, err := s.Run(runner.Drain(t.Context(), stop), a, runner.Say(llm.User("Work.")))
	require.ErrorIs(t, err, runner.ErrDrained)
	require.Equal(t, "r1.t1.c0 tool_call_finished", linesOf(result.Events)[len(result.Events)-1])
	result, err = s.Run(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, "Done.", result.Text)
}

// TestHelperAsksAgain: one process has paused two helpers, the next dies while Decide answers,
// and the one after asks about all that is left.
func TestHelperAsksAgain(t *testing.T) {
	t.Parallel()
	for at := 2; at < 12; at++ {
		x := new(till)
		helper := func(name string) agent.Helper {
			return agent.Helper{Name: name, Description: "Helps.", Agent: &agent.Agent{Name: name, Tools: []tool.Tool{x.refund(tool.NeedsApproval(), tool.Idempotent())}, Model: llmtest.NewScript(
				llmtest.Calls("refund", refundArgs{name, 1}).When(llmtest.Turn(1)).Forever(), llmtest.Text("Done.").When(llmtest.Turn(2)).Forever())}}
		}
		a := &agent.Agent{Name: "desk", Helpers: []agent.Helper{helper("left"), helper("right")}, Model: llmtest.NewScript(
			llmtest.Calls("left", `{"task":"1"}`).And(llmtest.Calls("right", `{"task":"2"}`)).When(llmtest.Turn(1)).Forever(), llmtest.Text("All done.").When(llmtest.Turn(2)).Forever())}
		j := new(journal.Memory)
		quiet := slog.New(slog.DiscardHandler)
		_, err := runner.Runner{Journal: j, Logger: quiet}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Both.")))
		require.ErrorIs(t, err, runner.ErrPaused)
		yes := func(_ context.Context, p runner.Pending) (runner.Input, error) {
			if p.InDoubt {
				return p.RunAgain(), nil
			}
			return p.Approve(), nil
		}
		_, err = runner.Runner{Journal: &mortal{Journal: j, left: at}, Decide: yes, Logger: quiet}.Session("s").Run(t.Context(), a)
		require.ErrorIs(t, err, errDied, "%d", at)
		result, err := runner.Runner{Journal: j, Decide: yes, Logger: quiet}.Session("s").Run(t.Context(), a)
		require.NoError(t, err, "%d", at)
		require.Equal(t, "All done.", result.Text)
		require.Len(t, x.paid, 2, "%d", at)
	}
}

// TestHelperDecisions: the decisions about calls of two helpers and of the outer run, in any
// order and in any portions. A decision that is late, repeated, or about another path is
// refused, and nothing is recorded.
func TestHelperDecisions(t *testing.T) {
	t.Parallel()
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for portions := range 4 { // which of the decisions come together
			x := new(till)
			helper := func(name string) agent.Helper {
				return agent.Helper{Name: name, Description: "Helps.", Agent: &agent.Agent{Name: name, Tools: []tool.Tool{x.refund(tool.NeedsApproval())}, Model: llmtest.Script(t,
					llmtest.Calls("refund", refundArgs{name, 1}), llmtest.Text(name+" is done."))}}
			}
			a := &agent.Agent{Name: "desk", Tools: []tool.Tool{x.refund(tool.NeedsApproval())}, Helpers: []agent.Helper{helper("left"), helper("right")}, Model: llmtest.Script(t,
				llmtest.Calls("left", `{"task":"1"}`).And(llmtest.Calls("right", `{"task":"2"}`), llmtest.Calls("refund", refundArgs{"desk", 1})), llmtest.Text("All done."))}
			j := new(journal.Memory)
			session := func() *runner.Session { return runner.Runner{Journal: j}.Session("s") }
			result, err := session().Run(t.Context(), a, runner.Say(llm.User("All.")))
			require.ErrorIs(t, err, runner.ErrPaused)
			require.Len(t, result.Pending, 3)
			all, done := result.Pending, 0
			refused := func(in ...runner.Input) {
				t.Helper()
				result, err := session().Run(t.Context(), a, in...)
				require.ErrorAs(t, err, new(*runner.DecisionError))
				require.Empty(t, result.Events)
			}
			wrong := all[0]
			wrong.Call = "r1.t1.c1/r1.t1.c0"
			refused(wrong.Approve())
			wrong.Call = "r1.t1.c0"
			refused(wrong.Approve())
			wrong.Call = "r1.t1.c7/r1.t1.c0"
			refused(all[1].Approve(), wrong.Approve())
			refused(all[0].Approve(), all[0].Approve())
			for i := 0; i < 3; i++ {
				in := []runner.Input{all[order[i]].Approve()}
				for portions>>i&1 == 1 && i < 2 {
					i++
					in = append(in, all[order[i]].Approve())
				}
				done += len(in)
				result, err = session().Run(t.Context(), a, in...)
				require.Len(t, x.all(), done)
				require.Len(t, result.Pending, 3-done)
				if done < 3 {
					require.ErrorIs(t, err, runner.ErrPaused)
				}
				refused(in[0]) // late
			}
			require.NoError(t, err)
			require.Equal(t, "All done.", result.Text)
		}
	}
}
