package runner_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// called reports whether the conversation has the result of a call.
func called(req *llm.Request) bool {
	return slices.ContainsFunc(req.Messages, func(m llm.Message) bool { return m.Role == llm.RoleTool })
}

// eager is a model behind a server that holds every answer to the form of the request: it
// writes JSON at once if it gets a form, and never calls a tool then. So do vLLM and
// Ollama. Without a form it calls the tool first, and then answers in words.
func eager(_ context.Context, req *llm.Request) (*llm.Response, error) {
	switch {
	case req.Output != nil && !called(req):
		return llmtest.Text(`{"city":"?","celsius":0}`).Response()
	case req.Output != nil:
		return llmtest.Text(oslo).Response()
	case called(req):
		return llmtest.Text("It is 21 degrees in Oslo.").Response()
	}
	return llmtest.Calls("get_weather", cityArgs{"Oslo"}).Response()
}

// TestOutputAfterTools: the tools are called before the answer has its form, on servers
// that cannot do both at once, over both APIs, streaming and not.
func TestOutputAfterTools(t *testing.T) {
	t.Parallel()
	for _, api := range []openai.API{openai.APIChat, openai.APIResponses} {
		for _, noStream := range []bool{false, true} {
			for _, mode := range []openai.OutputMode{openai.OutputAlone, openai.OutputText, openai.OutputTool} {
				t.Run(string(api)+string(mode), func(t *testing.T) {
					t.Parallel()
					step := llmtest.Reply(eager).Forever()
					if mode == openai.OutputTool {
						step = llmtest.Reply(dutiful).Forever()
					}
					if mode == openai.OutputText {
						step = llmtest.Reply(literal).Forever()
					}
					script := llmtest.NewScript(step)
					a := newAgent(weather())
					a.Output = agent.OutputOf[reading]()
					a.Model = openai.Config{
						BaseURL: "http://server.test/v1", HTTPClient: &http.Client{Transport: script}, Key: "k", API: api, Profile: &openai.Profile{Output: mode},
					}.Model("m")
					result, err := finished(t, runner.Runner{NoStream: noStream}, a)
					require.NoError(t, err)
					require.Equal(t, oslo, result)
				})
			}
		}
	}
}

// finished streams a run and returns its output.
func finished(t *testing.T, r runner.Runner, a *agent.Agent) (string, error) {
	t.Helper()
	s := r.Session("s")
	output := ""
	for e, err := range s.Stream(t.Context(), a, runner.Say(llm.User("Oslo?"))) {
		if err != nil {
			return "", err
		}
		if b, ok := e.Body.(event.RunFinished); ok {
			output = string(b.Output)
		}
	}
	messages, err := s.Messages(t.Context())
	require.NoError(t, err)
	require.Len(t, messages[1].Calls(), 1, "the tool came first")
	return output, err
}

// dutiful calls the tool of the answer.
func dutiful(_ context.Context, req *llm.Request) (*llm.Response, error) {
	if !called(req) {
		return llmtest.Calls("get_weather", cityArgs{"Oslo"}).Response()
	}
	return llmtest.Calls("final_answer", json.RawMessage(oslo)).Response()
}

// literal does what the instructions say.
func literal(_ context.Context, req *llm.Request) (*llm.Response, error) {
	switch {
	case req.Output != nil:
		return llmtest.Text("A form was sent.").Response()
	case !called(req):
		return llmtest.Calls("get_weather", cityArgs{"Oslo"}).Response()
	}
	return llmtest.Text("Here you are: " + oslo).Response()
}
