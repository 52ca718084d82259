package runner_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type stepArgs struct {
	N int `json:"n"`
}

// spending returns an agent whose model calls the tool step in every turn, with another
// argument each, until the request allows no tool. Each answer costs 100 and 10 tokens.
func spending(ran *int, calls int) *agent.Agent {
	step := tool.Must(tool.New("step", "Steps.", func(_ context.Context, in stepArgs) (string, error) {
		*ran++
		return fmt.Sprint(in.N), nil
	}, tool.Alone()))
	n := 0
	model := llmtest.NewScript(llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		answer := llmtest.Text("What I know.")
		if req.ToolChoice != llm.ToolNone {
			n++
			answer = llmtest.Calls("step", stepArgs{n})
			for range calls - 1 {
				n++
				answer = answer.And(llmtest.Calls("step", stepArgs{n}))
			}
		}
		return answer.Usage(llm.Usage{InputTokens: 100, OutputTokens: 10}).Response()
	}).Forever())
	return &agent.Agent{Model: model, Tools: []tool.Tool{step}}
}

func cents(_ string, u llm.Usage) float64 { return float64(u.InputTokens) / 100 }

func TestLimitsOnSums(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		limits runner.Limits
		want   runner.LimitError
		turns  int
		ran    int
		text   string
	}{
		{runner.Limits{ToolCalls: 5}, runner.LimitError{Limit: "tool_calls", Max: 5}, 3, 4, "limit of 5 tool calls reached (Limits.ToolCalls)"},
		{runner.Limits{ToolCalls: 6}, runner.LimitError{Limit: "tool_calls", Max: 6}, 4, 6, "limit of 6 tool calls reached (Limits.ToolCalls)"},
		{runner.Limits{InputTokens: 250}, runner.LimitError{Limit: "input_tokens", Max: 250}, 3, 6, "limit of 250 input tokens reached (Limits.InputTokens)"},
		{runner.Limits{OutputTokens: 20}, runner.LimitError{Limit: "output_tokens", Max: 20}, 2, 4, "limit of 20 output tokens reached (Limits.OutputTokens)"},
		{runner.Limits{Tokens: 120}, runner.LimitError{Limit: "tokens", Max: 120}, 2, 4, "limit of 120 tokens reached (Limits.Tokens)"},
		{runner.Limits{RequestTokens: 100}, runner.LimitError{Limit: "request_tokens", Max: 100}, 1, 2, "the next request exceeds 100 tokens (Limits.RequestTokens)"},
		{runner.Limits{Cost: 2}, runner.LimitError{Limit: "cost", Cost: 2}, 2, 4, "cost limit of 2 reached (Limits.Cost)"},
	} {
		t.Run(tt.want.Limit+fmt.Sprint(tt.want.Max), func(t *testing.T) {
			t.Parallel()
			ran := 0
			r := runner.Runner{Limits: tt.limits, Cost: cents}
			result, err := r.Run(t.Context(), spending(&ran, 2), llm.User("Go."))
			requireStop(t, tt.want, err)
			require.ErrorContains(t, err, tt.text)
			require.Equal(t, tt.turns, result.Turns)
			require.Equal(t, tt.ran, ran)

			ran = 0
			r.AtLimit = runner.LastAnswer
			result, err = r.Run(t.Context(), spending(&ran, 2), llm.User("Go."))
			require.NoError(t, err)
			require.Equal(t, "What I know.", result.Text)
			require.Equal(t, tt.turns+1, result.Turns)
			require.Equal(t, tt.ran, ran)
			require.NoError(t, (&llm.Request{Messages: result.Messages}).Validate())
		})
	}
}

