package runner_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// helper has an agent with a tool that runs the agent again with the runner from
// inner. told turns the error of the nested run into the tool's result. runs counts
// the calls of the tool.
type helper struct {
	inner   func() runner.Runner
	session bool
	told    func(error) (string, error)
	runs    int
}

func (h *helper) agent() *agent.Agent {
	a := newAgent()
	a.Model = llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
		return llmtest.Calls("help", struct{}{}).Response()
	})
	a.Tools = []tool.Tool{tool.Must(tool.New("help", "Helps.", func(ctx context.Context, _ struct{}) (string, error) {
		h.runs++
		if h.session {
			result, err := h.inner().Session("s").Run(ctx, a, runner.Say(llm.User("Help.")))
			return result.Text, err
		}
		result, err := h.inner().Run(ctx, a, llm.User("Help."))
		if err != nil && h.told != nil {
			return h.told(err)
		}
		return result.Text, err
	}))}
	return a
}

// TestDepth: an agent that calls itself through a tool fails with a LimitError, and
// each depth fails at its first try.
func TestDepth(t *testing.T) {
	t.Parallel()
	zero := func() runner.Runner { return runner.Runner{} }
	for _, tt := range []struct {
		name  string
		outer runner.Runner
		helper
		depth, max int
	}{
		{"default", runner.Runner{}, helper{inner: zero}, 32, 32},
		{"in sessions", runner.Runner{}, helper{inner: zero, session: true}, 32, 32},
		{"of the outermost", runner.Runner{MaxDepth: 20}, helper{inner: zero}, 20, 20},
		{"one", runner.Runner{MaxDepth: 1}, helper{inner: zero}, 1, 1},
		{"of those inside", runner.Runner{}, helper{inner: func() runner.Runner { return runner.Runner{MaxDepth: 2} }}, 3, 2},
		{"none of their own", runner.Runner{}, helper{inner: func() runner.Runner { return runner.Runner{MaxDepth: -1} }}, 32, 32},
		{"more than those around", runner.Runner{MaxDepth: 3}, helper{inner: func() runner.Runner { return runner.Runner{MaxDepth: 9} }}, 3, 3},
		{"wrapped", runner.Runner{}, helper{inner: zero, told: func(err error) (string, error) { return "", errors.Join(errors.New("no help"), err) }}, 32, 32},
		{"hidden", runner.Runner{}, helper{inner: zero, told: func(err error) (string, error) { return "", tool.Hide(err) }}, 32, 32},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			result, err := tt.outer.Run(t.Context(), tt.agent(), llm.User("Help."))
			got, ok := errors.AsType[*runner.LimitError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, &runner.LimitError{Limit: "depth", Max: int64(tt.max)}, got)
			require.Equal(t, tt.depth, tt.runs, "runs that called the tool")
			requireValid(t, result.Messages)
		})
	}
}

// TestDepthIsNoCount: runs after one another do not count, and a tool can turn the
// limit into a result.
func TestDepthIsNoCount(t *testing.T) {
	t.Parallel()
	inner := newAgent()
	inner.Model = llmtest.NewScript(llmtest.Text("Helped.").Forever())
	help := tool.Must(tool.New("help", "Helps.", func(ctx context.Context, _ struct{}) (string, error) {
		for range 20 {
			if _, err := runner.Run(ctx, inner, llm.User("Help.")); err != nil {
				return "", err
			}
		}
		_, err := runner.Runner{MaxDepth: 1}.Run(ctx, newHelper(inner), llm.User("Help."))
		if limit, ok := errors.AsType[*runner.LimitError](err); ok {
			return limit.Error(), nil
		}
		return "", err
	}))
	result, err := with(llmtest.Script(t, llmtest.Calls("help", struct{}{}), llmtest.Text("Fine."))).Run(t.Context(), newAgent(help), llm.User("Hi."))
	require.NoError(t, err)
	require.Equal(t, []string{"limit of 1 runs inside one another reached (MaxDepth)"}, results(result.Messages))
}

// newHelper is an agent that calls another one once.
func newHelper(inner *agent.Agent) *agent.Agent {
	a := newAgent(tool.Must(tool.New("help", "Helps.", func(ctx context.Context, _ struct{}) (string, error) {
		result, err := runner.Run(ctx, inner, llm.User("Help."))
		return result.Text, err
	})))
	a.Model = llmtest.NewScript(llmtest.Calls("help", struct{}{}))
	return a
}

// TestEndlessHelper: the bound on depth needs no other bound.
func TestEndlessHelper(t *testing.T) {
	t.Parallel()
	h := helper{inner: func() runner.Runner { return runner.Runner{MaxTurns: -1} }}
	_, err := runner.Runner{MaxTurns: -1, RunTimeout: -1}.Run(t.Context(), h.agent(), llm.User("Help."))
	require.ErrorContains(t, err, "limit of 32 runs inside one another reached (MaxDepth)")
	require.Equal(t, 32, h.runs)
}
