package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

type reading struct {
	City    string `json:"city"`
	Celsius int    `json:"celsius" jsonschema:"minimum=-90,maximum=60"`
}

const oslo = `{"city":"Oslo","celsius":21}`

func TestOutputs(t *testing.T) {
	t.Parallel()
	warm := func(_ context.Context, r reading) error {
		if r.Celsius < 0 {
			return errors.New("it is summer")
		}
		return nil
	}
	call := llmtest.Calls("get_weather", cityArgs{"Oslo"})
	for _, tt := range []struct {
		name  string
		steps []llmtest.Step
		want  string // the output, or a part of the error
		turns int
	}{
		{"at once", []llmtest.Step{llmtest.Text(oslo)}, oslo, 1},
		{"after a call", []llmtest.Step{call, llmtest.Text(oslo)}, oslo, 2},
		{"in a fence", []llmtest.Step{llmtest.Text("```json\n" + oslo + "\n```")}, oslo, 1},
		{"as text, then right", []llmtest.Step{llmtest.Text("21 degrees."), llmtest.Text(oslo)}, oslo, 2},
		{"too hot, then right", []llmtest.Step{llmtest.Text(`{"city":"Oslo","celsius":210}`), llmtest.Text(oslo)}, oslo, 2},
		{"refused, then right", []llmtest.Step{llmtest.Text(`{"city":"Oslo","celsius":-3}`), call, llmtest.Text(oslo)}, oslo, 3},
		{"never", []llmtest.Step{llmtest.Text("21."), llmtest.Text("22."), llmtest.Text("23.")}, "turn 3: no answer in the wanted form: Your answer was rejected: it has no JSON.", 3},
		{"calls do not reset the bound", []llmtest.Step{
			llmtest.Text(`{"city":"Oslo","celsius":-3}`), call, llmtest.Text(`{"city":"Oslo","celsius":-4}`), call, llmtest.Text("23."),
		}, "turn 5: no answer in the wanted form", 5},
		{"cut off", []llmtest.Step{llmtest.Text(`{"city":"Os`).Finish("length")}, `the answer was cut off by the limit on tokens (finish reason "length")`, 1},
		{"declined", []llmtest.Step{llmtest.Refusal("No.")}, "the model declined to answer: No.", 1},
		{"empty, then right", []llmtest.Step{llmtest.Text(""), llmtest.Text(oslo)}, oslo, 2},
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", tt.name, stream), func(t *testing.T) {
				t.Parallel()
				script := llmtest.Script(t, tt.steps...)
				a := newAgent(weather())
				a.Model, a.Output = script, agent.OutputOf(warm)
				memory := new(journal.Memory)
				s := runner.Runner{Journal: memory}.Session("s")
				var err error
				var output json.RawMessage
				if stream {
					for e, e2 := range s.Stream(t.Context(), a, runner.Say(llm.User("Oslo?"))) {
						if b, ok := e.Body.(event.RunFinished); ok {
							output = b.Output
						}
						err = e2
					}
				} else {
					var result *runner.Result
					result, err = s.Run(t.Context(), a, runner.Say(llm.User("Oslo?")))
					output = result.Output
					require.Equal(t, tt.turns, result.Turns)
				}
				requireHistory(t, s)
				if tt.want[0] != '{' {
					require.ErrorContains(t, err, tt.want)
					require.Nil(t, output)
					return
				}
				require.NoError(t, err)
				require.Equal(t, tt.want, string(output))
			})
		}
	}
}

func requireHistory(t *testing.T, s *runner.Session) {
	t.Helper()
	messages, err := s.Messages(t.Context())
	require.NoError(t, err)
	require.NoError(t, (&llm.Request{Messages: messages}).Validate())
}

// TestOutputForm: after a misfit the model cannot call a tool, because many providers
// hold the model to a form only then. A refusal by a check leaves the tools.
func TestOutputForm(t *testing.T) {
	t.Parallel()
	refused := false
	a := newAgent(weather())
	script := llmtest.Script(t, llmtest.Text("21."), llmtest.Text(oslo), llmtest.Text(oslo))
	a.Model, a.Output = script, agent.OutputOf(func(context.Context, reading) error {
		if refused {
			return nil
		}
		refused = true
		return errors.New("look again")
	})
	result, err := runner.Run(t.Context(), a, llm.User("Oslo?"))
	require.NoError(t, err)
	v, err := runner.Output[reading](result)
	require.NoError(t, err)
	require.Equal(t, reading{"Oslo", 21}, v)
	var choices []llm.ToolChoice
	for _, r := range script.Requests() {
		choices = append(choices, r.ToolChoice)
		require.Equal(t, "reading", r.Output.Name)
		require.Len(t, r.Tools, 1)
	}
	require.Equal(t, []llm.ToolChoice{"", llm.ToolNone, ""}, choices)
	last := result.Messages[len(result.Messages)-2]
	require.Equal(t, llm.User("Your answer was refused: look again\nReply again with only the corrected JSON."), last)
}

