package runner_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

var errPlanted = errors.New("planted")

// act is a tool that does what its argument names.
func act(stuck <-chan struct{}) tool.Tool {
	type args struct {
		What string `json:"what"`
	}
	return tool.Must(tool.New("act", "Acts.", func(ctx context.Context, in args) (string, error) {
		switch in.What {
		case "fail":
			return "", errors.New("order #W1 is not paid; see https://bob:hunter2@shop.example/orders")
		case "hide":
			return "", tool.Hide(errors.New("secret"))
		case "retry":
			return "", tool.Retry("Nothing is known of \"retry\"; say \"it\".")
		case "deny":
			return "", tool.Fail(tool.Denied, "refunds above 100 EUR need a manager", nil)
		case "panic":
			panic("secret")
		case "goexit":
			runtime.Goexit()
		case "slow":
			<-ctx.Done()
			return "", context.Cause(ctx)
		case "late":
			<-ctx.Done()
			return "done after all", nil
		case "stuck":
			<-stuck
		}
		return "done", nil
	}))
}

// TestLateResult: what a function returns shortly after its deadline counts.
func TestLateResult(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := llmtest.Script(t, llmtest.Calls("act", `{"what":"late"}`), llmtest.Text("Fine."))
		start := time.Now()
		result, err := with(script).Run(t.Context(), newAgent(act(nil)), llm.User("Hi."))
		require.NoError(t, err)
		require.Equal(t, []string{"done after all"}, results(result.Messages))
		require.Equal(t, 2*time.Minute, time.Since(start))
	})
}

// TestParallelCalls: the calls of a turn run at once, and results stand in the
// order of the calls, whichever finished first.
func TestParallelCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := llmtest.Script(t,
			llmtest.Calls("wait", waitArgs{"a", 3}).And(llmtest.Calls("wait", waitArgs{"b", 1}), llmtest.Calls("wait", waitArgs{"c", 2})),
			llmtest.Text("Fine."))
		start := time.Now()
		events, err := collect(with(script).Stream(t.Context(), newAgent(waiter()), llm.User("Hi.")))
		require.NoError(t, err)
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Equal(t, []string{"a", "b", "c"}, results(script.Requests()[1].Messages))
		var order []event.CallRef
		for _, e := range events {
			if b, ok := e.Body.(event.ToolCallFinished); ok {
				order = append(order, b.Call)
			}
		}
		require.Equal(t, []event.CallRef{"r1.t1.c1", "r1.t1.c2", "r1.t1.c0"}, order)
	})
}

// TestLimitOfCalls: sixteen at once in a run, or what a shared Limit allows.
func TestLimitOfCalls(t *testing.T) {
	t.Parallel()
	calls := func(n int) llmtest.Step {
		step := llmtest.Calls("wait", waitArgs{"0", 1})
		for i := 1; i < n; i++ {
			step = step.And(llmtest.Calls("wait", waitArgs{strconv.Itoa(i), 1}))
		}
		return step
	}
	for _, tt := range []struct {
		name  string
		limit *runner.CallLimit
		runs  int
		want  time.Duration
	}{
		{"default", nil, 1, 3 * time.Second},
		{"own", runner.NewCallLimit(10), 1, 4 * time.Second},
		{"shared by two runs", runner.NewCallLimit(10), 2, 8 * time.Second},
		{"one", runner.NewCallLimit(1), 1, 40 * time.Second},
		{"zero is the default", runner.NewCallLimit(0), 1, 3 * time.Second},
		{"the zero Limit", new(runner.CallLimit), 1, 3 * time.Second},
		{"no limit", runner.NewCallLimit(-1), 1, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				done := make(chan error, tt.runs)
				for range tt.runs {
					script := llmtest.Script(t, calls(40), llmtest.Text("Fine."))
					go func() {
						_, err := runner.Runner{Model: script, Calls: tt.limit}.Run(t.Context(), newAgent(waiter()), llm.User("Hi."))
						done <- err
					}()
				}
				for range tt.runs {
					require.NoError(t, <-done)
				}
				require.Equal(t, tt.want, time.Since(start))
			})
		})
	}
}

func TestToolTimeouts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		runner runner.Runner
		opts   []tool.Option
		want   time.Duration
	}{
		{"default", runner.Runner{}, nil, 2 * time.Minute},
		{"of the runner", runner.Runner{ToolTimeout: 7 * time.Second}, nil, 7 * time.Second},
		{"of the tool", runner.Runner{ToolTimeout: 7 * time.Second}, []tool.Option{tool.Timeout(3 * time.Second)}, 3 * time.Second},
		{"none", runner.Runner{ToolTimeout: -1}, nil, 10 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tt.runner.Model = llmtest.Script(t, llmtest.Calls("wait", waitArgs{"a", 600}), llmtest.Text("Fine."))
				start := time.Now()
				_, err := tt.runner.Run(t.Context(), newAgent(waiter(tt.opts...)), llm.User("Hi."))
				require.NoError(t, err)
				require.Equal(t, tt.want, time.Since(start))
			})
		})
	}
}

