package runnertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

func defs(names ...string) []llm.ToolDef {
	var all []llm.ToolDef
	for _, name := range names {
		all = append(all, llm.ToolDef{Name: name, Schema: json.RawMessage(`{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}`)})
	}
	return all
}

func names(m llm.Message) []string {
	var all []string
	for _, c := range m.Calls() {
		all = append(all, c.Name)
	}
	return all
}

// TestExerciserChoice: what is called next, by what was called and what may be.
func TestExerciserChoice(t *testing.T) {
	t.Parallel()
	called := []llm.Message{
		llm.User("Go."), llm.Assistant("", llm.ToolCall{ID: "1", Name: "a", Arguments: "{}"}),
		{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "1", Name: "a", Parts: text("x")}}},
	}
	all := slices.Concat(called, []llm.Message{llm.Assistant("", llm.ToolCall{ID: "2", Name: "b", Arguments: "{}"}), {Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "2", Name: "b", Parts: text("x")}}}})
	for _, tt := range []struct {
		name     string
		tools    []llm.ToolDef
		messages []llm.Message
		settings llm.Settings
		calls    []string
		text     string
	}{
		{name: "first", tools: defs("a", "b"), messages: called[:1], calls: []string{"a", "b"}},
		{name: "rest", tools: defs("a", "b"), messages: called, calls: []string{"b"}},
		{name: "answer", tools: defs("a", "b"), messages: all, text: "Called: a, b."},
		{name: "user again", tools: defs("a", "b"), messages: append(slices.Clone(all), llm.Assistant("So."), llm.User("And?")), calls: []string{"a", "b"}},
		{name: "one at a time", tools: defs("a", "b"), messages: called[:1], settings: llm.Settings{ParallelToolCalls: new(false)}, calls: []string{"a"}},
		{name: "the next", tools: defs("a", "b"), messages: called, settings: llm.Settings{ParallelToolCalls: new(false)}, calls: []string{"b"}},
		{name: "none", tools: defs("a", "b"), messages: called[:1], settings: llm.Settings{ToolChoice: llm.ToolNone}, text: "No tool was called."},
		{name: "named", tools: defs("a", "b"), messages: called[:1], settings: llm.Settings{ToolChoice: llm.ToolNamed("b")}, calls: []string{"b"}},
		{name: "among", tools: defs("a", "b", "c"), messages: called[:1], settings: llm.Settings{ToolChoice: llm.ToolAmong(llm.ToolAuto, "b", "c")}, calls: []string{"b", "c"}},
		{name: "named again", tools: defs("a", "b"), messages: called, settings: llm.Settings{ToolChoice: llm.ToolNamed("a")}, calls: []string{"a"}},
		{name: "required", tools: defs("a", "b"), messages: called, settings: llm.Settings{ToolChoice: llm.ToolRequired}, calls: []string{"b"}},
		{name: "required again", tools: defs("a", "b"), messages: all, settings: llm.Settings{ToolChoice: llm.ToolRequired}, calls: []string{"a"}},
		{name: "required and none", messages: called[:1], settings: llm.Settings{ToolChoice: llm.ToolRequired}, text: "No tool was called."},
		{name: "no tools", messages: called[:1], text: "No tool was called."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			req := &llm.Request{Tools: tt.tools, Messages: tt.messages, Settings: tt.settings}
			resp, err := runnertest.Exerciser(1).Generate(t.Context(), req, nil)
			require.NoError(t, err)
			require.Equal(t, tt.calls, names(resp.Message))
			require.Equal(t, tt.text, resp.Message.Text())

			req.Stream = true
			var deltas strings.Builder
			streamed, err := runnertest.Exerciser(1).Generate(t.Context(), req, func(d llm.Delta) {
				switch d := d.(type) {
				case llm.TextDelta:
					deltas.WriteString(d.Text)
				case llm.CallDelta:
					deltas.WriteString(d.Arguments)
				}
			})
			require.NoError(t, err)
			require.Equal(t, resp, streamed)
			want := resp.Message.Text()
			for _, c := range resp.Message.Calls() {
				want += c.Arguments
			}
			require.Equal(t, want, deltas.String())
		})
	}
}

