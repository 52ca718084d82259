package runner_test

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/seed-916e8f6a/toolloop/tool"
)

type verdict = agent.Verdict

// saying returns a function of a check that says one verdict after the other, and then lets
// everything pass.
func saying(verdicts ...verdict) func(context.Context, agent.Subject) (verdict, error) {
	var mu sync.Mutex
	return func(context.Context, agent.Subject) (verdict, error) {
		mu.Lock()
		defer mu.Unlock()
		if len(verdicts) == 0 {
			return verdict{}, nil
		}
		v := verdicts[0]
		verdicts = verdicts[1:]
		return v, nil
	}
}

// guarded returns an agent that pays by a tool, which counts its calls.
func guarded(check agent.Check, paid *[]string) *agent.Agent {
	var mu sync.Mutex
	pay := tool.Must(tool.New("pay", "Pays.", func(_ context.Context, in stepArgs) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		*paid = append(*paid, fmt.Sprint(in.N))
		return fmt.Sprintf("paid %d", in.N), nil
	}))
	if check.Name == "" {
		check.Name = "guard"
	}
	return &agent.Agent{Tools: []tool.Tool{pay}, Checks: []agent.Check{check}}
}

// A checkRow is a check, what a model answers, and what becomes of the run.
type checkRow struct {
	name  string
	check agent.Check
	steps []llmtest.Step
	want  string // the history
	paid  string
	err   string // stage and reason of the CheckError
}

// checkRows returns each verdict in each stage, for one use.
func checkRows() []checkRow {
	call, done := llmtest.Calls("pay", stepArgs{5}), llmtest.Text("Done.")
	return []checkRow{
		{"pass", agent.Check{Input: saying(), Call: saying(), Result: saying(), Output: saying()}, []llmtest.Step{call, done}, "Go. | | paid 5 | Done.", "5", ""},
		{"input stops", agent.Check{Input: saying(verdict{Stop: "no"})}, nil, "", "", "input: no"},
		{"input replaced", agent.Check{Input: saying(verdict{Replace: "Come."})}, []llmtest.Step{done}, "Come. | Done.", "", ""},
		{"input beside stops", agent.Check{Beside: true, Input: saying(verdict{Stop: "no"})}, []llmtest.Step{call}, "", "", "input: no"},
		{"input beside replaced", agent.Check{Beside: true, Input: saying(verdict{Replace: "Come."})}, []llmtest.Step{call, done}, "Come. | Done.", "", ""},
		{"call stops", agent.Check{Call: saying(verdict{}, verdict{Stop: "no"})}, []llmtest.Step{call.And(call)}, "Go. | | not run | not run", "", "call: no"},
		{"call replaced", agent.Check{Call: saying(verdict{Replace: `{"n":4}`})}, []llmtest.Step{call, done}, `Go. | | [A check of the program changed the arguments before the call ran: {"n":4}] paid 4 | Done.`, "4", ""},
		{"call again", agent.Check{Call: saying(verdict{Again: "too much"})}, []llmtest.Step{call, call, done}, "Go. | | The call did not run, because it was refused: too much Make another call, or go on without it. | | paid 5 | Done.", "5", ""},
		{"call again too often", agent.Check{Call: saying(verdict{Again: "a"}, verdict{Again: "b"}), Retries: -1}, []llmtest.Step{call}, "Go. | | not run", "", "call: a"},
		{"result stops", agent.Check{Result: saying(verdict{Stop: "no"})}, []llmtest.Step{call}, "Go. | | The result was withheld by a check of the program.", "5", "result: no"},
		{"result replaced", agent.Check{Result: saying(verdict{Replace: "paid"})}, []llmtest.Step{call, done}, "Go. | | paid | Done.", "5", ""},
		{"result again", agent.Check{Result: saying(verdict{Again: "ask somebody else"})}, []llmtest.Step{call, done}, "Go. | | error: ask somebody else | Done.", "5", ""},
		{"output stops", agent.Check{Output: saying(verdict{Stop: "no"})}, []llmtest.Step{done}, "Go.", "", "output: no"},
		{"output replaced", agent.Check{Output: saying(verdict{Replace: "Well."})}, []llmtest.Step{done}, "Go. | Well.", "", ""},
		{"output again", agent.Check{Output: saying(verdict{Again: "be brief"})}, []llmtest.Step{llmtest.Text("Long."), done}, "Go. | Long. | Your last reply was not accepted: be brief Reply again. | Done.", "", ""},
		{
			"output again too often", agent.Check{Retries: 1, Output: saying(verdict{Again: "a"}, verdict{Again: "b"})},
			[]llmtest.Step{llmtest.Text("1"), llmtest.Text("2")}, "Go. | 1 | Your last reply was not accepted: a Reply again.", "", "output: b",
		},
	}
}

