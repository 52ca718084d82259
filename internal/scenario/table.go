package scenario

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// Answers returns the usage of n responses of the script.
func Answers(n int64) llm.Usage {
	return llm.Usage{InputTokens: 10 * n, OutputTokens: 5 * n, TotalTokens: 15 * n}
}

// Look calls the tool look.
func Look(order string, seconds int) llmtest.Step {
	return llmtest.Calls("look", LookArgs{order, seconds})
}

// Refund calls the tool refund.
func Refund(order string, cents int) llmtest.Step {
	return llmtest.Calls("refund", RefundArgs{order, cents, nil})
}

// chain makes n turns with a call each, and a final response.
func chain(n int) []llmtest.Step {
	var steps []llmtest.Step
	for i := range n {
		steps = append(steps, Look(fmt.Sprintf("W%d", i+1), 1))
	}
	return append(steps, sent)
}

var (
	sent  = llmtest.Text(SentText)
	sorry = llmtest.Text(SorryText)
)

// The texts of the model.
const (
	SentText  = "It was sent on Monday."
	SorryText = "Sorry, I could not."
)

func tooBig() error {
	return &llm.APIError{
		Kind: llm.KindContextOverflow, Provider: "openai", StatusCode: 400, Type: "invalid_request_error", Code: "context_length_exceeded",
		Message: "This model's maximum context length is 128000 tokens. However, your messages resulted in 130012 tokens.",
	}
}

// All returns the scenarios. Their transcripts are in
// runner/runnertest/testdata/scenarios.
func All() []Scenario { return slices.Concat(all, flows, guarded, handoffs, helpers, handedIn) }

var all = []Scenario{
	{
		Name:  "text",
		Steps: []llmtest.Step{sent.Usage(llm.Usage{InputTokens: 70, CachedTokens: 64, OutputTokens: 9, ReasoningTokens: 2, TotalTokens: 79})},
		Want: Outcome{
			Text: SentText, Requests: 1,
			Usage: llm.Usage{InputTokens: 70, CachedTokens: 64, OutputTokens: 9, ReasoningTokens: 2, TotalTokens: 79},
		},
	},
	{
		Name:  "one call",
		Steps: []llmtest.Step{Look("W1", 2), sent.With(llmtest.Late(time.Second))},
		Want:  Outcome{Text: SentText, Calls: "look", Most: 1, Took: 3 * time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "parallel calls",
		Steps: []llmtest.Step{Look("W1", 5).And(Look("W2", 1), Refund("W3", 250)), sent},
		Want:  Outcome{Text: SentText, Calls: "look, look, refund", Most: 3, Took: 5 * time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "chain of ten",
		Steps: chain(10),
		Want: Outcome{
			Text: SentText, Calls: "look, look, look, look, look, look, look, look, look, look", Most: 1,
			Took: 10 * time.Second, Usage: Answers(11), Requests: 11,
		},
	},
	{
		Name:  "invalid arguments then right ones",
		Steps: []llmtest.Step{Refund("W1", 0).And(llmtest.Calls("refund", `{"order":"W`)), Refund("W1", 250), sent},
		Want: Outcome{
			Text: SentText, Calls: "refund: invalid_arguments, refund: invalid_json, refund", Most: 1,
			Took: 3 * time.Second, Usage: Answers(3), Requests: 3,
		},
	},
	{
		Name:  "unknown tool",
		Steps: []llmtest.Step{llmtest.Calls("lok", nil), sorry},
		Want:  Outcome{Text: SorryText, Calls: "lok: unknown_tool", Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "tool error",
		Steps: []llmtest.Step{Refund("W0", 250), sorry},
		Want:  Outcome{Text: SorryText, Calls: "refund: failed", Most: 1, Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "timeout",
		Steps: []llmtest.Step{llmtest.Calls("sleep", nil), sorry},
		Want:  Outcome{Text: SorryText, Calls: "sleep: timed_out", Most: 1, Took: time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "panic",
		Steps: []llmtest.Step{llmtest.Calls("break_down", nil), sorry},
		Want:  Outcome{Text: SorryText, Calls: "break_down: panicked", Most: 1, Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "tool that aborts", // the run waits for the other call
		Steps: []llmtest.Step{Look("W1", 4).And(llmtest.Calls("abort", nil))},
		Want: Outcome{
			Err: "turn 1: tool abort: the shop is closed", Calls: "look, abort: failed", Most: 1,
			Took: 4 * time.Second, Usage: Answers(1), Requests: 1,
		},
	},
	{
		Name:  "cut stream then retry",
		Steps: []llmtest.Step{Look("W1", 0), sent.With(llmtest.Cut(2)), sent},
		Want:  Outcome{Text: SentText, Calls: "look", Most: 1, Usage: Answers(2), Requests: 3, Restarts: 1},
	},
	{
		Name: "429 then success",
		Steps: []llmtest.Step{
			llmtest.Wire(http.StatusTooManyRequests, http.Header{"Retry-After": {"7"}}, `{"error":{"message":"Slow down."}}`), sent,
		},
		Want: Outcome{Text: SentText, Took: 7 * time.Second, Usage: Answers(1), Requests: 2},
	},
	{
		Name:  "context overflow", // no retry, since it cannot help
		Steps: []llmtest.Step{Look("W1", 0), llmtest.Fail(tooBig())},
		Want:  Outcome{Err: "context_overflow", Calls: "look", Most: 1, Usage: Answers(1), Requests: 2},
	},
	{
		Name:  "length",
		Steps: []llmtest.Step{llmtest.Text("It was").Finish("length")},
		Want:  Outcome{Text: "It was", Err: "finish length", Usage: Answers(1), Requests: 1},
	},
	{
		Name:  "refusal",
		Steps: []llmtest.Step{llmtest.Refusal("I will not help with that.")},
		Want:  Outcome{Err: "finish refusal", Usage: Answers(1), Requests: 1},
	},
	{
		Name:  "content filter", // a call that a filter cut off does not run
		Steps: []llmtest.Step{llmtest.Text("One").And(Refund("W1", 250)).Finish("content_filter")},
		Want:  Outcome{Text: "One", Err: "finish content_filter", Calls: "refund", Usage: Answers(1), Requests: 1},
	},
	{
		Name:  "empty answer", // the model is called once more
		Steps: []llmtest.Step{llmtest.Text(""), sent},
		Want:  Outcome{Text: SentText, Usage: Answers(2), Requests: 2},
	},
	{
		Name:   "cancel mid-tool", // a finished call keeps its result
		HangUp: 4 * time.Second,
		Steps:  []llmtest.Step{Look("W1", 1).And(Refund("W2", 250), Look("W3", 60))},
		Want: Outcome{
			Err: "hung up", Calls: "look, refund, look", Most: 2, Took: 4 * time.Second, Usage: Answers(1), Requests: 1,
		},
	},
	{
		Name:   "cancel mid-stream",
		HangUp: 4 * time.Second,
		Steps:  []llmtest.Step{Look("W1", 1), sent.With(llmtest.Stall(2, 0))},
		Want: Outcome{
			Err: "hung up", Calls: "look", Most: 1, Took: 4 * time.Second, Usage: Answers(1), Requests: 2, Shown: "It was ",
		},
	},
	{
		Name:   "turn limit",
		Runner: runner.Runner{MaxTurns: 2},
		Steps:  []llmtest.Step{Look("W1", 0), Look("W2", 0)},
		Want:   Outcome{Err: "limit of turns", Calls: "look, look", Most: 1, Usage: Answers(2), Requests: 2},
	},
}