// TestExerciserSeeds: arguments depend on the seed and the name alone.
func TestExerciserSeeds(t *testing.T) {
	t.Parallel()
	arguments := func(seed uint64, tools ...string) []string {
		resp, err := runnertest.Exerciser(seed).Generate(t.Context(), &llm.Request{Tools: defs(tools...), Messages: []llm.Message{llm.User("Go.")}}, nil)
		require.NoError(t, err)
		var all []string
		for _, c := range resp.Message.Calls() {
			all = append(all, c.Arguments)
		}
		return all
	}
	three := arguments(7, "a", "b", "c")
	require.Equal(t, []string{three[2], three[0]}, arguments(7, "c", "a"))
	require.NotEqual(t, three, arguments(8, "a", "b", "c"))
}

func TestExerciserOutput(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		output *llm.OutputFormat
		want   string // a pattern
	}{
		{"text", &llm.OutputFormat{Type: "text"}, `^No tool was called\.$`},
		{"object", &llm.OutputFormat{Type: "json_object"}, `^\{"answer":"No tool was called\."\}$`},
		{"schema", &llm.OutputFormat{Schema: json.RawMessage(`{"type":"object","properties":{"total":{"type":"integer","minimum":3,"maximum":4}},"required":["total"],"additionalProperties":false}`)}, `^\{"total":[34]\}$`},
		{"no object", &llm.OutputFormat{Schema: json.RawMessage(`{"type":"array","items":{"const":1},"minItems":2,"maxItems":2}`)}, `^\[1,1\]$`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			resp, err := runnertest.Exerciser(1).Generate(t.Context(), &llm.Request{Output: tt.output, Messages: []llm.Message{llm.User("Go.")}}, nil)
			require.NoError(t, err)
			require.Regexp(t, tt.want, resp.Message.Text())
		})
	}
	_, err := runnertest.Exerciser(1).Generate(t.Context(), &llm.Request{
		Output: &llm.OutputFormat{Schema: json.RawMessage(`{"type":"object","properties":{"a":false},"required":["a"]}`)}, Messages: []llm.Message{llm.User("Go.")},
	}, nil)
	require.EqualError(t, err, "runnertest: output: nothing that fits its schema was found in 50 tries; the last: /a: its schema is false: nothing fits")
}

// report has one field of each kind that schemas know.
type report struct {
	Title  string             `json:"title" jsonschema:"minLength=3,maxLength=9"`
	Code   string             `json:"code" jsonschema:"pattern=^[A-Z]{2}-[0-9]+$"`
	Amount float64            `json:"amount" jsonschema:"minimum=0,exclusiveMaximum=0.5"`
	Final  bool               `json:"final,omitempty"`
	When   time.Time          `json:"when"`
	Lines  []struct{ N int8 } `json:"lines" jsonschema:"minItems=2"`
	Sums   map[string]int     `json:"sums"`
}

func noted[In any](t testing.TB) tool.Tool {
	t.Helper()
	made, err := tool.New("noted", "Takes notes.", func(context.Context, In) (string, error) { return "", nil })
	require.NoError(t, err)
	return made
}

// TestExercise: a good agent passes, and is answered for.
func TestExercise(t *testing.T) {
	t.Parallel()
	tools := desk().Tools
	a := &agent.Agent{Tools: []tool.Tool{tools[6], noted[report](t), tools[7]}, Settings: llm.Settings{ToolChoice: llm.ToolRequired}}
	result := runnertest.Exercise(t, a)
	require.Equal(t, []string{"show", "noted", "key"}, runnertest.Order(result))
	require.Equal(t, "Called: show, noted, key.", result.Text)
	require.Len(t, runnertest.Calls[report](t, result, "noted"), 1)
	require.Equal(t, "No tool was called.", runnertest.Exercise(t, &agent.Agent{}).Text)
}

