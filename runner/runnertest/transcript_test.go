package runnertest_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

// flows are runs of every kind, each with its golden file.
var flows = []struct {
	name   string
	runner runner.Runner
	input  []llm.Message
	steps  []llmtest.Step
}{
	{name: "text", steps: []llmtest.Step{llmtest.Text("Hello.\r\n\n\tHow \x1b[1mare\u200b you? \n")}},
	{name: "parallel", steps: []llmtest.Step{
		llmtest.Reasoning("Both at once.").And(llmtest.Text("Let me look."),
			llmtest.Calls("look", lookArgs{"W2", 2}), llmtest.Calls("look", lookArgs{"W1", 1}), llmtest.Calls("look", `{"order": "W0", "seconds": null}`)).
			Usage(llm.Usage{InputTokens: 100, CachedTokens: 80, OutputTokens: 20, ReasoningTokens: 12}),
		llmtest.Text("Sent."),
	}},
	{name: "failures", steps: []llmtest.Step{
		llmtest.Calls("refund", map[string]any{"order": "W1", "cents": 0}).And(llmtest.Calls("refnd", nil), llmtest.Calls("refund", `{"order": "W1",`)),
		llmtest.Calls("refund", refundArgs{Order: "W0", Cents: 5}).And(
			llmtest.Calls("break_down", nil), llmtest.Calls("hide", nil), llmtest.Calls("sleep", nil), llmtest.Calls("again", nil)),
		llmtest.Text("I could not."),
	}},
	{name: "pictures", steps: []llmtest.Step{llmtest.Calls("show", nil), llmtest.Text("Here.")}},
	{name: "ids", steps: []llmtest.Step{llmtest.Calls("key", nil).And(llmtest.Calls("key", nil)), llmtest.Text("The answer chatcmpl-1 of req_1 named call_1 and call_10.")}},
	{name: "long", steps: []llmtest.Step{llmtest.Text(strings.Repeat("a line of text\n", 400))}},
	{name: "rejected", steps: []llmtest.Step{llmtest.Text(""), llmtest.Text("Sorry. Hello.")}},
	{name: "cut off", steps: []llmtest.Step{llmtest.Calls("look", `{"order":"W`).Finish("length"), llmtest.Text("Hm.")}},
	{name: "refusal", steps: []llmtest.Step{llmtest.Refusal("I will not.")}},
	{name: "filtered", steps: []llmtest.Step{llmtest.Calls("look", lookArgs{Order: "W1"}).Finish("content_filter")}},
	{name: "error", steps: []llmtest.Step{llmtest.Fail(&llm.APIError{Kind: llm.KindNetwork, Message: "dial tcp 127.0.0.1:34567: connection refused"})}},
	{name: "limit", runner: runner.Runner{MaxTurns: 1}, steps: []llmtest.Step{llmtest.Calls("look", lookArgs{Order: "W1"})}},
	{name: "abort", steps: []llmtest.Step{llmtest.Calls("look", lookArgs{"W1", 60}).And(llmtest.Calls("abort", nil))}},
	{
		name: "history",
		input: []llm.Message{
			llm.System("A rule."),
			llm.User("What is this?", llm.Image{Data: []byte("GIF89a")}, llm.RawPart{JSON: `{"type":"x"}`}),
			llm.Assistant("", llm.Reasoning{Text: "Hm."}, llm.ToolCall{ID: "c", Name: "look at", Arguments: `{"order":"W1"}`}),
			{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "c", Name: "look at", IsError: true, Parts: llm.Parts{llm.Text{Text: "No."}}}}},
			llm.Assistant("A picture."), llm.User("Of what?"),
		},
		steps: []llmtest.Step{llmtest.Text("Of nothing.")},
	},
}

// TestTranscript: each flow gives the text of its file, and twice the same.
func TestTranscript(t *testing.T) {
	t.Parallel()
	for _, flow := range flows {
		t.Run(flow.name, func(t *testing.T) {
			t.Parallel()
			run := func(t *testing.T) *runner.Result {
				r := flow.runner
				r.Model = llmtest.Script(t, flow.steps...)
				input := flow.input
				if input == nil {
					input = []llm.Message{llm.User("Hello?")}
				}
				result, _ := r.Run(t.Context(), desk(), input...) // an error is in the transcript
				return result
			}
			synctest.Test(t, func(t *testing.T) {
				runnertest.Golden(t, run(t), "testdata/"+strings.ReplaceAll(flow.name, " ", "_")+".txt")
				require.Equal(t, runnertest.Transcript(run(t)), runnertest.Transcript(run(t)))
			})
		})
	}
}

// TestTranscriptSession: it shows the run, with what an earlier one left open.
func TestTranscriptSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		script := llmtest.Script(t,
			llmtest.Calls("look", lookArgs{"W1", 5}),
			llmtest.Calls("look", lookArgs{"W1", 0}),
			llmtest.Text("Sent."))
		s := with(script).Session("s")
		first, err := s.Run(ctx, desk(), runner.Say(llm.User("Where is W1?")))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		runnertest.Golden(t, first, "testdata/session_1.txt")
		second, err := s.Run(t.Context(), desk(), runner.Say(llm.User("Once more.")))
		require.NoError(t, err)
		runnertest.Golden(t, second, "testdata/session_2.txt")
	})
}

// TestTranscriptSeats: the same run through the wire has the same transcript.
func TestTranscriptSeats(t *testing.T) {
	t.Parallel()
	steps := []llmtest.Step{
		llmtest.Text("Let me look.").And(llmtest.Calls("look", lookArgs{"W1", 0}), llmtest.Calls("key", nil)),
		llmtest.Text("Sent."),
	}
	here, err := with(llmtest.Script(t, steps...)).Run(t.Context(), desk(), llm.User("Hello?"))
	require.NoError(t, err)
	server := llmtest.Script(t, steps...).Serve()
	client := openai.Config{BaseURL: server.BaseURL, Key: "k", Retry: wrap.Retry{Attempts: 1}}.Model("m")
	there, err := with(client).Run(t.Context(), desk(), llm.User("Hello?"))
	require.NoError(t, err)
	require.Equal(t, runnertest.Transcript(here), runnertest.Transcript(there))
}

func TestTranscriptOfNothing(t *testing.T) {
	t.Parallel()
	result, err := runner.Run(t.Context(), desk())
	require.Error(t, err)
	require.Equal(t, "the run did not begin\n", runnertest.Transcript(result))
}
