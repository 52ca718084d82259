package runnertest_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// answers is what so many answers cost.
func answers(n int64) llm.Usage {
	return llm.Usage{InputTokens: 10 * n, OutputTokens: 5 * n, TotalTokens: 15 * n}
}

func look(order string, seconds int) llmtest.Step {
	return llmtest.Calls("look", lookArgs{order, seconds})
}

func refund(order string, cents int) llmtest.Step {
	return llmtest.Calls("refund", refundArgs{order, cents, nil})
}

// chain makes n calls, one a turn, and an answer.
func chain(n int) []llmtest.Step {
	var steps []llmtest.Step
	for i := range n {
		steps = append(steps, look(fmt.Sprintf("W%d", i+1), 1))
	}
	return append(steps, sent)
}

var (
	sent   = llmtest.Text("It was sent on Monday.")
	sorry  = llmtest.Text("Sorry, I could not.")
	tooBig = &llm.APIError{
		Kind: llm.KindContextOverflow, Provider: "openai", StatusCode: 400, Type: "invalid_request_error", Code: "context_length_exceeded",
		Message: "This model's maximum context length is 128000 tokens. However, your messages resulted in 130012 tokens.",
	}
)

const (
	sentText  = "It was sent on Monday."
	sorryText = "Sorry, I could not."
)

var scenarios = []scenario{
	{
		name:  "text",
		steps: []llmtest.Step{sent.Usage(llm.Usage{InputTokens: 70, CachedTokens: 64, OutputTokens: 9, ReasoningTokens: 2, TotalTokens: 79})},
		want: outcome{
			text: sentText, requests: 1,
			usage: llm.Usage{InputTokens: 70, CachedTokens: 64, OutputTokens: 9, ReasoningTokens: 2, TotalTokens: 79},
		},
	},
	{
		name:  "one call",
		steps: []llmtest.Step{look("W1", 2), sent.With(llmtest.Late(time.Second))},
		want:  outcome{text: sentText, calls: "look", most: 1, took: 3 * time.Second, usage: answers(2), requests: 2},
	},
	{
		name:  "parallel calls",
		steps: []llmtest.Step{look("W1", 5).And(look("W2", 1), refund("W3", 250)), sent},
		want:  outcome{text: sentText, calls: "look, look, refund", most: 3, took: 5 * time.Second, usage: answers(2), requests: 2},
	},
	{
		name:  "chain of ten",
		steps: chain(10),
		want: outcome{
			text: sentText, calls: "look, look, look, look, look, look, look, look, look, look", most: 1,
			took: 10 * time.Second, usage: answers(11), requests: 11,
		},
	},
	{
		name:  "invalid arguments then right ones",
		steps: []llmtest.Step{refund("W1", 0).And(llmtest.Calls("refund", `{"order":"W`)), refund("W1", 250), sent},
		want: outcome{
			text: sentText, calls: "refund: invalid_arguments, refund: invalid_json, refund", most: 1,
			took: 3 * time.Second, usage: answers(3), requests: 3,
		},
	},
	{
		name:  "unknown tool",
		steps: []llmtest.Step{llmtest.Calls("lok", nil), sorry},
		want:  outcome{text: sorryText, calls: "lok: unknown_tool", usage: answers(2), requests: 2},
	},
	{
		name:  "tool error",
		steps: []llmtest.Step{refund("W0", 250), sorry},
		want:  outcome{text: sorryText, calls: "refund: failed", most: 1, usage: answers(2), requests: 2},
	},
	{
		name:  "timeout",
		steps: []llmtest.Step{llmtest.Calls("sleep", nil), sorry},
		want:  outcome{text: sorryText, calls: "sleep: timed_out", most: 1, took: time.Second, usage: answers(2), requests: 2},
	},
	{
		name:  "panic",
		steps: []llmtest.Step{llmtest.Calls("break_down", nil), sorry},
		want:  outcome{text: sorryText, calls: "break_down: panicked", most: 1, usage: answers(2), requests: 2},
	},
	{
		name:  "tool that aborts", // the other call is waited for
		steps: []llmtest.Step{look("W1", 4).And(llmtest.Calls("abort", nil))},
		want: outcome{
			err: "turn 1: tool abort: the shop is closed", calls: "look, abort: failed", most: 1,
			took: 4 * time.Second, usage: answers(1), requests: 1,
		},
	},
	{
		name:  "cut stream then retry",
		steps: []llmtest.Step{look("W1", 0), sent.With(llmtest.Cut(2)), sent},
		want:  outcome{text: sentText, calls: "look", most: 1, usage: answers(2), requests: 3, restarts: 1},
	},
	{
		name: "429 then success",
		steps: []llmtest.Step{
			llmtest.Wire(http.StatusTooManyRequests, http.Header{"Retry-After": {"7"}}, `{"error":{"message":"Slow down."}}`), sent,
		},
		want: outcome{text: sentText, took: 7 * time.Second, usage: answers(1), requests: 2},
	},
	{
		name:  "context overflow", // no retry helps
		steps: []llmtest.Step{look("W1", 0), llmtest.Fail(tooBig)},
		want:  outcome{err: "context_overflow", calls: "look", most: 1, usage: answers(1), requests: 2},
	},
	{
		name:  "length",
		steps: []llmtest.Step{llmtest.Text("It was").Finish("length")},
		want:  outcome{text: "It was", err: "finish length", usage: answers(1), requests: 1},
	},
	{
		name:  "refusal",
		steps: []llmtest.Step{llmtest.Refusal("I will not help with that.")},
		want:  outcome{err: "finish refusal", usage: answers(1), requests: 1},
	},
	{
		name:  "content filter", // a call that a filter cut off is not run
		steps: []llmtest.Step{llmtest.Text("One").And(refund("W1", 250)).Finish("content_filter")},
		want:  outcome{text: "One", err: "finish content_filter", calls: "refund", usage: answers(1), requests: 1},
	},
	{
		name:  "empty answer", // the model is asked once more
		steps: []llmtest.Step{llmtest.Text(""), sent},
		want:  outcome{text: sentText, usage: answers(2), requests: 2},
	},
	{
		name:   "cancel mid-tool", // what had its result keeps it
		hangUp: 4 * time.Second,
		steps:  []llmtest.Step{look("W1", 1).And(refund("W2", 250), look("W3", 60))},
		want: outcome{
			err: "hung up", calls: "look, refund, look", most: 2, took: 4 * time.Second, usage: answers(1), requests: 1,
		},
	},
	{
		name:   "cancel mid-stream",
		hangUp: 4 * time.Second,
		steps:  []llmtest.Step{look("W1", 1), sent.With(llmtest.Stall(2, 0))},
		want: outcome{
			err: "hung up", calls: "look", most: 1, took: 4 * time.Second, usage: answers(1), requests: 2, shown: "It was ",
		},
	},
	{
		name:   "turn limit",
		runner: runner.Runner{MaxTurns: 2},
		steps:  []llmtest.Step{look("W1", 0), look("W2", 0)},
		want:   outcome{err: "limit of turns", calls: "look, look", most: 1, usage: answers(2), requests: 2},
	},
}
