package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"io"
	"log/slog"
	"strings"
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

// pausedHelper returns a session whose helper waits for approval.
func pausedHelper(t *testing.T, j journal.Journal, r runner.Runner, after ...llmtest.Step) (*runner.Session, *agent.Agent, runner.Pending, *till) {
	t.Helper()
	x := new(till)
	a := withHelper(t, nil, nil, x.refund(tool.NeedsApproval()))
	a.Model = llmtest.NewScript(append([]llmtest.Step{delegate("Refund W1.")}, after...)...)
	a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Calls("refund", refundArgs{"W1", 500}), llmtest.Text("Finished.").Forever())
	r.Journal = j
	s := r.Session("s")
	result, err := s.Run(t.Context(), a, runner.Say(llm.User("Refund W1.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Len(t, result.Pending, 1)
	return s, a, result.Pending[0], x
}

// TestHelpersLog: helpers of one turn log and redact at the same time.
func TestHelpersLog(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	redact := func(s string) string { mu.Lock(); defer mu.Unlock(); return s }
	a := withHelper(t, []llmtest.Step{delegate("A.").And(delegate("B.")), llmtest.Text("Done.")}, nil,
		tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return "seen", nil })))
	a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Calls("look", nil).When(llmtest.Turn(1)).Forever(), llmtest.Text("Looked.").When(llmtest.Turn(2)).Forever())
	r := runner.Runner{Redact: redact, Logger: slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	result, err := r.Run(t.Context(), a, llm.User("Go."))
	require.NoError(t, err)
	require.Equal(t, "Done.", result.Text)
}

// TestHelperSlot: a helper whose Task is used inside of itself again does not wait for its own slot.
func TestHelperSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		task := tool.Must(tool.New("work", "Works.", func(context.Context, struct{}) (string, error) { return "Work.", nil }, tool.Concurrency(1)))
		inner := &agent.Agent{Name: "inner", Model: llmtest.Script(t, llmtest.Text("deep"))}
		middle := &agent.Agent{Name: "middle", Model: llmtest.Script(t, llmtest.Calls("work", nil), llmtest.Text("mid")), Helpers: []agent.Helper{{Task: task, Agent: inner}}}
		a := &agent.Agent{Name: "outer", Model: llmtest.Script(t, llmtest.Calls("work", nil), llmtest.Text("top")), Helpers: []agent.Helper{{Task: task, Agent: middle}}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		result, err := runner.Run(ctx, a, llm.User("Go."))
		require.NoError(t, err)
		require.Equal(t, "top", result.Text)
	})
}

// TestHelperWork: the work of a helper's model counts for the WorkTime of the outer run.
func TestHelperWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		look := tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return "seen", nil }))
		n := 0
		a := withHelper(t, nil, nil, look)
		a.Model = llmtest.NewScript(delegate("Work."), llmtest.Text("Done.").Forever())
		a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) {
			time.Sleep(10 * time.Second) // synctest: exact in a bubble
			n++
			call := llm.ToolCall{ID: fmt.Sprint("c", n), Name: "look", Arguments: "{}"}
			return &llm.Response{Message: llm.Message{Role: llm.RoleAssistant, Parts: llm.Parts{call}}, Finish: llm.Finish{Reason: llm.FinishToolCalls}}, nil
		}).Forever())
		a.Helpers[0].Limits.Repeats = -1
		result, err := runner.Runner{Limits: runner.Limits{WorkTime: 35 * time.Second}}.Run(t.Context(), a, llm.User("Go."))
		var limit *runner.LimitError
		require.ErrorAs(t, err, &limit, "%s", result.Text)
		require.Equal(t, "work_time", limit.Limit)
		require.Equal(t, 4, n)
	})
}

// TestHelperBudget: a used-up Budget is a limit of the outer run: only that run gets a last turn.
func TestHelperBudget(t *testing.T) {
	t.Parallel()
	look := tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return "seen", nil }))
	a := withHelper(t, nil, nil, look)
	a.Model = llmtest.NewScript(delegate("Work."), llmtest.Text("Done.").Forever())
	helper := llmtest.NewScript(llmtest.Calls("look", nil).Usage(llm.Usage{InputTokens: 60}).Forever())
	a.Helpers[0].Agent.Model = helper
	asked := 0
	r := runner.Runner{Budget: &runner.Budget{Tokens: 100}, AtLimit: func(context.Context, *runner.LimitError) (bool, error) { asked++; return true, nil }}
	result, err := r.Run(t.Context(), a, llm.User("Go."))
	require.NoError(t, err)
	require.Equal(t, "Done.", result.Text)
	require.Equal(t, 1, asked)
	require.Len(t, helper.Requests(), 2)
}