func TestOutputChecksFail(t *testing.T) {
	t.Parallel()
	broken := errors.New("the database is down")
	for name, check := range map[string]func(context.Context, reading) error{
		"abort": func(context.Context, reading) error { return tool.Abort(broken) },
		"panic": func(context.Context, reading) error { panic(broken) },
		"hang":  func(context.Context, reading) error { select {} },
		"late":  func(ctx context.Context, _ reading) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "hang" { // a bubble must not leave a goroutine behind
				hang := make(chan struct{})
				defer close(hang)
				check = func(context.Context, reading) error { <-hang; return nil }
			}
			run := func(t *testing.T) {
				a := newAgent()
				a.Model, a.Output = llmtest.Script(t, llmtest.Text(oslo)), agent.OutputOf(check)
				result, err := runner.Runner{ToolTimeout: 10 * time.Millisecond}.Run(t.Context(), a, llm.User("Oslo?"))
				require.ErrorContains(t, err, "turn 1: output: ")
				require.Equal(t, oslo, result.Text)
				require.Nil(t, result.Output)
				_, err = runner.Output[reading](result)
				require.Error(t, err)
			}
			if name == "hang" {
				run(t)
				return
			}
			synctest.Test(t, run)
		})
	}
}

func TestOutputConstruction(t *testing.T) {
	t.Parallel()
	type bad struct {
		Ask func() `json:"ask"`
	}
	for want, o := range map[string]*agent.Output{
		"Ask":                agent.OutputOf[bad](),
		"has no schema":      agent.OutputOf[any](),
		"Retries is -2":      {Format: llm.OutputFormat{Type: "json_object"}, Retries: -2},
		"there is no schema": {},
		`unknown type "xml"`: {Format: llm.OutputFormat{Type: "xml"}},
	} {
		a := newAgent()
		a.Model, a.Output = llmtest.Script(t), o
		_, err := runner.Run(t.Context(), a, llm.User("Hi."))
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, a.Validate(), want)
	}
	_, result, err := runner.RunFor[bad](t.Context(), newAgent(), llm.User("Hi."))
	require.ErrorContains(t, err, "Ask")
	require.NotNil(t, result)
	_, _, err = runner.RunFor[reading](t.Context(), nil, llm.User("Hi."))
	require.EqualError(t, err, "runner: agent: the Agent is nil")
}

// TestOutputsOfTypes: lists and scalars are wrapped for the model and not for the program.
func TestOutputsOfTypes(t *testing.T) {
	t.Parallel()
	run := func(text string) *agent.Agent { return &agent.Agent{Model: llmtest.Script(t, llmtest.Text(text))} }
	list, result, err := runner.RunFor[[]reading](t.Context(), run(`{"value":[`+oslo+`]}`), llm.User("Hi."))
	require.NoError(t, err)
	require.Equal(t, []reading{{"Oslo", 21}}, list)
	require.Equal(t, "["+oslo+"]", string(result.Output))
	number, _, err := runner.RunFor[float64](t.Context(), run(`2.5`), llm.User("Hi."))
	require.NoError(t, err)
	require.InDelta(t, 2.5, number, 0)
	at, _, err := runner.RunFor[time.Time](t.Context(), run(`{"value":"2026-01-02T03:04:05Z"}`), llm.User("Hi."))
	require.NoError(t, err)
	require.Equal(t, 2026, at.Year())
	counts, _, err := runner.RunFor[map[string]int](t.Context(), run(`{"a":1}`), llm.User("Hi."))
	require.NoError(t, err)
	require.Equal(t, map[string]int{"a": 1}, counts)
}