// TestLimitsSurviveCrashes: limits after a crash are the limits before.
func TestLimitsSurviveCrashes(t *testing.T) {
	t.Parallel()
	for _, last := range []bool{false, true} {
		r := runner.Runner{Limits: runner.Limits{ToolCalls: 4, Tokens: 10_000}, Journal: new(journal.Memory)}
		if last {
			r.AtLimit = runner.LastAnswer
		}
		ran := 0
		whole, err := r.Session("s").Run(t.Context(), spending(&ran, 2), runner.Say(llm.User("Go.")))
		if !last {
			requireStop(t, runner.LimitError{Limit: "tool_calls", Max: 4}, err)
		}
		for cut := 2; cut < len(whole.Events); cut++ {
			memory := new(journal.Memory)
			log, err := memory.Open(t.Context(), "s")
			require.NoError(t, err)
			require.NoError(t, log.Append(t.Context(), true, whole.Events[:cut]...))
			require.NoError(t, log.Close())
			r.Journal, r.Decide = memory, func(_ context.Context, p runner.Pending) (runner.Input, error) { return p.RunAgain(), nil }
			result, err := r.Session("s").Run(t.Context(), spending(&ran, 2))
			if last {
				require.NoError(t, err, "cut after %d", cut)
				require.Equal(t, "What I know.", result.Text)
			} else {
				requireStop(t, runner.LimitError{Limit: "tool_calls", Max: 4}, err)
			}
			require.LessOrEqual(t, result.Turns, whole.Turns, "cut after %d", cut)
		}
	}
}

func TestAtLimit(t *testing.T) {
	t.Parallel()
	ran := 0
	planted := errors.New("planted")
	for _, tt := range []struct {
		at   func(context.Context, *runner.LimitError) (bool, error)
		want string
	}{
		{func(_ context.Context, l *runner.LimitError) (bool, error) { return false, nil }, "limit of 1 tool calls reached"},
		{func(_ context.Context, l *runner.LimitError) (bool, error) { return true, planted }, "planted"},
		{func(_ context.Context, l *runner.LimitError) (bool, error) { panic(planted) }, "runner: AtLimit panicked: planted"},
	} {
		result, err := runner.Runner{Limits: runner.Limits{ToolCalls: 1}, AtLimit: tt.at}.Run(t.Context(), spending(&ran, 1), llm.User("Go."))
		require.ErrorContains(t, err, tt.want)
		require.NoError(t, (&llm.Request{Messages: result.Messages}).Validate())
	}
	_, err := runner.Runner{Cost: func(string, llm.Usage) float64 { panic("planted") }}.Run(t.Context(), spending(&ran, 1), llm.User("Go."))
	require.ErrorContains(t, err, "runner: Cost panicked: planted")
	_, err = runner.Runner{Cost: func(string, llm.Usage) float64 { return -1 }}.Run(t.Context(), spending(&ran, 1), llm.User("Go."))
	require.ErrorContains(t, err, "runner: Cost returned -1")
}

func TestBadLimits(t *testing.T) {
	t.Parallel()
	ran := 0
	for want, r := range map[string]runner.Runner{
		"runner: Limits.ToolCalls is -1; 0 means no limit":                              {Limits: runner.Limits{ToolCalls: -1}},
		"runner: Limits.Tokens is -5; 0 means no limit":                                 {Limits: runner.Limits{Tokens: -5}},
		"runner: Limits.Cost is -1; 0 means no limit":                                   {Limits: runner.Limits{Cost: -1}},
		"runner: Limits.Cost needs Runner.Cost":                                         {Limits: runner.Limits{Cost: 1}},
		"runner: Limits.Repeats is 1; the smallest number is 2, and -1 means no limit":  {Limits: runner.Limits{Repeats: 1}},
		"runner: Budget.Cost needs Runner.Cost":                                         {Budget: &runner.Budget{Cost: 1}},
		"runner: the Budget has 0 Tokens and a Cost of 0; one of them must be positive": {Budget: &runner.Budget{}},
	} {
		_, err := r.Run(t.Context(), spending(&ran, 1), llm.User("Go."))
		require.EqualError(t, err, want)
	}
}

// TestBudget: 32 runs at the same time exceed their Budget by at most one request each.
func TestBudget(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]*runner.Budget{"tokens": {Tokens: 5_000}, "cost": {Cost: 50}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runner.Runner{Budget: b, Cost: cents, MaxTurns: -1}
			var runs sync.WaitGroup
			for range 32 {
				runs.Go(func() {
					ran := 0
					_, err := r.Run(t.Context(), spending(&ran, 1), llm.User("Go."))
					limit, ok := errors.AsType[*runner.LimitError](err)
					if !ok || limit.Limit != "budget" {
						t.Errorf("a run ended with %v", err)
					}
				})
			}
			runs.Wait()
			tokens, cost := b.Used()
			if name == "tokens" {
				require.GreaterOrEqual(t, tokens, b.Tokens)
				require.Less(t, tokens, b.Tokens+32*110)
			} else {
				require.GreaterOrEqual(t, cost, b.Cost-1)
				require.Less(t, cost, b.Cost+32)
			}
			ran := 0
			_, err := r.Run(t.Context(), spending(&ran, 1), llm.User("Go."))
			require.ErrorContains(t, err, "budget")
			r.AtLimit = runner.LastAnswer
			_, err = r.Run(t.Context(), spending(&ran, 1), llm.User("Go."))
			require.ErrorContains(t, err, "budget", "a used up budget pays no last turn of a new run")
			require.Zero(t, ran)
		})
	}
}