// TestHelperGoneWhilePaused: a program without the helper leaves the paused run as it is.
func TestHelperGoneWhilePaused(t *testing.T) {
	t.Parallel()
	j := new(journal.Memory)
	_, a, p, x := pausedHelper(t, j, runner.Runner{}, llmtest.Text("Done.").Forever())
	gone := *a
	gone.Helpers = nil
	for range 2 {
		result, err := runner.Runner{Journal: j}.Session("s").Run(t.Context(), &gone)
		require.ErrorIs(t, err, runner.ErrPaused)
		require.Equal(t, []runner.Pending{p}, result.Pending)
	}
	result, err := runner.Runner{Journal: j}.Session("s").Run(t.Context(), a, p.Approve())
	require.NoError(t, err)
	require.Equal(t, "Done.", result.Text)
	require.Len(t, x.all(), 1)
}

// TestHelperDecideFails: an error of Decide ends the outer run, also when a paused run continues.
func TestHelperDecideFails(t *testing.T) {
	t.Parallel()
	j := new(journal.Memory)
	_, a, p, x := pausedHelper(t, j, runner.Runner{}, llmtest.Text("Done.").Forever())
	failing := runner.Runner{Journal: j, Decide: func(context.Context, runner.Pending) (runner.Input, error) { return nil, errPlanted }}
	_, err := failing.Session("s").Run(t.Context(), a)
	require.ErrorIs(t, err, errPlanted)
	result, err := runner.Runner{Journal: j}.Session("s").Run(t.Context(), a, p.Approve())
	require.NoError(t, err)
	require.Equal(t, "Done.", result.Text)
	require.Len(t, x.all(), 1)
}

// TestHelperDecideAfterCrash: the process dies between the pause of the helper's run and the
// pause of the outer run. The next process asks its own Decide.
func TestHelperDecideAfterCrash(t *testing.T) {
	t.Parallel()
	x := new(till)
	a := withHelper(t, nil, nil, x.refund(tool.NeedsApproval()))
	var j *journal.Memory
	var err error
	for left := 1; ; left++ {
		j = new(journal.Memory)
		a.Model = llmtest.NewScript(delegate("Refund W1."), llmtest.Text("Done.").Forever())
		a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Calls("refund", refundArgs{"W1", 500}), llmtest.Text("Finished.").Forever())
		result, rerr := runner.Runner{Journal: &mortal{Journal: j, left: left}}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Refund W1.")))
		err = rerr
		lines := linesOf(result.Events)
		if len(lines) > 0 && lines[len(lines)-1] == "r1.t1.c0 run_paused" {
			break
		}
		require.Less(t, left, 40)
	}
	require.ErrorIs(t, err, errDied)
	r := runner.Runner{Journal: j, Decide: func(_ context.Context, p runner.Pending) (runner.Input, error) { return p.Approve(), nil }}
	result, err := r.Session("s").Run(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, "Done.", result.Text)
}

// TestHelperToolsetGone: the toolset of a helper cannot be listed when its run goes on. The
// model of the outer run reads which calls have an unknown outcome.
func TestHelperToolsetGone(t *testing.T) {
	t.Parallel()
	slow := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "paid", nil }))
	a := withHelper(t, nil, nil, slow)
	a.Model = llmtest.NewScript(delegate("Pay."), llmtest.Text("Done.").Forever())
	a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Calls("pay", nil), llmtest.Text("Finished.").Forever())
	j := new(journal.Memory)
	_, err := runner.Runner{Journal: &mortal{Journal: j, left: 8}}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Pay.")))
	require.ErrorIs(t, err, errDied)
	a.Helpers[0].Agent.Toolsets = []tool.Set{{Name: "office", List: func(context.Context) ([]tool.Tool, error) { return nil, errPlanted }}}
	result, err := runner.Runner{Journal: j}.Session("s").Run(t.Context(), a)
	require.NoError(t, err)
	r := result.Messages[2].Results()[0]
	require.Contains(t, r.Text(), "Nobody knows the outcome of its calls: pay")
	require.Contains(t, linesOf(result.Events), "r1.t1.c0 run_failed")
}

