package llmtest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/faketb"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// converse is the smallest agent: it answers calls until there are none.
func converse(ctx context.Context, m llm.Model, stream bool) (string, error) {
	messages := []llm.Message{llm.User("hi")}
	for {
		resp, err := m.Generate(ctx, &llm.Request{Model: "m", Messages: messages, Stream: stream}, func(llm.Delta) {})
		if err != nil {
			return "", err
		}
		messages = append(messages, resp.Message)
		for _, c := range resp.Message.Calls() {
			messages = append(messages, result(c, "42"))
		}
		if len(resp.Message.Calls()) == 0 {
			return resp.Message.Text(), nil
		}
	}
}

func result(c llm.ToolCall, text string) llm.Message {
	return llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: c.ID, Name: c.Name, Parts: llm.Parts{llm.Text{Text: text}}}}}
}

var flow = []llmtest.Step{llmtest.Calls("f", nil).And(llmtest.Calls("g", nil)), llmtest.Calls("f", nil), llmtest.Text("It is 42.")}

// planted names a mistake that TestEveryFault is to make, in a process of its own.
const planted = "LLMTEST_PLANTED"

// plants are models that spoil an agent.
var plants = map[string]func(llm.Model) llm.Model{
	"": func(m llm.Model) llm.Model { return wrap.Retry{Restart: true}.Model(m) },
	"takes an error for an answer": func(m llm.Model) llm.Model {
		return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
			resp, err := m.Generate(ctx, req, sink)
			if err != nil {
				return &llm.Response{Message: llm.Assistant("Sorry.")}, nil
			}
			return resp, nil
		})
	},
	"asks twice": func(m llm.Model) llm.Model {
		return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
			_, _ = m.Generate(ctx, req, sink)
			return m.Generate(ctx, req, sink)
		})
	},
	"asks nobody": func(m llm.Model) llm.Model {
		return llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
			return nil, &llm.APIError{Kind: llm.KindAuth}
		})
	},
	"leaves out a result": func(m llm.Model) llm.Model {
		return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
			short := *req
			if len(req.Messages) > 3 {
				short.Messages = append(req.Messages[:2:2], req.Messages[3:]...)
			}
			return m.Generate(ctx, &short, sink)
		})
	},
}

// A program that does the right thing passes whatever goes wrong.
func TestEveryFault(t *testing.T) {
	for _, seat := range []string{"in process", "transport", "pipe"} {
		for _, stream := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, stream %v", seat, stream), func(t *testing.T) {
				llmtest.EveryFault(t, flow, func(t *testing.T, m *llmtest.Model) {
					synctest.Test(t, func(t *testing.T) {
						answer, err := converse(t.Context(), plants[os.Getenv(planted)](seats[seat](t, m)), stream)
						if e, ok := errors.AsType[*llm.APIError](err); ok && !e.Retryable() {
							return
						}
						require.NoError(t, err)
						require.Equal(t, "It is 42.", answer)
						require.NoError(t, m.Done())
					})
				})
			})
		}
	}
}

// A step that answers for ever goes on doing so behind its faults.
func TestEveryFaultBeforeAStepWithoutEnd(t *testing.T) {
	t.Parallel()
	llmtest.EveryFault(t, []llmtest.Step{llmtest.Text("hi").Forever()}, func(t *testing.T, m *llmtest.Model) {
		synctest.Test(t, func(t *testing.T) {
			_, _ = m.Generate(t.Context(), ask("hi"), nil)
			for range 2 {
				require.Equal(t, "hi", say(t, m, llm.User("hi")))
			}
		})
	})
}

// One that does not, fails, and the test says where and why.
func TestEveryFaultFindsMistakes(t *testing.T) {
	t.Parallel()
	for plant, want := range map[string]string{
		"takes an error for an answer": "--- FAIL: TestEveryFault/in_process,_stream_true/step_3/cut_after_1_piece",
		"asks twice":                   "request 4 is beyond the script of 4 steps:",
		"asks nobody":                  "llmtest: the fault was not reached: 0 requests came, but no request for step 3: \"It is 42.\"",
		"leaves out a result":          "breaks the protocol: messages[2]: a result for \"call_2\", but the next result must answer the call of f call_1:",
	} {
		t.Run(plant, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEveryFault$/^in_process,_stream_true$")
			cmd.Env = append(os.Environ(), planted+"="+plant)
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(out), want)
		})
	}
}

// A script without steps has no place for a fault.
func TestEveryFaultNeedsSteps(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEveryFaultOfNothing$")
	cmd.Env = append(os.Environ(), planted+"=nothing")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "llmtest: EveryFault needs a step that faults can be put before")
}

// TestEveryFaultOfNothing fails where TestEveryFaultNeedsSteps runs it.
func TestEveryFaultOfNothing(t *testing.T) {
	steps := flow
	if os.Getenv(planted) == "nothing" {
		steps = nil
	}
	llmtest.EveryFault(t, steps, func(t *testing.T, m *llmtest.Model) {
		synctest.Test(t, func(t *testing.T) {
			_, _ = converse(t.Context(), plants[""](m), true)
		})
	})
}

// The catalogue has no name twice, and its faults can be put on any answer.
func TestFaultsAreAllDifferent(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, f := range llmtest.Faults() {
		require.False(t, names[f.String()], f.String())
		names[f.String()] = true
		require.NoError(t, llmtest.NewScript(llmtest.Text("a").With(f).Forever()).Done())
	}
	require.Len(t, names, 21)
}

func TestChaos(t *testing.T) {
	t.Parallel()
	for seed := uint64(1); seed <= 30; seed++ {
		run := func() (log string) {
			synctest.Test(t, func(t *testing.T) {
				m := llmtest.Chaos(t, seed, flow...)
				answer, err := converse(t.Context(), wrap.Retry{Restart: true, Attempts: 9, MinDelay: time.Second}.Model(m), true)
				log = fmt.Sprint(len(m.Requests()), answer, err)
				if e, ok := errors.AsType[*llm.APIError](err); ok && !e.Retryable() {
					return
				}
				require.NoError(t, err)
				require.Equal(t, "It is 42.", answer)
				require.NoError(t, m.Done())
			})
			return log
		}
		require.Equal(t, run(), run(), "seed %d", seed)
	}
}

func TestChaosShowsItsSeed(t *testing.T) {
	t.Parallel()
	tb := new(faketb.TB)
	tb.Run(func(tb testing.TB) {
		_, _ = llmtest.Chaos(tb, 7, flow...).Generate(t.Context(), ask("hi"), nil)
		tb.Error("something else")
	})
	require.Len(t, tb.Logs(), 1)
	require.Contains(t, tb.Logs()[0], "llmtest: Chaos with seed 7:\n  step ")

	tb = new(faketb.TB)
	tb.Run(func(tb testing.TB) {
		llmtest.Chaos(tb, 0, flow...)
		tb.Error("something else")
	})
	require.NotContains(t, strings.Join(tb.Logs(), ""), "seed 0:")

	tb = new(faketb.TB)
	require.Empty(t, tb.Run(func(tb testing.TB) { _, _ = llmtest.Chaos(tb, 7, flow...).Generate(t.Context(), ask("hi"), nil) }))
	require.Empty(t, tb.Logs())

	tb = new(faketb.TB)
	require.Equal(t, []string{"llmtest: no request came, so no fault was tested"}, tb.Run(func(tb testing.TB) { llmtest.Chaos(tb, 7, flow...) }))
}