func TestStalls(t *testing.T) {
	t.Parallel()
	look := func(opts ...tool.Option) tool.Tool {
		return tool.Must(tool.New("look", "Looks.", func(_ context.Context, in stepArgs) (string, error) { return "nothing new", nil }, opts...))
	}
	n := 0
	changing := tool.Must(tool.New("look", "Looks.", func(context.Context, stepArgs) (string, error) { n++; return fmt.Sprint(n), nil }))
	a, b := llmtest.Calls("look", stepArgs{1}), llmtest.Calls("look", stepArgs{2})
	for _, tt := range []struct {
		name    string
		tool    tool.Tool
		repeats int
		steps   []llmtest.Step
		turns   int
		nudged  bool
		limit   string
	}{
		{"the same call", look(), 3, []llmtest.Step{a.Forever()}, 6, true, "stall"},
		{"the default", look(), 0, []llmtest.Step{a.Forever()}, 10, true, "stall"},
		{"off", look(), -1, []llmtest.Step{a.Forever()}, 13, false, "turns"},
		{"a cycle", look(), 3, []llmtest.Step{a, b, a, b, a, b, a, b, a, b, a, b}, 12, true, "stall"},
		{"the nudge helps", look(), 2, []llmtest.Step{a, a, llmtest.Text("Nothing.")}, 3, true, ""},
		{"no repeats", look(), 2, []llmtest.Step{a, b, llmtest.Text("Nothing.")}, 3, false, ""},
		{"another result", changing, 2, []llmtest.Step{a, a, a, a, llmtest.Text("Four.")}, 5, false, ""},
		{"a tool that polls", look(tool.Polling()), 2, []llmtest.Step{a, a, a, a, llmtest.Text("Nothing.")}, 5, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := runner.Runner{MaxTurns: 13, Limits: runner.Limits{Repeats: tt.repeats}}
			result, err := r.Run(t.Context(), &agent.Agent{Model: llmtest.NewScript(tt.steps...), Tools: []tool.Tool{tt.tool}}, llm.User("Look."))
			if tt.limit == "" {
				require.NoError(t, err)
			} else {
				limit, ok := errors.AsType[*runner.LimitError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, tt.limit, limit.Limit)
			}
			require.Equal(t, tt.turns, result.Turns)
			nudged := false
			for _, e := range result.Events {
				_, is := e.Body.(event.StallDetected)
				nudged = nudged || is
			}
			require.Equal(t, tt.nudged, nudged)
		})
	}
}

func requireStop(t *testing.T, want runner.LimitError, err error) {
	t.Helper()
	got, ok := errors.AsType[*runner.LimitError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, &want, got)
}

// TestWorkTime: waits for people, for a retry and for the limits of an account are no work.
func TestWorkTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		busy := llmtest.Wire(429, http.Header{"Retry-After": {"50"}}, `{"error":{"message":"Slow down."}}`)
		step := llmtest.Calls("wait", waitArgs{"a", 3})
		script := llmtest.NewScript(busy, step.Delay(2*time.Second), llmtest.Calls("wait", waitArgs{"b", 4}).And(llmtest.Calls("wait", waitArgs{"c", 4})), step.Forever())
		limiter := wrap.Limiter{RequestsPerMinute: 1}
		waiting := tool.Must(tool.New("wait", "Waits.", func(_ context.Context, in waitArgs) (string, error) {
			<-time.After(time.Duration(in.Seconds) * time.Second)
			return "waited", nil
		}, tool.NeedsApproval()))
		r := runner.Runner{
			Limits:  runner.Limits{WorkTime: 9 * time.Second},
			Journal: new(journal.Memory),
			Decide: func(_ context.Context, p runner.Pending) (runner.Input, error) {
				<-time.After(time.Minute)
				return p.Approve(), nil
			},
		}
		a := &agent.Agent{Model: limiter.Model(wrap.Retry{}.Model(script)), Tools: []tool.Tool{waiting}}
		began := time.Now()
		result, err := r.Session("s").Run(t.Context(), a, runner.Say(llm.User("Wait.")))
		requireStop(t, runner.LimitError{Limit: "work_time", Max: int64(9 * time.Second)}, err)
		require.ErrorContains(t, err, "limit of 9s of work reached (Limits.WorkTime)")
		require.Equal(t, 2, result.Turns, "2 s of the model, 3 s and 4 s of calls")
		require.Greater(t, time.Since(began), 3*time.Minute)
	})
}