// TestHelperEndedInDoubt: the run of a helper has ended with a call in doubt, and the process
// ends before the result. Nobody is asked about the call, and no decision about the call fits.
func TestHelperEndedInDoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pay := tool.Must(tool.New("pay", "Pays.", func(ctx context.Context, _ struct{}) (string, error) { <-ctx.Done(); return "", ctx.Err() }))
		task := tool.Must(tool.New("work", "Works.", func(context.Context, struct{}) (string, error) { return "Work.", nil }, tool.Timeout(time.Second)))
		a := &agent.Agent{Name: "desk", Helpers: []agent.Helper{{Task: task, Agent: &agent.Agent{Name: "inner", Tools: []tool.Tool{pay}}}}}
		a.Model = llmtest.NewScript(llmtest.Calls("work", nil), llmtest.Text("Done.").Forever())
		a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Calls("pay", nil))
		j := new(journal.Memory)
		lines := []string{}
		for left := 1; len(lines) == 0 || lines[len(lines)-1] != "r1.t1.c0 run_failed"; left++ {
			require.Less(t, left, 30)
			j = new(journal.Memory)
			a.Model = llmtest.NewScript(llmtest.Calls("work", nil), llmtest.Text("Done.").Forever())
			a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Calls("pay", nil))
			result, err := runner.Runner{Journal: &mortal{Journal: j, left: left}}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Go.")))
			require.ErrorIs(t, err, errDied)
			lines = linesOf(result.Events)
		}
		ctx, cancel := context.WithCancel(t.Context())
		r := runner.Runner{Journal: j, Around: func(ctx context.Context, w *runner.Work) (context.Context, func()) {
			if w.Kind == "tool" {
				cancel()
			}
			return ctx, nil
		}}
		result, err := r.Session("s").Run(ctx, a)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, result.Pending)
		s := runner.Runner{Journal: j}.Session("s")
		state, err := s.State(t.Context())
		require.NoError(t, err)
		require.Len(t, state.Open, 1, "the call of the helper")
		_, err = s.Run(t.Context(), a, runner.Pending{Call: "r1.t1.c0/r1.t1.c0", InDoubt: true}.Happened())
		require.ErrorContains(t, err, "the call waits no longer: it has ended, its time was over, or a message closed it")
		result, err = runner.Runner{Journal: j}.Session("s").Run(t.Context(), a)
		require.NoError(t, err)
		require.Contains(t, result.Messages[2].Results()[0].Text(), "Nobody knows the outcome of its calls: pay")
	})
}