// TestExerciseApproves: a tool that waits for a person is called as well.
func TestExerciseApproves(t *testing.T) {
	t.Parallel()
	called := 0
	pay := tool.Must(tool.New("pay", "", func(context.Context, struct{}) (string, error) {
		called++
		return "Paid.", nil
	}, tool.NeedsApproval()))
	result := runnertest.Exercise(t, &agent.Agent{Tools: []tool.Tool{pay}})
	require.Equal(t, "Called: pay.", result.Text)
	require.Equal(t, 1, called)
}

// colour and word say nothing in their schema of what they take.
type (
	colour string
	word   string
)

func (c *colour) UnmarshalText(text []byte) error {
	if s := string(text); s != "red" && s != "green" {
		return errors.New("no colour")
	}
	*c = colour(text)
	return nil
}

func (w *word) UnmarshalText(text []byte) error {
	if strings.Contains(string(text), " ") {
		return errors.New("more than a word")
	}
	*w = word(text)
	return nil
}

// TestExerciseFinds: what fails a smoke test, and what is only logged.
func TestExerciseFinds(t *testing.T) {
	t.Parallel()
	tools := desk().Tools
	raw := func(schema string, f func() (string, error)) tool.Tool {
		return tool.Must(tool.NewRaw("raw", "", json.RawMessage(schema), func(context.Context, json.RawMessage) (string, error) { return f() }))
	}
	fine := func() (string, error) { return "", nil }
	for _, tt := range []struct {
		name         string
		agent        *agent.Agent
		errors, logs []string
	}{
		{name: "panic", agent: &agent.Agent{Tools: tools[3:4]}, errors: []string{"runnertest: break_down: panicked: {}: panic: oh"}},
		{name: "time", agent: &agent.Agent{Tools: tools[5:6]}, errors: []string{"runnertest: sleep: timed_out: {}: context deadline exceeded"}},
		{name: "retry", agent: &agent.Agent{Tools: tools[2:3]}, logs: []string{"runnertest: again returned an error for made-up arguments: {}: retry: Ask the customer first."}},
		{name: "domain", agent: &agent.Agent{Tools: []tool.Tool{raw(`{}`, func() (string, error) { return "", errors.New("no such order") })}}, logs: []string{"runnertest: raw returned an error for made-up arguments: {}: no such order"}},
		{name: "abort", agent: &agent.Agent{Tools: tools[8:9]}, errors: []string{"runnertest: the run failed: turn 1: tool abort: the shop is closed"}, logs: []string{"runnertest: abort returned an error for made-up arguments: {}: the shop is closed"}},
		{
			name: "unfit schema", agent: &agent.Agent{Tools: []tool.Tool{raw(`{"properties":{"a":false},"required":["a"]}`, fine)}},
			errors: []string{"runnertest: raw was not called: nothing that fits its schema was found in 50 tries; the last: /a: its schema is false: nothing fits"},
		},
		{
			name: "hidden demand", agent: &agent.Agent{Tools: []tool.Tool{noted[struct{ Colour colour }](t)}},
			errors: []string{`runnertest: noted was not called: nothing that fits its schema was found in 50 tries; the last: invalid_arguments:`},
			logs:   []string{"runnertest: noted refuses arguments that fit the schema which the model is shown: "},
		},
		{name: "no agent", errors: []string{"runnertest: the run failed: runner: agent: the Agent is nil"}},
		{
			name: "instructions", agent: &agent.Agent{Tools: tools[:1], Instruct: func(context.Context, agent.Info) (string, error) { return "", errors.New("no template") }},
			errors: []string{"runnertest: the run failed: turn 1: instructions: no template", "runnertest: look was not called"},
		},
		{
			name: "some refused", agent: &agent.Agent{Tools: []tool.Tool{noted[struct{ Word word }](t)}},
			logs: []string{"runnertest: noted refuses arguments that fit the schema which the model is shown: "},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tb := fake(t, func(tb testing.TB) { runnertest.Exercise(tb, tt.agent) })
				requireEach(t, tt.errors, tb.Errors())
				requireEach(t, tt.logs, tb.Logs())
			})
		})
	}
}

