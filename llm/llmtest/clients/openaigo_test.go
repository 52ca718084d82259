package clients_test

import (
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/packages/respjson"
	wire "github.com/openai/openai-go/v3/responses"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// seats are the two seats on the wire. The clients from npm have only the server.
var seats = map[string]func(m *llmtest.Model) []option.RequestOption{
	"server": func(m *llmtest.Model) []option.RequestOption {
		return []option.RequestOption{option.WithBaseURL(m.Serve().BaseURL)}
	},
	"transport": func(m *llmtest.Model) []option.RequestOption {
		return []option.RequestOption{option.WithBaseURL("https://api.example.com/v1"), option.WithHTTPClient(m.Client())}
	},
}

// officialGo is OpenAI's client for Go in front of a seat.
func officialGo(seat string) client {
	return client{"openai-go", func(t *testing.T, m *llmtest.Model, q question) (said, error) {
		t.Helper()
		c := openai.NewClient(append(seats[seat](m), option.WithAPIKey("k"), option.WithMaxRetries(0))...)
		ask := askChat
		if q.API == responses {
			ask = askResponses
		}
		got, err := ask(t, c, q)
		if e, ok := errors.AsType[*openai.Error](err); ok {
			return said{}, &failure{Name: "openai.Error", Status: e.StatusCode, Code: e.Code, Message: e.Message}
		}
		return got, err
	}, hearOfficial, 6}
}

// askChat asks on Chat Completions.
func askChat(t *testing.T, c openai.Client, q question) (said, error) {
	t.Helper()
	p := openai.ChatCompletionNewParams{
		Model: "m", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hi")},
		StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
	}
	if !q.Stream {
		p.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
	}
	got, message, err := completed(t, c, p, q.Stream)
	if err != nil || q.Result == "" {
		return got, err
	}
	p.Messages = append(p.Messages, message.ToParam())
	for _, call := range got.Calls {
		p.Messages = append(p.Messages, openai.ToolMessage(q.Result, call.ID))
	}
	got, _, err = completed(t, c, p, q.Stream)
	return got, err
}

func completed(t *testing.T, c openai.Client, p openai.ChatCompletionNewParams, stream bool) (said, openai.ChatCompletionMessage, error) {
	t.Helper()
	if !stream {
		answer, err := c.Chat.Completions.New(t.Context(), p)
		if err != nil {
			return said{}, openai.ChatCompletionMessage{}, err
		}
		message := answer.Choices[0].Message
		return saidIn(answer, thoughtIn(t, message.JSON.ExtraFields)), message, nil
	}
	chunks := c.Chat.Completions.NewStreaming(t.Context(), p)
	defer func() { require.NoError(t, chunks.Close()) }()
	var all openai.ChatCompletionAccumulator // the library's own
	var deltas, thought string
	for chunks.Next() {
		require.True(t, all.AddChunk(chunks.Current()))
		for _, choice := range chunks.Current().Choices {
			deltas += choice.Delta.Content + choice.Delta.Refusal
			thought += thoughtIn(t, choice.Delta.JSON.ExtraFields)
		}
	}
	if err := chunks.Err(); err != nil {
		return said{}, openai.ChatCompletionMessage{}, err
	}
	got := saidIn(&all.ChatCompletion, thought)
	got.Deltas = deltas
	return got, all.Choices[0].Message, nil
}

// thoughtIn returns the reasoning, for which the library has no field.
func thoughtIn(t *testing.T, extra map[string]respjson.Field) (text string) {
	t.Helper()
	if f, ok := extra["reasoning_content"]; ok {
		require.NoError(t, json.Unmarshal([]byte(f.Raw()), &text))
	}
	return text
}

func saidIn(c *openai.ChatCompletion, thought string) said {
	message, u := c.Choices[0].Message, c.Usage
	out := said{
		Text: message.Content, Reasoning: thought, Refusal: message.Refusal, Finish: c.Choices[0].FinishReason,
		Usage: usage{u.PromptTokens, u.PromptTokensDetails.CachedTokens, u.CompletionTokens, u.CompletionTokensDetails.ReasoningTokens},
	}
	for _, c := range message.ToolCalls {
		out.Calls = append(out.Calls, call{c.ID, c.Function.Name, c.Function.Arguments})
	}
	return out
}

// askResponses asks on the Responses API.
func askResponses(t *testing.T, c openai.Client, q question) (said, error) {
	t.Helper()
	input := wire.ResponseInputParam{wire.ResponseInputItemParamOfMessage("hi", wire.EasyInputMessageRoleUser)}
	answer, deltas, err := responded(t, c, input, q.Stream)
	if err != nil {
		return said{}, err
	}
	got := saidBy(answer, deltas)
	if q.Result == "" {
		return got, nil
	}
	for _, item := range answer.Output {
		input = append(input, param.Override[wire.ResponseInputItemUnionParam](json.RawMessage(item.RawJSON())))
	}
	for _, call := range got.Calls {
		result := wire.ResponseInputItemParamOfFunctionCallOutput(q.Result)
		result.OfFunctionCallOutput.CallID = param.NewOpt(call.ID)
		input = append(input, result)
	}
	if answer, deltas, err = responded(t, c, input, q.Stream); err != nil {
		return said{}, err
	}
	return saidBy(answer, deltas), nil
}

func responded(t *testing.T, c openai.Client, input wire.ResponseInputParam, stream bool) (answer *wire.Response, deltas string, err error) {
	t.Helper()
	p := wire.ResponseNewParams{
		Model: "m", Store: param.NewOpt(false), Input: wire.ResponseNewParamsInputUnion{OfInputItemList: input},
		Include: []wire.ResponseIncludable{wire.ResponseIncludableReasoningEncryptedContent},
	}
	if !stream {
		answer, err = c.Responses.New(t.Context(), p)
		return answer, "", err
	}
	events := c.Responses.NewStreaming(t.Context(), p)
	defer func() { require.NoError(t, events.Close()) }()
	for events.Next() {
		switch e := events.Current(); e.Type {
		case "response.output_text.delta", "response.refusal.delta":
			deltas += e.Delta
		case "response.completed", "response.incomplete":
			answer = &e.Response
		}
	}
	if err := events.Err(); err != nil {
		return nil, "", err
	}
	require.NotNil(t, answer, "there is no terminal event")
	return answer, deltas, nil
}

func saidBy(r *wire.Response, deltas string) said {
	out := said{Finish: string(r.Status), Deltas: deltas, Usage: usage{
		r.Usage.InputTokens, r.Usage.InputTokensDetails.CachedTokens, r.Usage.OutputTokens, r.Usage.OutputTokensDetails.ReasoningTokens,
	}}
	if r.IncompleteDetails.Reason != "" {
		out.Finish = r.IncompleteDetails.Reason
	}
	for _, item := range r.Output {
		switch item.Type {
		case "message":
			for _, c := range item.Content {
				out.Text += c.Text
				out.Refusal += c.Refusal
			}
		case "reasoning":
			thought := item.AsReasoning()
			for _, part := range thought.Summary {
				out.Reasoning += part.Text
			}
			for _, part := range thought.Content {
				out.Reasoning += part.Text
			}
		case "function_call":
			out.Calls = append(out.Calls, call{item.CallID, item.Name, item.Arguments.OfString})
		}
	}
	return out
}

// TestRetriesOfTheClient: the library's own retries obey the header, in a bubble of
// fake time.
func TestRetriesOfTheClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		text := llmtest.Text("hi")
		m := llmtest.Script(t, text.With(llmtest.Status(429, map[string][]string{"Retry-After": {"7"}}, "")), text.With(llmtest.Reset(-1)), text)
		c := openai.NewClient(append(seats["transport"](m), option.WithAPIKey("k"))...)
		start := time.Now()
		got, err := askChat(t, c, question{API: chat})
		require.NoError(t, err)
		require.Equal(t, "hi", got.Text)
		require.GreaterOrEqual(t, time.Since(start), 7*time.Second)
	})
}
