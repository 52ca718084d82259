package runnertest_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/scenario"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type taskArgs struct {
	Task string `json:"task"`
}

// team is a desk with two helpers, each of which has a tool. wait is the time of the tool.
func team(wait func(who string) time.Duration, opts ...tool.Option) *agent.Agent {
	helper := func(name string) agent.Helper {
		work := tool.Must(tool.New("work", "Works.", func(_ context.Context, in taskArgs) (string, error) {
			time.Sleep(wait(name)) // synctest: exact in a bubble
			return name + " did " + in.Task, nil
		}, opts...))
		return agent.Helper{Name: "ask_" + name, Description: "Asks " + name + ".", Agent: &agent.Agent{
			Name: name, Instructions: "You are " + name + ".", Tools: []tool.Tool{work},
		}}
	}
	return &agent.Agent{Name: "desk", Instructions: "You are the desk.", Helpers: []agent.Helper{helper("billing"), helper("shipping")}}
}

// teamSteps are the answers of the desk and of both helpers.
func teamSteps() []llmtest.Step {
	one := func(name string) []llmtest.Step {
		return llmtest.For(llmtest.Instructed("You are "+name), llmtest.Calls("work", taskArgs{"the work of " + name}), llmtest.Text(name+" is done."))
	}
	return slices.Concat(one("billing"), one("shipping"), llmtest.For(llmtest.Instructed("You are the desk"),
		llmtest.Calls("ask_billing", taskArgs{"pay"}).And(llmtest.Calls("ask_shipping", taskArgs{"ship"})), llmtest.Text("All is done.")))
}

// TestNested: two helpers at the same time, whichever is faster and asks first, have one
// transcript. Their calls are in the lists, and overlap.
func TestNested(t *testing.T) {
	t.Parallel()
	for _, slow := range []string{"billing", "shipping"} {
		for _, stream := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				a := team(func(who string) time.Duration {
					if who == slow {
						return 2 * time.Second
					}
					return time.Second
				})
				r := runner.Runner{Model: llmtest.Script(t, teamSteps()...)}
				result := new(runner.Result)
				if stream {
					for e, err := range r.Stream(t.Context(), a, llm.User("Work.")) {
						require.NoError(t, err)
						if e.Seq > 0 {
							result.Events = append(result.Events, e)
						}
					}
				} else {
					var err error
					result, err = r.Run(t.Context(), a, llm.User("Work."))
					require.NoError(t, err)
				}
				runnertest.Golden(t, result, "testdata/nested.txt")
				require.Equal(t, []string{"ask_billing", "work", "ask_shipping", "work"}, runnertest.Order(result))
				calls := runnertest.Calls[taskArgs](t, result, "work")
				require.Len(t, calls, 2)
				require.Equal(t, taskArgs{"the work of billing"}, calls[0].Args)
				require.Equal(t, []event.CallRef{"r1.t1.c0/r1.t1.c0", "r1.t1.c1/r1.t1.c0"}, []event.CallRef{calls[0].Ref, calls[1].Ref})
				require.True(t, runnertest.Overlapped(result, "ask_billing", "ask_shipping"))
				require.Equal(t, 4, runnertest.MaxConcurrent(result))
			})
		}
	}
}

// TestNestedPaused: the transcript of a run that goes on after a pause shows what the helper
// did since.
func TestNestedPaused(t *testing.T) {
	t.Parallel()
	s := runner.Runner{Model: llmtest.Script(t, teamSteps()...)}.Session("s")
	a := team(func(string) time.Duration { return 0 }, tool.NeedsApproval())
	result, err := s.Run(t.Context(), a, runner.Say(llm.User("Work.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Len(t, result.Pending, 2)
	runnertest.Golden(t, result, "testdata/nested_paused.txt")
	result, err = s.Run(t.Context(), a, result.Pending[1].Approve())
	require.ErrorIs(t, err, runner.ErrPaused)
	runnertest.Golden(t, result, "testdata/nested_one.txt")
	result, err = s.Run(t.Context(), a, result.Pending[0].Deny("No."))
	require.NoError(t, err)
	runnertest.Golden(t, result, "testdata/nested_both.txt")
	require.Equal(t, []string{"ask_billing", "work", "ask_shipping", "work"}, runnertest.Order(result))
}

// TestNestedFaults: every fault in every agent, in each seat. A fault of a helper costs the
// desk a failed call and no more.
func TestNestedFaults(t *testing.T) {
	t.Parallel()
	for i, seat := range scenario.Seats() {
		t.Run(seat.Name, func(t *testing.T) {
			t.Parallel()
			llmtest.EveryFault(t, teamSteps(), func(t *testing.T, script *llmtest.Model) {
				synctest.Test(t, func(t *testing.T) {
					nestedFault(t, runner.Runner{Model: seat.Model(t, script), Logger: slog.New(slog.DiscardHandler)}, i%2 == 0)
				})
			})
		})
	}
}

func nestedFault(t *testing.T, r runner.Runner, stream bool) {
	a := team(func(string) time.Duration { return 0 })
	result, err := new(runner.Result), error(nil)
	if stream {
		for e, broken := range r.Stream(t.Context(), a, llm.User("Work.")) {
			if err = broken; err == nil && e.Seq > 0 {
				result.Events = append(result.Events, e)
			}
		}
	} else {
		result, err = r.Run(t.Context(), a, llm.User("Work."))
	}
	if !strings.Contains(t.Name(), "step_5") && !strings.Contains(t.Name(), "step_6") {
		require.NoError(t, err)
	}
	for _, name := range []string{"billing", "shipping"} {
		for _, c := range runnertest.Calls[taskArgs](t, result, "ask_"+name) {
			require.True(t, c.Text == name+" is done." || c.Failure == tool.Failed && strings.HasPrefix(c.Text, "The helper did not finish: "), c.Text)
		}
	}
}