// TestExerciseUnfit: a tool that cannot be called keeps no other one from being
// called, and no run from its answer, wherever it stands and whatever the choice.
func TestExerciseUnfit(t *testing.T) {
	t.Parallel()
	raw := func(name, schema string) tool.Tool {
		return tool.Must(tool.NewRaw(name, "", json.RawMessage(schema), func(context.Context, json.RawMessage) (string, error) { return "", nil }))
	}
	unfit, fine := `{"properties":{"a":{"type":"string","pattern":"^a$","minLength":3}},"required":["a"]}`, `{}`
	for _, settings := range []llm.Settings{
		{}, {ParallelToolCalls: new(false)}, {ToolChoice: llm.ToolRequired}, {ToolChoice: llm.ToolRequired, ParallelToolCalls: new(false)},
	} {
		for at := range 3 {
			tools := []tool.Tool{raw("a", fine), raw("b", fine)}
			a := &agent.Agent{Settings: settings, Tools: slices.Insert(tools, at, raw("unfit", unfit))}
			var result *runner.Result
			tb := fake(t, func(tb testing.TB) { result = runnertest.Exercise(tb, a) })
			requireEach(t, []string{"runnertest: unfit was not called: nothing that fits its schema was found"}, tb.Errors())
			require.Equal(t, []string{"a", "b"}, runnertest.Order(result))
			require.Equal(t, "Called: a, b.", result.Text)

			_, err := with(runnertest.Exerciser(1)).Run(t.Context(), a, llm.User("Go."))
			require.ErrorContains(t, err, `runnertest: tool "unfit": nothing that fits its schema was found`)
		}
	}
	var result *runner.Result
	tb := fake(t, func(tb testing.TB) {
		result = runnertest.Exercise(tb, &agent.Agent{Tools: []tool.Tool{raw("unfit", unfit)}, Settings: llm.Settings{ToolChoice: llm.ToolNamed("unfit")}})
	})
	require.Len(t, tb.Errors(), 1)
	require.Equal(t, "No tool was called.", result.Text)
}

func requireEach(t *testing.T, want, got []string) {
	t.Helper()
	require.Len(t, got, len(want), "%q", got)
	for i := range want {
		require.Contains(t, got[i], want[i])
	}
}

// TestExerciseTimeout: a tool without a timeout of its own has half a minute.
func TestExerciseTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &agent.Agent{Tools: []tool.Tool{tool.Must(tool.New("slow", "", func(ctx context.Context, _ struct{}) (string, error) {
			return "", waiting(ctx, 3600)
		}))}}
		start := time.Now()
		tb := fake(t, func(tb testing.TB) { runnertest.Exercise(tb, a) })
		require.Equal(t, []string{"runnertest: slow: timed_out: {}: context deadline exceeded"}, tb.Errors())
		require.Equal(t, 30*time.Second, time.Since(start))
	})
}

// TestExerciserInSession: every run of a session calls every tool.
func TestExerciserInSession(t *testing.T) {
	t.Parallel()
	a := &agent.Agent{Tools: desk().Tools[7:8]}
	s := with(runnertest.Exerciser(3)).Session("s")
	for n := range 3 {
		result, err := s.Run(t.Context(), a, runner.Say(llm.User("Go.")))
		require.NoError(t, err)
		require.Equal(t, []string{"key"}, runnertest.Order(result))
		require.Equal(t, event.NewCallRef(n+1, 1, 0), runnertest.Calls[struct{}](t, result, "key")[0].Ref)
	}
}

// TestExerciserBrokenSchema: the tool is named.
func TestExerciserBrokenSchema(t *testing.T) {
	t.Parallel()
	for schema, want := range map[string]string{
		`{`:   `runnertest: tool "f": its schema: unexpected EOF`,
		`[]`:  `runnertest: tool "f": nothing that fits its schema was found in 50 tries; the last: (top level): its schema is neither an object nor a boolean`,
		`nul`: `runnertest: tool "f": its schema: unexpected EOF`,
	} {
		_, err := runnertest.Exerciser(1).Generate(t.Context(), &llm.Request{
			Tools: []llm.ToolDef{{Name: "f", Schema: json.RawMessage(schema)}}, Messages: []llm.Message{llm.User("Go.")},
		}, nil)
		require.EqualError(t, err, want, "%s", schema)
	}
}