// TestAbort: a tool ends the run. Running calls are waited for and recorded,
// others do not start, and the error is the tool's own.
func TestAbort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		abort := tool.Must(tool.New("abort", "Aborts.", func(context.Context, struct{}) (string, error) {
			time.Sleep(time.Second) // synctest: exact in a bubble
			return "", tool.Abort(errPlanted)
		}))
		script := llmtest.Script(t, llmtest.Calls("wait", waitArgs{"a", 5}).And(llmtest.Calls("abort", nil), llmtest.Calls("wait", waitArgs{"b", 1})))
		start := time.Now()
		result, err := runner.Runner{Model: script, Calls: runner.NewCallLimit(2)}.Run(t.Context(), newAgent(waiter(), abort), llm.User("Hi."))
		require.ErrorIs(t, err, errPlanted)
		require.EqualError(t, err, "turn 1: tool abort: planted")
		require.Equal(t, 5*time.Second, time.Since(start))
		require.Equal(t, []string{
			"a", "The tool ended the run.",
			"The call did not run: the run ended before it began. It had no effect: call again if it is still needed.",
		}, results(result.Messages))
		requireValid(t, result.Messages)
	})
}

// TestAbortDoesNotWaitForASlot: calls that will not start any more are not
// waited for, whoever holds the slots.
func TestAbortDoesNotWaitForASlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		abort := tool.Must(tool.New("abort", "Aborts.", func(context.Context, struct{}) (string, error) {
			time.Sleep(time.Second) // synctest: exact in a bubble
			return "", tool.Abort(errPlanted)
		}))
		limit := runner.NewCallLimit(2)
		other := llmtest.Script(t, llmtest.Calls("wait", waitArgs{"a", 100}).And(llmtest.Calls("wait", waitArgs{"b", 100})), llmtest.Text("Fine."))
		script := llmtest.Script(t, llmtest.Calls("abort", nil).And(llmtest.Calls("wait", waitArgs{"c", 1})))
		start := time.Now()
		done := make(chan error)
		go func() {
			_, err := runner.Runner{Model: script, Calls: limit}.Run(t.Context(), newAgent(abort, waiter()), llm.User("Hi."))
			done <- err
		}()
		synctest.Wait() // abort has one slot, and c the other
		go func() {
			_, err := runner.Runner{Model: other, Calls: limit}.Run(t.Context(), newAgent(waiter()), llm.User("Hi."))
			done <- err
		}()
		require.ErrorIs(t, <-done, errPlanted)
		require.Equal(t, time.Second, time.Since(start))
		require.NoError(t, <-done)
	})
}

// TestNestedRun: a run inside a tool call does not wait for the slot of that call.
func TestNestedRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limit := runner.NewCallLimit(1)
		inner := runner.Runner{Calls: limit, Model: llmtest.Script(t, llmtest.Calls("wait", waitArgs{"a", 1}), llmtest.Text("Inner."))}
		ask := tool.Must(tool.New("ask", "Asks another agent.", func(ctx context.Context, _ struct{}) (string, error) {
			result, err := inner.Run(ctx, newAgent(waiter()), llm.User("Hi."))
			return result.Text, err
		}))
		outer := runner.Runner{Calls: limit, Model: llmtest.Script(t, llmtest.Calls("ask", nil), llmtest.Text("Outer."))}
		start := time.Now()
		result, err := outer.Run(t.Context(), newAgent(ask), llm.User("Hi."))
		require.NoError(t, err)
		require.Equal(t, []string{"Inner."}, results(result.Messages))
		require.Equal(t, time.Second, time.Since(start))
	})
}