// TestChecks: each verdict in each stage, streaming or not.
func TestChecks(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		for _, tt := range checkRows() {
			t.Run(fmt.Sprint(tt.name, stream), func(t *testing.T) {
				t.Parallel()
				var paid []string
				a := guarded(tt.check, &paid)
				a.Model = llmtest.Script(t, tt.steps...)
				if tt.check.Beside {
					afterAnswer(a)
				}
				result, _, err := runEither(t, runner.Runner{}, a, stream)
				require.Equal(t, tt.want, oneLine(result.Messages))
				require.Equal(t, tt.paid, strings.Join(paid, " "))
				requireValid(t, result.Messages)
				if tt.err == "" {
					require.NoError(t, err)
					return
				}
				stop, ok := errors.AsType[*runner.CheckError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, "guard", stop.Check)
				require.Equal(t, tt.err, stop.Stage+": "+stop.Reason)
				require.Contains(t, err.Error(), `check "guard" stopped the run`)
			})
		}
	}
}

// afterAnswer makes the check of the agent wait for the first answer of the model. A check that
// is faster ends the request before a script has taken its step.
func afterAnswer(a *agent.Agent) {
	model, input, answered := a.Model, a.Checks[0].Input, make(chan struct{})
	var once sync.Once
	a.Model = llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		defer once.Do(func() { close(answered) })
		return model.Generate(ctx, req, sink)
	})
	a.Checks[0].Input = func(ctx context.Context, s agent.Subject) (agent.Verdict, error) {
		<-answered
		return input(ctx, s)
	}
}

// oneLine shows a history in one line.
func oneLine(messages []llm.Message) string {
	var all []string
	for _, m := range messages {
		text := m.Text()
		for _, r := range m.Results() {
			text = r.Text()
			if strings.Contains(text, "a check of the program ended the run") {
				text = "not run"
			} else if r.IsError && !strings.HasPrefix(text, "The ") {
				text = "error: " + text
			}
		}
		all = append(all, strings.Join(strings.Fields(text), " "))
	}
	return strings.Join(strings.Fields(strings.Join(all, " | ")), " ")
}

// TestChecksThatFail end the run with an error; the log has the stack of a panic. Nothing
// unchecked runs or reaches a model.
func TestChecksThatFail(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(context.Context, agent.Subject) (verdict, error){
		"error":                  func(context.Context, agent.Subject) (verdict, error) { return verdict{}, errors.New("it broke") },
		"panicked: it broke":     func(context.Context, agent.Subject) (verdict, error) { panic("it broke") },
		"did not end within 10s": func(ctx context.Context, _ agent.Subject) (verdict, error) { <-ctx.Done(); return verdict{}, ctx.Err() },
		"more than one":          func(context.Context, agent.Subject) (verdict, error) { return verdict{Stop: "a", Replace: "b"}, nil },
		"white space":            func(context.Context, agent.Subject) (verdict, error) { return verdict{Stop: " "}, nil },
	} {
		for _, stage := range []string{"input", "beside", "call", "result", "output"} {
			t.Run(name+stage, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c := agent.Check{}
					switch stage {
					case "input":
						c.Input = check
					case "beside":
						c.Input, c.Beside = check, true
					case "call":
						c.Call = check
					case "result":
						c.Result = check
					default:
						c.Output = check
					}
					var paid []string
					a := guarded(c, &paid)
					script := llmtest.NewScript(llmtest.Calls("pay", stepArgs{5}), llmtest.Text("Done.").Forever())
					a.Model = script
					var log strings.Builder
					r := runner.Runner{ToolTimeout: 10 * time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))}
					result, err := r.Run(t.Context(), a, llm.User("Go."))
					require.ErrorContains(t, err, `check "guard"`)
					require.ErrorContains(t, err, strings.TrimPrefix(name, "error"))
					requireValid(t, result.Messages)
					require.Equal(t, strings.HasPrefix(name, "panicked"), strings.Contains(log.String(), "check_test.go"), "the stack: %s", log.String())
					if stage != "beside" { // the check may be faster than the request
						require.Len(t, script.Requests(), map[string]int{"call": 1, "result": 1, "output": 2}[stage])
					}
					require.Equal(t, stage == "result" || stage == "output", len(paid) > 0)
				})
			})
		}
	}
}