// TestBudgetNames: the error names the bound that is used up. A provider that reports no
// usage pays the estimate.
func TestBudgetNames(t *testing.T) {
	t.Parallel()
	ran := 0
	r := runner.Runner{Budget: &runner.Budget{Tokens: 1_000_000, Cost: 2}, Cost: cents}
	_, err := r.Run(t.Context(), spending(&ran, 1), llm.User("Go."))
	require.EqualError(t, err, "budget of 2 (Budget.Cost) is used up")
	silent := &agent.Agent{Model: llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
		return &llm.Response{Message: llm.Assistant("Hi."), Finish: llm.FinishOf("stop", "")}, nil
	})}
	r = runner.Runner{Budget: &runner.Budget{Tokens: 5}}
	_, err = r.Run(t.Context(), silent, llm.User("A question of about twelve tokens, as far as bytes say."))
	require.NoError(t, err)
	_, err = r.Run(t.Context(), silent, llm.User("Again."))
	require.EqualError(t, err, "budget of 5 tokens is used up")
	for _, b := range []*runner.Budget{{Cost: math.NaN()}, {Tokens: 5, Cost: math.NaN()}} {
		_, err = runner.Runner{Budget: b, Cost: cents}.Run(t.Context(), silent, llm.User("Go."))
		require.ErrorContains(t, err, "Cost of NaN")
	}
}

// TestEstimates: the first request counts with instructions and tools; reasoning is no part
// of the next request.
func TestEstimates(t *testing.T) {
	t.Parallel()
	ran := 0
	r := runner.Runner{Limits: runner.Limits{RequestTokens: 8_000}}
	long := spending(&ran, 1)
	long.Instructions = strings.Repeat("long ", 100_000)
	_, err := r.Run(t.Context(), long, llm.User("Go."))
	requireStop(t, runner.LimitError{Limit: "request_tokens", Max: 8_000}, err)
	thinking := llm.Usage{InputTokens: 100, OutputTokens: 20_050, ReasoningTokens: 20_000}
	a := newAgent(weather())
	a.Model = llmtest.Script(t, llmtest.Calls("get_weather", cityArgs{"Oslo"}).Usage(thinking), llmtest.Text("Warm."))
	_, err = r.Run(t.Context(), a, llm.User("Go."))
	require.NoError(t, err)
}

// TestCostFails: an answer that was made is not lost when its cost cannot be computed.
func TestCostFails(t *testing.T) {
	t.Parallel()
	a := newAgent()
	a.Model = llmtest.Script(t, llmtest.Text("A long answer.").Usage(llm.Usage{InputTokens: 7, OutputTokens: 1}))
	result, err := runner.Runner{Cost: func(string, llm.Usage) float64 { panic("no price") }}.Run(t.Context(), a, llm.User("Go."))
	require.EqualError(t, err, "runner: Cost panicked: no price")
	require.Equal(t, "A long answer.", result.Text)
	require.EqualValues(t, 7, result.Usage.InputTokens)
}

// TestPicturesAreNoStall: another picture is another result.
func TestPicturesAreNoStall(t *testing.T) {
	t.Parallel()
	n := byte(0)
	look := tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (llm.Image, error) {
		n++
		return llm.Image{Data: []byte{n}, MediaType: "image/png"}, nil
	}))
	script := llmtest.Script(t, llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		if n == 12 {
			return llmtest.Text("Seen.").Response()
		}
		return llmtest.Calls("look", nil).Response()
	}).Forever())
	_, err := runner.Run(t.Context(), &agent.Agent{Model: script, Tools: []tool.Tool{look}}, llm.User("Scroll."))
	require.NoError(t, err)
}