// TestOutputAfterCrash cuts the session off behind each event; the next process ends it
// with the same output, and no wrong answer counts twice.
func TestOutputAfterCrash(t *testing.T) {
	t.Parallel()
	steps := func() []llmtest.Step {
		return []llmtest.Step{
			llmtest.Text("21."), llmtest.Text(`{"city":"Oslo","celsius":-3}`),
			llmtest.Text(oslo).When(func(r *llm.Request) bool { return len(r.Messages) >= 5 }).Forever(),
		}
	}
	newAgent := func(m llm.Model) *agent.Agent {
		return &agent.Agent{Model: m, Output: agent.OutputOf(func(_ context.Context, r reading) error {
			if r.Celsius < 0 {
				return errors.New("it is summer")
			}
			return nil
		})}
	}
	whole, err := runner.Runner{}.Session("s").Run(t.Context(), newAgent(llmtest.NewScript(steps()...)), runner.Say(llm.User("Oslo?")))
	require.NoError(t, err)
	require.Equal(t, 3, whole.Turns)
	for cut := 2; cut < len(whole.Events); cut++ {
		memory := new(journal.Memory)
		log, err := memory.Open(t.Context(), "s")
		require.NoError(t, err)
		require.NoError(t, log.Append(t.Context(), true, whole.Events[:cut]...))
		require.NoError(t, log.Close())
		answered := 0
		for _, e := range whole.Events[:cut] {
			if _, ok := e.Body.(event.ModelAnswered); ok {
				answered++
			}
		}
		result, err := runner.Runner{Journal: memory}.Session("s").Run(t.Context(), newAgent(llmtest.NewScript(steps()[answered:]...)))
		require.NoError(t, err, "cut after %d", cut)
		require.Equal(t, oslo, string(result.Output))
		require.Equal(t, 3, result.Turns)
		require.Equal(t, whole.Messages, result.Messages)
	}
}

// TestOutputInterrupted: a run that ends during the check of its answer leaves the answer
// unchecked, and the next run begins with the check. An agent without an Output takes the
// answer as it is.
func TestOutputInterrupted(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]*agent.Agent{"with an output": {Output: agent.OutputOf[reading]()}, "without": {}, "text": {Output: &agent.Output{Format: llm.OutputFormat{Type: "text"}}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			s := runner.Runner{Journal: new(journal.Memory)}.Session("s")
			a := &agent.Agent{Model: llmtest.Script(t, llmtest.Text(oslo)), Output: agent.OutputOf(func(context.Context, reading) error {
				cancel()
				return nil
			})}
			_, err := s.Run(ctx, a, runner.Say(llm.User("Oslo?")))
			require.ErrorIs(t, err, context.Canceled)
			next.Model = llmtest.Script(t)
			result, err := s.Run(t.Context(), next)
			require.NoError(t, err)
			require.Equal(t, oslo, result.Text)
			require.Equal(t, name == "with an output", result.Output != nil)
			_, err = s.Run(t.Context(), next)
			require.ErrorIs(t, err, runner.ErrNoInput)
		})
	}
}

// TestOutputErrorsOfChecks: the errors of package tool mean in a check what they mean in a
// tool.
func TestOutputErrorsOfChecks(t *testing.T) {
	t.Parallel()
	secret := errors.New("the database at 10.0.0.7 is down")
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"hide":  {tool.Hide(secret), "Your answer was refused. The reason is not for you to see."},
		"retry": {tool.Retry("Use the other date."), "Use the other date."},
		"abort": {tool.Abort(tool.Fail(tool.Denied, "no", secret)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAgent()
			a.Model, a.Output = llmtest.NewScript(llmtest.Text(oslo).Forever()), agent.OutputOf(func(context.Context, reading) error { return tt.err })
			result, err := runner.Run(t.Context(), a, llm.User("Oslo?"))
			if tt.want == "" {
				require.ErrorIs(t, err, secret)
				require.Equal(t, 1, result.Turns)
				return
			}
			require.EqualError(t, err, "turn 3: no answer in the wanted form: "+tt.want)
			require.Equal(t, tt.want+"\nReply again with only the corrected JSON.", result.Messages[2].Text())
		})
	}
}

// TestOutputKeepsDigits: numbers in fields of type any lose no digits.
func TestOutputKeepsDigits(t *testing.T) {
	t.Parallel()
	type row struct {
		ID any `json:"id"`
	}
	a := &agent.Agent{Model: llmtest.Script(t, llmtest.Text(`{"id":12345678901234567890}`))}
	v, _, err := runner.RunFor[row](t.Context(), a, llm.User("Go."))
	require.NoError(t, err)
	require.Equal(t, json.Number("12345678901234567890"), v.ID)
}

type ÖPNVTicket struct {
	Zone int `json:"zone"`
}

func TestOutputNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, "pnvticket", strings.ReplaceAll(agent.OutputOf[ÖPNVTicket]().Format.Name, "_", ""))
	require.Equal(t, "output", agent.OutputOf[[]int]().Format.Name)
	require.Equal(t, "city_args", agent.OutputOf[*cityArgs]().Format.Name)
}