// TestBesideCheck runs beside the request. A check that trips cancels the request at once.
func TestBesideCheck(t *testing.T) {
	t.Parallel()
	after := func(d time.Duration, v verdict) func(context.Context, agent.Subject) (verdict, error) {
		return func(ctx context.Context, _ agent.Subject) (verdict, error) {
			select {
			case <-time.After(d):
				return v, nil
			case <-ctx.Done():
				return v, ctx.Err()
			}
		}
	}
	for _, stream := range []bool{false, true} {
		for _, tt := range []struct {
			name  string
			check time.Duration
			says  verdict
			took  time.Duration
			calls int
		}{
			{"fast", time.Second, verdict{}, 5 * time.Second, 1},
			{"slow", 9 * time.Second, verdict{}, 9 * time.Second, 1},
			{"fast stop", time.Second, verdict{Stop: "no"}, time.Second, 0},
			{"slow stop", 9 * time.Second, verdict{Stop: "no"}, 9 * time.Second, 0},
		} {
			t.Run(fmt.Sprint(tt.name, stream), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var paid []string
					a := guarded(agent.Check{Beside: true, Input: after(tt.check, tt.says)}, &paid)
					a.Model = llmtest.NewScript(llmtest.Calls("pay", stepArgs{5}).With(llmtest.Late(5*time.Second)), llmtest.Text("Done."))
					began := time.Now()
					result, events, err := runEither(t, runner.Runner{}, a, stream)
					require.Equal(t, tt.took, time.Since(began))
					require.Len(t, paid, tt.calls)
					if tt.says.Stop == "" {
						require.NoError(t, err)
						return
					}
					require.ErrorAs(t, err, new(*runner.CheckError))
					require.Nil(t, bodyOf(events, "model_answered", 0))
					require.Empty(t, result.Messages)
				})
			})
		}
	}
}

func runEither(t *testing.T, r runner.Runner, a *agent.Agent, stream bool) (*runner.Result, []event.Event, error) {
	t.Helper()
	s := r.Session("s")
	if !stream {
		result, err := s.Run(t.Context(), a, runner.Say(llm.User("Go.")))
		return result, result.Events, err
	}
	events, err := collect(s.Stream(t.Context(), a, runner.Say(llm.User("Go."))))
	messages, merr := s.Messages(t.Context())
	require.NoError(t, merr)
	return &runner.Result{Messages: messages, Events: events}, events, err
}

// TestCheckAsks: what a check spends counts, and limits see it.
func TestCheckAsks(t *testing.T) {
	t.Parallel()
	small := llmtest.Script(t, llmtest.Text("fine").Usage(llm.Usage{InputTokens: 7, OutputTokens: 1, TotalTokens: 8}))
	var paid []string
	a := guarded(agent.Check{Output: func(ctx context.Context, s agent.Subject) (verdict, error) {
		resp, err := s.Ask(ctx, small, &llm.Request{Messages: []llm.Message{llm.User(s.Text)}})
		if err != nil || resp.Message.Text() == "fine" {
			return verdict{}, err
		}
		return verdict{Stop: "bad"}, nil
	}}, &paid)
	a.Model = llmtest.Script(t, llmtest.Text("Done.").Usage(llm.Usage{InputTokens: 10, OutputTokens: 5, TotalTokens: 15}))
	r := runner.Runner{Cost: func(string, llm.Usage) float64 { return 1 }, Budget: &runner.Budget{Tokens: 100}}
	result, err := r.Run(t.Context(), a, llm.User("Go."))
	require.NoError(t, err)
	require.Equal(t, llm.Usage{InputTokens: 17, OutputTokens: 6, TotalTokens: 23}, result.Usage)
	tokens, cost := r.Budget.Used()
	require.Equal(t, []any{int64(23), 2.0}, []any{tokens, cost})
	require.Equal(t, result.Usage, bodyOf(result.Events, "run_finished", 0).(event.RunFinished).Usage)
}