// insideOf returns the agents of a helper that use a feature, and the result of the helper.
func insideOf() map[string]func() (agent.Helper, runner.Runner, string) {
	look := tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return strings.Repeat("seen ", 400), nil }, tool.Idempotent()))
	byTurn := func(steps ...llmtest.Step) llm.Model {
		for i, s := range steps {
			steps[i] = s.When(llmtest.Turn(i + 1)).Forever()
		}
		return llmtest.NewScript(steps...)
	}
	helper := func(a *agent.Agent, steps ...llmtest.Step) agent.Helper {
		a.Name, a.Model = "billing", byTurn(steps...)
		return agent.Helper{Name: "ask_billing", Description: "Asks.", Agent: a}
	}
	read := llmtest.Calls("read_result", map[string]any{"result": "r1.t1.c0/r1.t1.c0", "offset": 1990})
	return map[string]func() (agent.Helper, runner.Runner, string){
		"misfit": func() (agent.Helper, runner.Runner, string) {
			return helper(&agent.Agent{Output: agent.OutputOf[stepArgs]()}, llmtest.Text("five"), llmtest.Text(`{"n":5}`)), runner.Runner{}, `{"n":5}`
		},
		"final": func() (agent.Helper, runner.Runner, string) {
			end := tool.Must(tool.New("end", "Ends.", func(context.Context, struct{}) (string, error) { return "the end", nil }, tool.Final(), tool.Idempotent()))
			return helper(&agent.Agent{Tools: []tool.Tool{end}}, llmtest.Calls("end", nil)), runner.Runner{}, "the end"
		},
		"aside": func() (agent.Helper, runner.Runner, string) {
			return helper(&agent.Agent{Tools: []tool.Tool{look}}, llmtest.Calls("look", nil), read, llmtest.Text("Read.")), runner.Runner{PutAside: 1000}, "Read."
		},
		"check again": func() (agent.Helper, runner.Runner, string) {
			c := agent.Check{Name: "guard", Output: func(_ context.Context, s agent.Subject) (verdict, error) {
				if s.Text == "Long." {
					return verdict{Again: "be brief"}, nil
				}
				return verdict{}, nil
			}}
			return helper(&agent.Agent{Checks: []agent.Check{c}}, llmtest.Text("Long."), llmtest.Text("L.")), runner.Runner{}, "L."
		},
		"check stops": func() (agent.Helper, runner.Runner, string) {
			c := agent.Check{Name: "guard", Call: func(context.Context, agent.Subject) (verdict, error) { return verdict{Stop: "no"}, nil }}
			return helper(&agent.Agent{Checks: []agent.Check{c}, Tools: []tool.Tool{look}}, llmtest.Calls("look", nil)), runner.Runner{}, `The helper did not finish: turn 1: check "guard" stopped the run (call): no`
		},
		"beside stops": func() (agent.Helper, runner.Runner, string) {
			c := agent.Check{Name: "guard", Beside: true, Input: func(context.Context, agent.Subject) (verdict, error) { return verdict{Stop: "no"}, nil }}
			return helper(&agent.Agent{Checks: []agent.Check{c}}, llmtest.Text("Done.")), runner.Runner{}, `The helper did not finish: turn 1: check "guard" stopped the run (input): no`
		},
		"deferred": func() (agent.Helper, runner.Runner, string) {
			set := tool.Set{Name: "office", Deferred: true, List: func(context.Context) ([]tool.Tool, error) { return []tool.Tool{look}, nil }}
			return helper(&agent.Agent{Toolsets: []tool.Set{set}}, llmtest.Calls("search_tools", map[string]string{"query": "look"}), llmtest.Calls("look", nil), llmtest.Text("Looked.")), runner.Runner{}, "Looked."
		},
		"compacted": func() (agent.Helper, runner.Runner, string) {
			h := helper(&agent.Agent{Tools: []tool.Tool{look}})
			h.Agent.Model = llmtest.NewScript(llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
				if len(req.Messages) > 2 && strings.Contains(fmt.Sprint(req.Messages), "enough") {
					return llmtest.Text("Enough.").Response()
				}
				return llmtest.Calls("look", nil).Response()
			}).Forever())
			n := 0
			h.Agent.Tools = []tool.Tool{tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) {
				if n++; n > 4 {
					return "enough", nil
				}
				return fmt.Sprint(n, strings.Repeat(" seen", 400)), nil
			}, tool.Idempotent()))}
			return h, runner.Runner{Compact: &compact.Policy{Tokens: 1200}}, "Enough."
		},
		"last answer": func() (agent.Helper, runner.Runner, string) {
			h := helper(&agent.Agent{Tools: []tool.Tool{look}}, llmtest.Calls("look", nil), llmtest.Text("As far as I know."))
			h.MaxTurns = 1
			return h, runner.Runner{AtLimit: runner.LastAnswer}, "As far as I know."
		},
		"deep": func() (agent.Helper, runner.Runner, string) {
			deep := helper(&agent.Agent{Tools: []tool.Tool{look}}, llmtest.Calls("look", nil), llmtest.Text("Deep."))
			return helper(&agent.Agent{Helpers: []agent.Helper{deep}}, delegate("Deeper."), llmtest.Text("Middle.")), runner.Runner{}, "Middle."
		},
	}
}

