package runner_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// question is the typed question of a helper, and billingAnswer its typed answer.
type question struct {
	Invoice string `json:"invoice"`
}

type billingAnswer struct {
	Paid bool `json:"paid"`
}

// TestHelperTyped: the arguments and the answer of a helper have Go types, and the helper
// sees what it may see of the conversation.
func TestHelperTyped(t *testing.T) {
	t.Parallel()
	ask := tool.Must(tool.New("ask_billing", "Asks billing.", func(_ context.Context, in question) (string, error) {
		return "Is invoice " + in.Invoice + " paid?", nil
	}, tool.Final()))
	billing := llmtest.Script(t, llmtest.Text(`{"paid":true}`))
	a := &agent.Agent{
		Name: "desk", Model: llmtest.Script(t, llmtest.Calls("ask_billing", question{"W1"})),
		Helpers: []agent.Helper{{
			Task: ask, Agent: &agent.Agent{Name: "billing", Model: billing, Output: agent.OutputOf[billingAnswer]()},
			Sees: func(history []llm.Message) []llm.Message { return history[:1] },
		}},
	}
	result, err := runner.Run(t.Context(), a, llm.User("I am Ann."), llm.Assistant("Hello, Ann."), llm.User("Is W1 paid?"))
	require.NoError(t, err)
	require.JSONEq(t, `{"paid":true}`, string(result.Output), "the answer of the helper is that of the run")
	v, err := runner.Output[billingAnswer](result)
	require.NoError(t, err)
	require.True(t, v.Paid)
	heard := billing.Requests()[0].Messages
	require.Len(t, heard, 2)
	require.Equal(t, []string{"I am Ann.", "Is invoice W1 paid?"}, []string{heard[0].Text(), heard[1].Text()})
}

// TestHelperMisbehaves: a helper that hangs, or says too much, costs the outer run a bounded
// result and no more.
func TestHelperMisbehaves(t *testing.T) {
	t.Parallel()
	task := func(opts ...tool.Option) tool.Tool {
		return tool.Must(tool.New("ask", "Asks.", func(_ context.Context, in struct{ Q string }) (string, error) { return in.Q, nil }, opts...))
	}
	for _, tt := range []struct {
		name  string
		task  tool.Tool
		model llm.Model
		tools []tool.Tool
		want  string
		took  time.Duration
	}{
		{"model hangs", task(tool.Timeout(time.Minute)), llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
			hangs()
			return nil, errPlanted
		}), nil, "The helper did not finish: limit of 1m0s for a run reached (RunTimeout)", 65 * time.Second},
		{"tool hangs", task(tool.Timeout(time.Hour)), llmtest.NewScript(llmtest.Calls("work", nil), llmtest.Text("It hung.")), []tool.Tool{
			tool.Must(tool.New("work", "Works.", func(context.Context, struct{}) (string, error) { hangs(); return "", nil })),
		}, "It hung.", 125 * time.Second},
		{"tool panics", task(), llmtest.NewScript(llmtest.Calls("work", nil), llmtest.Text("It panicked.")), []tool.Tool{
			tool.Must(tool.New("work", "Works.", func(context.Context, struct{}) (string, error) { panic("planted") })),
		}, "It panicked.", 0},
		{"long answer", task(tool.MaxResult(10)), llmtest.NewScript(llmtest.Text(strings.Repeat("x", 1000))), nil, "xxxxxxxxxx\n[The result is cut off: 990 of its 1000 bytes are left out.]", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &agent.Agent{
					Model:   llmtest.Script(t, llmtest.Calls("ask", `{"Q":"?"}`), llmtest.Text("Done.")),
					Helpers: []agent.Helper{{Task: tt.task, Agent: &agent.Agent{Name: "helper", Model: tt.model, Tools: tt.tools}}},
				}
				began := time.Now()
				result, err := runner.Run(t.Context(), a, llm.User("Go."))
				require.NoError(t, err)
				require.Equal(t, "Done.", result.Text)
				require.Equal(t, tt.want, result.Messages[2].Results()[0].Text())
				require.Equal(t, tt.took, time.Since(began))
				wait()
			})
		})
	}
}

// TestCancelledInHelper: the end of the outer run ends the helper at once, and the next run
// goes on inside.
func TestCancelledInHelper(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		slow := tool.Must(tool.New("slow", "Waits.", func(ctx context.Context, _ struct{}) (string, error) {
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case <-time.After(time.Minute):
				return "done", nil
			}
		}, tool.Idempotent()))
		a := withHelper(t, []llmtest.Step{delegate("Wait."), llmtest.Text("Done.")}, []llmtest.Step{llmtest.Calls("slow", nil), llmtest.Text("Waited.")}, slow)
		s := runner.Runner{}.Session("s")
		time.AfterFunc(time.Second, cancel)
		result, err := s.Run(ctx, a, runner.Say(llm.User("Wait.")))
		require.ErrorIs(t, err, context.Canceled)
		require.Len(t, result.Pending, 1, "the call inside is in doubt, and not the helper's")
		require.True(t, result.Pending[0].InDoubt)
		require.Equal(t, "slow", result.Pending[0].ToolCall.Name)
		result, err = s.Run(t.Context(), a)
		require.NoError(t, err)
		require.Equal(t, "Done.", result.Text)
	})
}