// TestChecksAreRedacted: neither the reason nor the text of a verdict shows a secret.
func TestChecksAreRedacted(t *testing.T) {
	t.Parallel()
	var paid []string
	a := guarded(agent.Check{Result: saying(verdict{Again: "hunter2 is wrong"}, verdict{Replace: "it is hunter2"}, verdict{Stop: "hunter2"})}, &paid)
	call := llmtest.Calls("pay", stepArgs{5})
	a.Model = llmtest.Script(t, call, call, call)
	var log strings.Builder
	r := runner.Runner{Redact: func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") }, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	result, err := r.Run(t.Context(), a, llm.User("Go."))
	require.ErrorContains(t, err, "***")
	all := fmt.Sprintf("%v %v %v %s", err, result.Messages, result.Events, log.String())
	require.NotContains(t, all, "hunter2")
}

// TestChecksMisuse: an agent with checks that cannot be used runs nothing.
func TestChecksMisuse(t *testing.T) {
	t.Parallel()
	pass := saying()
	for want, checks := range map[string][]agent.Check{
		"check 0 has no Name":               {{Input: pass}},
		`two checks are named "a"`:          {{Name: "a", Input: pass}, {Name: "a", Call: pass}},
		`check "a" has no function`:         {{Name: "a"}},
		`check "a" is Beside, but has no`:   {{Name: "a", Call: pass, Beside: true}},
		`check "a": Retries is -2`:          {{Name: "a", Call: pass, Retries: -2}},
		"an input cannot be done again":     {{Name: "a", Input: saying(verdict{Again: "b"})}},
		"the new arguments are not JSON":    {{Name: "a", Call: saying(verdict{Replace: "b"})}},
		"the new arguments do not fit: Arg": {{Name: "a", Call: saying(verdict{Replace: `{"n":"b"}`})}},
	} {
		var paid []string
		a := guarded(agent.Check{Input: pass}, &paid)
		a.Checks, a.Model = checks, llmtest.NewScript(llmtest.Calls("pay", stepArgs{5}).Forever())
		_, err := runner.Run(t.Context(), a, llm.User("Go."))
		require.ErrorContains(t, err, want)
		require.Empty(t, paid)
	}
}

// TestChecksBeforePeople: a person decides about the arguments that the checks have passed. The
// arguments that a person wrote are checked again, and if a check changes them, the person is
// asked again.
func TestChecksBeforePeople(t *testing.T) {
	t.Parallel()
	var seen, asked, paid []string
	limit := func(_ context.Context, s agent.Subject) (verdict, error) {
		seen = append(seen, s.Text)
		if s.Text == `{"n":9}` {
			return verdict{Replace: `{"n":5}`}, nil
		}
		return verdict{}, nil
	}
	a := guarded(agent.Check{Call: limit}, &paid)
	a.Tools = []tool.Tool{tool.Must(tool.New("pay", "Pays.", func(_ context.Context, in stepArgs) (string, error) {
		paid = append(paid, fmt.Sprint(in.N))
		return "paid", nil
	}, tool.NeedsApproval()))}
	a.Model = llmtest.Script(t, llmtest.Calls("pay", stepArgs{9}), llmtest.Text("Done."))
	r := runner.Runner{}
	s := r.Session("s")
	result, err := s.Run(t.Context(), a, runner.Say(llm.User("Go.")))
	for err != nil {
		require.ErrorIs(t, err, runner.ErrPaused)
		require.Len(t, result.Pending, 1)
		p := result.Pending[0]
		asked = append(asked, p.ToolCall.Arguments)
		answer := p.Approve()
		if len(asked) == 1 {
			answer = p.Edit([]byte(`{"n":9}`))
		}
		result, err = s.Run(t.Context(), a, answer)
	}
	require.Equal(t, []string{`{"n":9}`, `{"n":9}`}, seen, "the first arguments, and those of the person")
	require.Equal(t, []string{`{"n":5}`, `{"n":5}`}, asked)
	require.Equal(t, []string{"5"}, paid)
	require.Contains(t, oneLine(result.Messages), `[A check of the program changed the arguments before the call ran: {"n":5}] paid`)
}

// TestSayDuringTheCheckOfAnAnswer: the run goes on, and the verdict counts all the same.
func TestSayDuringTheCheckOfAnAnswer(t *testing.T) {
	t.Parallel()
	for _, v := range []verdict{{}, {Stop: "no"}, {Replace: "Well."}, {Again: "be brief"}} {
		var paid []string
		s := (runner.Runner{}).Session("s")
		once := false
		a := guarded(agent.Check{Output: func(ctx context.Context, _ agent.Subject) (verdict, error) {
			if once {
				return verdict{}, nil
			}
			once = true
			return v, s.Say(ctx, llm.User("And then?"))
		}}, &paid)
		a.Model = llmtest.NewScript(llmtest.Text("Done."), llmtest.Text("Then, too."))
		result, err := s.Run(t.Context(), a, runner.Say(llm.User("Go.")))
		want := "Go. | Done. | And then? | Then, too."
		switch {
		case v.Stop != "":
			require.ErrorAs(t, err, new(*runner.CheckError))
			require.Equal(t, "Go. | And then?", oneLine(result.Messages))
			continue
		case v.Replace != "":
			want = "Go. | Well. | And then? | Then, too."
		case v.Again != "":
			want = "Go. | Done. | Your last reply was not accepted: be brief Reply again. | And then? | Then, too."
		}
		require.NoError(t, err)
		require.Equal(t, want, oneLine(result.Messages))
	}
}

// TestBarrier: no tool of a turn begins before each of three checks on each of four calls has
// passed, in every order in which the checks end. After a crash at any event, too, and each
// check that was recorded is not asked again.
func TestBarrier(t *testing.T) {
	t.Parallel()
	for order := range 24 {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				whole := barrier(t, order, false, nil)
				require.Equal(t, types(whole), types(barrier(t, order, true, nil)))
				for cut := 2; cut < len(whole)-1; cut++ { // the answer is checked, so the end is its own append
					barrier(t, order, cut%2 == 0, whole[:cut])
				}
			})
		})
	}
}