// TestInsideHelper: features inside a helper work as outside, in a stream too, and the process
// may die at each append, or the consumer leave at each event.
func TestInsideHelper(t *testing.T) {
	t.Parallel()
	for name, make := range insideOf() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := func(left, leave int) (more bool) {
				h, r, want := make()
				a := &agent.Agent{Name: "desk", Helpers: []agent.Helper{h}}
				a.Model = llmtest.NewScript(delegate("Work.").When(llmtest.Turn(1)).Forever(), llmtest.Text("Done.").When(llmtest.Turn(2)).Forever())
				j := new(journal.Memory)
				m := &mortal{Journal: j, left: left}
				r.Journal = m
				var err error
				seen := 0
				for _, serr := range r.Session("s").Stream(t.Context(), a, runner.Say(llm.User("Go."))) {
					if err = serr; seen == leave {
						break
					}
					seen++
				}
				more = err != nil || seen == leave
				r.Journal = j
				s := r.Session("s")
				if more && left != 1 && (leave < 0 || leave > 0) {
					_, rerr := s.Run(t.Context(), a)
					if !errors.Is(rerr, runner.ErrNoInput) {
						require.NoError(t, rerr, "%d %d", left, leave)
					}
				}
				messages, merr := s.Messages(t.Context())
				require.NoError(t, merr)
				requireValid(t, messages)
				if len(messages) > 3 {
					require.Equal(t, want, messages[2].Results()[0].Text(), "%d %d", left, leave)
					require.Equal(t, "Done.", messages[3].Text())
				} else {
					require.True(t, left == 1 || leave == 0, "%d %d: %v", left, leave, messages)
				}
				return more
			}
			require.False(t, run(-1, -1))
			for left := 1; run(left, -1); left++ {
			}
			for leave := 0; run(-1, leave); leave++ {
			}
		})
	}
}

// TestMessageWhileHelperWaits: a message closes the call of a helper that waits for a decision.
// A decision that comes later does not fit.
func TestMessageWhileHelperWaits(t *testing.T) {
	t.Parallel()
	s, a, p, x := pausedHelper(t, new(journal.Memory), runner.Runner{}, llmtest.Text("Done.").Forever())
	result, err := s.Run(t.Context(), a, runner.Say(llm.User("Forget it.")))
	require.NoError(t, err)
	requireValid(t, result.Messages)
	require.Contains(t, result.Messages[2].Results()[0].Text(), "The helper was interrupted")
	require.Empty(t, result.Pending)
	_, err = s.Run(t.Context(), a, p.Approve())
	require.ErrorAs(t, err, new(*runner.DecisionError))
	require.Empty(t, x.all())
}

// TestHelperWithoutTask: a call without a task runs no helper, and the model reads why.
func TestHelperWithoutTask(t *testing.T) {
	t.Parallel()
	a := withHelper(t, []llmtest.Step{delegate(""), llmtest.Text("Sorry.")}, nil)
	result, err := runner.Run(t.Context(), a, llm.User("Go."))
	require.NoError(t, err)
	require.True(t, result.Messages[2].Results()[0].IsError, result.Messages[2].Results()[0].Text())
	require.Nil(t, result.Helpers)
}

// TestPendingNamesTheAgent: a question says whose call it is about, to Decide, in the Result
// and in the State, also as JSON.
func TestPendingNamesTheAgent(t *testing.T) {
	t.Parallel()
	x := new(till)
	refund := x.refund(tool.NeedsApproval())
	a := withHelper(t, nil, nil, refund)
	a.Tools = append(a.Tools, refund)
	a.Model = llmtest.NewScript(delegate("Refund W1.").And(llmtest.Calls("refund", refundArgs{"W2", 500})), llmtest.Text("Done."))
	a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Calls("refund", refundArgs{"W1", 500}), llmtest.Text("Finished."))
	asked := map[event.CallRef]string{}
	var mu sync.Mutex
	r := runner.Runner{Decide: func(_ context.Context, p runner.Pending) (runner.Input, error) {
		mu.Lock()
		defer mu.Unlock()
		asked[p.Call] = p.Agent
		return nil, nil
	}}
	s := r.Session("s")
	result, err := s.Run(t.Context(), a, runner.Say(llm.User("Go.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	want := map[event.CallRef]string{"r1.t1.c0/r1.t1.c0": a.Helpers[0].Agent.Name, "r1.t1.c1": a.Name}
	require.Equal(t, want, asked)
	state, err := s.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, result.Pending, state.Pending)
	data, err := json.Marshal(result.Pending)
	require.NoError(t, err)
	var read []runner.Pending
	require.NoError(t, json.Unmarshal(data, &read))
	got := map[event.CallRef]string{}
	for _, p := range read {
		got[p.Call] = p.Agent
	}
	require.Equal(t, want, got)
}
