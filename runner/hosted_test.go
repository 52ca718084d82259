package runner_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// hostedSearch is a tool that the provider runs, and what it says of a call.
const (
	hostedSearch = `{"type":"mcp", "server_label":"docs","server_url":"https://mcp.example.com"}`
	hostedCall   = `[{"id":"m1","type":"mcp","mcp":{"name":"search","arguments":"{}","output":"[]"}}]`
)

// searched is an answer before which the provider has called its own tool.
func searched(parts ...llm.Part) llmtest.Step {
	return llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) {
		return &llm.Response{Message: llm.Message{Parts: parts, Extra: []llm.Member{{Name: "tool_calls", Value: hostedCall}}}}, nil
	})
}

// TestHostedTools: the provider's tools stand in each request, what it did is kept
// in the session, and the loop neither runs it nor owes it a result; our calls
// beside it run.
func TestHostedTools(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string]bool{"streamed": true, "whole": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := llmtest.Script(t,
				searched(llm.ToolCall{ID: "c1", Name: "get_weather", Arguments: `{"city":"Oslo"}`}), searched(llm.Text{Text: "Fine."}), llmtest.Text("Yes."))
			model := openai.Config{BaseURL: "https://provider.example", Key: "k", HTTPClient: script.Client()}.Model("m")
			store := new(journal.Memory)
			session := runner.Runner{Model: model, Journal: store, NoStream: !stream}.Session("s")
			a := newAgent(weather())
			a.Settings.HostedTools = []json.RawMessage{json.RawMessage(hostedSearch)}

			result, err := session.Run(t.Context(), a, runner.Say(llm.User("Hi.")))
			require.NoError(t, err)
			require.Equal(t, "Fine.", result.Text)
			_, err = session.Run(t.Context(), a, runner.Say(llm.User("Sure?")))
			require.NoError(t, err)

			extra := []llm.Member{{Name: "tool_calls", Value: hostedCall}}
			events := eventsOf(t, throughJSON(t, store))
			require.Equal(t, []string{
				"run_started", "user_messaged", "turn_prepared", "model_answered", "tool_call_started", "tool_call_finished",
				"turn_prepared", "model_answered", "run_finished", "run_started", "user_messaged", "turn_prepared", "model_answered", "run_finished",
			}, types(events))
			for i := range 2 {
				require.Equal(t, extra, bodyOf(events, "model_answered", i).(event.ModelAnswered).Message.Extra)
			}
			requests := script.Requests()
			require.Len(t, requests, 3)
			for _, req := range requests {
				require.Equal(t, a.Settings.HostedTools, req.HostedTools)
				for _, m := range req.Messages {
					require.Empty(t, m.Extra, "nobody asked for it")
				}
			}
			require.Equal(t, []llm.ToolCall{{ID: "c1", Name: "get_weather", Arguments: `{"city":"Oslo"}`}}, requests[2].Messages[2].Calls())
		})
	}
}

// TestNothingButHostedCalls: hosted calls alone are not an answer, and no call runs. The
// runner asks the model once more, as after any announcement without calls.
func TestNothingButHostedCalls(t *testing.T) {
	t.Parallel()
	script := llmtest.Script(t, searched(), searched(llm.Text{Text: "Fine."}))
	result, err := with(script).Run(t.Context(), newAgent(weather()), llm.User("Hi."))
	require.NoError(t, err)
	require.Equal(t, "Fine.", result.Text)
	require.Equal(t, 2, result.Turns)
}

// TestHostedToolsAreTheRunsOwn: the caller may change the slice during a run.
func TestHostedToolsAreTheRunsOwn(t *testing.T) {
	t.Parallel()
	a := newAgent(weather())
	a.Settings.HostedTools = []json.RawMessage{json.RawMessage(hostedSearch)}
	script := llmtest.Script(t, llmtest.Calls("get_weather", cityArgs{"Oslo"}), llmtest.Text("Fine."))
	for _, err := range with(script).Stream(t.Context(), a, llm.User("Hi.")) {
		require.NoError(t, err)
		a.Settings.HostedTools[0] = nil
	}
	for _, req := range script.Requests() {
		require.Equal(t, []json.RawMessage{json.RawMessage(hostedSearch)}, req.HostedTools)
	}
}

// TestBuiltinFunctions: Kimi runs its own search when it gets the arguments of the
// call back. No function of ours is called for it, nor is the model told that there
// is none.
func TestBuiltinFunctions(t *testing.T) {
	t.Parallel()
	const name, args = "$web_search", `{"search_result":{"search_id":"1"}}`
	call := llm.ToolCall{ID: "$web_search:0", Name: name, Arguments: args, Extra: []llm.Member{{Name: "type", Value: `"builtin_function"`}}}
	for _, tt := range []struct {
		name, hosted, want string
	}{
		{"declared", `{"type":"builtin_function","function":{"name":"$web_search"}}`, args},
		{"another one", `{"type":"builtin_function","function":{"name":"$fetch"}}`, `There is no tool named "$web_search". The tools are: get_weather.`},
		{"of another type", `{"type":"web_search","function":{"name":"$web_search"}}`, `There is no tool named "$web_search". The tools are: get_weather.`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			script := llmtest.Script(t, llmtest.Parts(call), llmtest.Text("Fine."))
			model := openai.Config{BaseURL: "https://api.moonshot.ai/v1", Key: "k", HTTPClient: script.Client()}.Model("kimi-k2")
			a := newAgent(weather())
			a.Settings.HostedTools = []json.RawMessage{json.RawMessage(tt.hosted)}
			r := runner.Runner{Model: model, Redact: func(s string) string { return s }}
			events, err := collect(r.Stream(t.Context(), a, llm.User("Hi.")))
			require.NoError(t, err)
			require.NotContains(t, types(events), "tool_call_started")
			require.Equal(t, tt.want, bodyOf(events, "tool_call_finished", 0).(event.ToolCallFinished).Result.Text())
			sent := script.Requests()[1].Messages
			require.Equal(t, []llm.ToolCall{call}, sent[2].Calls())
			require.Equal(t, tt.want, sent[3].Results()[0].Text())
		})
	}
}