// TestCallFrom: a tool learns which call it runs for.
func TestCallFrom(t *testing.T) {
	t.Parallel()
	var got []tool.Call
	look := tool.Must(tool.New("look", "Looks.", func(ctx context.Context, _ struct{}) (string, error) {
		c := tool.CallFrom(ctx)
		got = append(got, tool.Call{ID: c.ID, Key: c.Key, Fence: c.Fence, Tool: c.Tool, Session: c.Session, Turn: c.Turn})
		deadline, ok := ctx.Deadline()
		require.True(t, ok)
		require.Equal(t, deadline, c.Deadline)
		require.InDelta(t, 2*time.Minute, time.Until(deadline), float64(time.Minute))
		return "", nil
	}))
	steps := []llmtest.Step{llmtest.Calls("look", nil), llmtest.Calls("look", nil), llmtest.Text("Fine.")}
	_, err := with(llmtest.Script(t, steps...)).Session("order-42").Run(t.Context(), newAgent(look), runner.Say(llm.User("Hi.")))
	require.NoError(t, err)
	id := strings.Split(got[0].Key, "/")[1]
	require.Len(t, id, 26)
	require.Equal(t, []tool.Call{
		{ID: "call_1", Key: "order-42/" + id + "/r1.t1.c0", Fence: 5, Tool: "look", Session: "order-42", Turn: 1},
		{ID: "call_2", Key: "order-42/" + id + "/r1.t2.c0", Fence: 9, Tool: "look", Session: "order-42", Turn: 2},
	}, got)

	// Keys differ between runs, be it that there is no session, or that one of
	// the same name has another journal.
	got = nil
	for range 2 {
		_, err := with(llmtest.Script(t, steps[1:]...)).Run(t.Context(), newAgent(look), llm.User("Hi."))
		require.NoError(t, err)
		_, err = with(llmtest.Script(t, steps[1:]...)).Session("s").Run(t.Context(), newAgent(look), runner.Say(llm.User("Hi.")))
		require.NoError(t, err)
	}
	keys := map[string]bool{}
	for _, c := range got {
		keys[c.Key] = true
	}
	require.Len(t, keys, 4)
	require.Equal(t, tool.Call{}, tool.CallFrom(t.Context()))
}

// TestRepeatedIDs: providers repeat the ids of calls, within a turn even.
func TestRepeatedIDs(t *testing.T) {
	t.Parallel()
	call := func(id, city string) llm.Part {
		return llm.ToolCall{ID: id, Name: "get_weather", Arguments: `{"city":"` + city + `"}`}
	}
	script := llmtest.Script(t,
		llmtest.Parts(call("x", "A"), call("x", "B"), call("x", "C")),
		llmtest.Parts(call("x", "D")),
		llmtest.Text("Fine."))
	result, err := with(script).Run(t.Context(), newAgent(weather()), llm.User("Hi."))
	require.NoError(t, err)
	require.Equal(t, []string{"A: 22 °C", "B: 22 °C", "C: 22 °C", "D: 22 °C"}, results(result.Messages))
}

// TestWrongArgumentsInHistory: arguments that are not an object would make a
// provider refuse every later request, so the history shows {}.
func TestWrongArgumentsInHistory(t *testing.T) {
	t.Parallel()
	for _, args := range []string{`{"city":`, `"Oslo"`, `[1]`, `nope`} {
		script := llmtest.Script(t, llmtest.Calls("get_weather", args), llmtest.Text("Fine."))
		var answered event.ModelAnswered
		for e, err := range with(script).Stream(t.Context(), newAgent(weather()), llm.User("Hi.")) {
			require.NoError(t, err)
			if b, ok := e.Body.(event.ModelAnswered); ok && b.Turn == 1 {
				answered = b
			}
		}
		require.Equal(t, args, answered.Message.Calls()[0].Arguments, "the event says what really was")
		require.Equal(t, "{}", script.Requests()[1].Messages[1].Calls()[0].Arguments)
	}
}

// TestRepairedArgumentsInHistory: the model reads the call that ran.
func TestRepairedArgumentsInHistory(t *testing.T) {
	t.Parallel()
	for written, ran := range map[string]string{
		"{\"city\":\"Os\nlo\",} // north":    `{"city":"Os\nlo"}`,
		"```json\n{\"city\": \"Oslo\"}\n```": `{"city":"Oslo"}`,
		`"{\"city\":\"Oslo\"}"`:              `{"city":"Oslo"}`,
		`{"city": "Oslo"}`:                   `{"city": "Oslo"}`,
	} {
		script := llmtest.Script(t, llmtest.Parts(llm.ToolCall{Name: "get_weather", Arguments: `{"city":"Rome"}`},
			llm.ToolCall{Name: "get_weather", Arguments: written}, llm.ToolCall{Name: "get_weather", Arguments: "nope"}), llmtest.Text("Fine."))
		result, err := with(script).Run(t.Context(), newAgent(weather()), llm.User("Hi."))
		require.NoError(t, err)
		var shown []string
		for _, c := range script.Requests()[1].Messages[1].Calls() {
			shown = append(shown, c.Arguments)
		}
		require.Equal(t, []string{`{"city":"Rome"}`, ran, "{}"}, shown)
		require.Equal(t, script.Requests()[1].Messages[1], result.Messages[1])
	}
}