// barrier runs the agent from the events before, and returns all durable events.
func barrier(t *testing.T, order int, stream bool, before []event.Event) []event.Event {
	t.Helper()
	var mu sync.Mutex
	passed, ran := map[string]bool{}, 0
	waits := permutation(order)
	check := func(n int) agent.Check {
		name := fmt.Sprint("check ", n)
		guard := func(what string, d int) func(context.Context, agent.Subject) (verdict, error) {
			return func(_ context.Context, s agent.Subject) (verdict, error) {
				call := 0
				if s.Call.Name != "" {
					_, _ = fmt.Sscanf(s.Call.Arguments, `{"n":%d}`, &call)
					call--
				}
				time.Sleep(time.Duration(1+waits[(call+d)%4]*(n+1)) * time.Second) // synctest: exact in a bubble
				mu.Lock()
				defer mu.Unlock()
				key := fmt.Sprint(name, what, call)
				require.False(t, passed[key], "%s twice", key)
				passed[key] = true
				return verdict{}, nil
			}
		}
		return agent.Check{Name: name, Beside: n == 1, Input: guard("input", 0), Call: guard("call", n), Result: guard("result", n), Output: guard("output", 0)}
	}
	pay := tool.Must(tool.New("pay", "Pays.", func(_ context.Context, in stepArgs) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		for n := range 3 {
			for call := range 4 {
				require.True(t, passed[fmt.Sprint("check ", n, "call", call)], "call %d began before check %d of call %d", in.N, n, call)
			}
		}
		ran++
		return "paid", nil
	}, tool.Idempotent()))
	for _, e := range before {
		b, ok := e.Body.(event.Checked)
		if !ok {
			continue
		}
		call := 0
		_, _ = fmt.Sscanf(string(b.Call), "r1.t1.c%d", &call)
		passed[fmt.Sprint(b.Check, b.Stage, call)] = true
	}
	call := func(n int) llmtest.Step { return llmtest.Calls("pay", stepArgs{n}) }
	model := llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		mu.Lock()
		for n := range 3 {
			require.True(t, n == 1 || passed[fmt.Sprint("check ", n, "input0")], "the model was asked before check %d", n)
		}
		mu.Unlock()
		time.Sleep(2 * time.Second) // synctest: exact in a bubble
		step := call(1).And(call(2), call(3), call(4))
		if len(req.Messages) > 1 {
			step = llmtest.Text("Done.")
		}
		return llmtest.NewScript(step).Generate(ctx, req, sink)
	})
	a := &agent.Agent{Model: model, Tools: []tool.Tool{pay}, Checks: []agent.Check{check(0), check(1), check(2)}}
	store := journalOf(t, before)
	s := runner.Runner{Journal: store}.Session("s")
	var in []runner.Input
	if len(before) == 0 {
		in = append(in, runner.Say(llm.User("Go.")))
	}
	var events []event.Event
	if stream {
		var err error
		events, err = collect(s.Stream(t.Context(), a, in...))
		require.NoError(t, err)
	} else {
		result, err := s.Run(t.Context(), a, in...)
		require.NoError(t, err)
		require.Equal(t, "Done.", result.Text)
		require.Len(t, passed, 2*12+2*3)
		requireValid(t, result.Messages)
		events = result.Events
	}
	durable := events[:0]
	for _, e := range events {
		if e.Seq > 0 {
			durable = append(durable, e)
		}
	}
	return durable
}

// permutation returns one of the 24 orders of four.
func permutation(n int) []int {
	left, out := []int{0, 1, 2, 3}, []int{}
	for size := 4; size > 0; size-- {
		i := n % size
		n /= size
		out = append(out, left[i])
		left = append(left[:i:i], left[i+1:]...)
	}
	return out
}