// TestLeaveBeforeLaunch: leaving, or cancelling, at a ToolCallStarted keeps
// every function of the turn from running.
func TestLeaveBeforeLaunch(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"break", "cancel"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var ran atomic.Int32
				pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) {
					ran.Add(1)
					return "paid", nil
				}))
				s := with(llmtest.Script(t, llmtest.Calls("pay", nil).And(llmtest.Calls("pay", nil)), llmtest.Text("Fine."))).Session("s")
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				for e, err := range s.Stream(ctx, newAgent(pay), runner.Say(llm.User("Hi."))) {
					if err != nil {
						require.ErrorIs(t, err, context.Canceled)
						break
					}
					if e.Type() == "tool_call_started" {
						synctest.Wait() // whatever could run has run
						cancel()
						if how == "break" {
							break
						}
					}
				}
				require.Zero(t, ran.Load())
				result, err := s.Run(t.Context(), newAgent(pay), runner.Say(llm.User("Go on.")))
				require.NoError(t, err)
				notRun := "The call did not run: the run ended before it began. It had no effect: call again if it is still needed."
				require.Equal(t, []string{notRun, notRun}, results(result.Messages))
			})
		})
	}
}

// TestLeaveWaits: when the loop has ended, so have the functions.
func TestLeaveWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := 0
		slow := tool.Must(tool.New("slow", "Is slow to stop.", func(ctx context.Context, _ struct{}) (string, error) {
			<-ctx.Done()
			time.Sleep(2 * time.Second) // synctest: exact in a bubble
			ended++
			return "", context.Cause(ctx)
		}))
		script := llmtest.Script(t, llmtest.Calls("slow", nil).And(llmtest.Calls("get_weather", cityArgs{"Oslo"})))
		start := time.Now()
		for e, err := range with(script).Stream(t.Context(), newAgent(slow, weather()), llm.User("Hi.")) {
			require.NoError(t, err)
			if e.Type() == "tool_call_finished" {
				break
			}
		}
		require.Equal(t, 1, ended)
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

// TestLeaveTellsTheModel: the context of a model ends when the consumer leaves
// at a delta. The model may run ahead of the consumer.
func TestLeaveTellsTheModel(t *testing.T) {
	t.Parallel()
	told := false
	m := llm.ModelFunc(func(ctx context.Context, _ *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		sink(llm.TextDelta{Text: "It"})
		<-ctx.Done()
		told = true
		sink(llm.TextDelta{Text: "is"}) // a model that does not look at its context
		return &llm.Response{Message: llm.Assistant("It is")}, nil
	})
	for e, err := range with(m).Stream(t.Context(), newAgent(), llm.User("Hi.")) {
		require.NoError(t, err)
		if e.Type() == "text_delta" {
			break
		}
	}
	require.True(t, told)
}

// TestGreedyModel: a model that appends to the request's messages does no harm,
// and suffers none.
func TestGreedyModel(t *testing.T) {
	t.Parallel()
	turn := 0
	var mine [][]llm.Message
	m := llm.ModelFunc(func(_ context.Context, req *llm.Request, _ func(llm.Delta)) (*llm.Response, error) {
		req.Messages = append(req.Messages, llm.User("planted"), llm.User("planted"))
		mine = append(mine, req.Messages)
		if turn++; turn < 9 {
			return llmtest.Parts(llm.ToolCall{ID: "c", Name: "get_weather", Arguments: `{"city":"Oslo"}`}).Response()
		}
		return llmtest.Text("Fine.").Response()
	})
	result, err := runner.Runner{Model: m, Limits: runner.Limits{Repeats: -1}}.Run(t.Context(), newAgent(weather()), llm.User("Hi."))
	require.NoError(t, err)
	require.Len(t, result.Messages, 18)
	for _, m := range result.Messages {
		require.NotEqual(t, llm.User("planted"), m)
	}
	for _, messages := range mine {
		require.Equal(t, llm.User("planted"), messages[len(messages)-2])
	}
}

// TestSlowConsumer: results are recorded while the loop body holds an event.
func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := llmtest.Script(t, llmtest.Calls("wait", waitArgs{"a", 1}).And(llmtest.Calls("wait", waitArgs{"b", 2})), llmtest.Text("Fine."))
		var finished []time.Time
		for e, err := range with(script).Stream(t.Context(), newAgent(waiter()), llm.User("Hi.")) {
			require.NoError(t, err)
			if e.Type() == "tool_call_finished" {
				finished = append(finished, e.Time)
				time.Sleep(time.Minute) // synctest: exact in a bubble
			}
		}
		require.Equal(t, time.Second, finished[1].Sub(finished[0]))
	})
}
