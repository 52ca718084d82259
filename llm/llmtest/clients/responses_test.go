package clients_test

import (
	"errors"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

func input(items ...responses.ResponseInputItemUnionParam) responses.ResponseNewParams {
	hi := responses.ResponseInputItemParamOfMessage("hi", responses.EasyInputMessageRoleUser)
	return responses.ResponseNewParams{
		Model: "m",
		Store: param.NewOpt(false),
		Input: responses.ResponseNewParamsInputUnion{OfInputItemList: append(responses.ResponseInputParam{hi}, items...)},
	}
}

// responded is what the client makes of a response.
func responded(r *responses.Response) said {
	out := said{finish: string(r.Status), usage: [2]int64{r.Usage.InputTokens, r.Usage.OutputTokens}}
	for _, item := range r.Output {
		switch item.Type {
		case "message":
			for _, c := range item.Content {
				out.text += c.Text
				out.refusal += c.Refusal
			}
		case "function_call":
			out.calls = append(out.calls, item.CallID+" "+item.Name+" "+item.Arguments.OfString)
		}
	}
	return out
}

// streamedResponse reads a stream: the deltas, and the response of the last event.
func streamedResponse(t *testing.T, c openai.Client, p responses.ResponseNewParams) (said, string, error) {
	t.Helper()
	stream := c.Responses.NewStreaming(t.Context(), p)
	defer func() { require.NoError(t, stream.Close()) }()
	var deltas string
	var last *responses.Response
	for stream.Next() {
		switch e := stream.Current(); e.Type {
		case "response.output_text.delta", "response.refusal.delta":
			deltas += e.Delta
		case "response.completed", "response.incomplete":
			r := e.Response
			last = &r
		}
	}
	if err := stream.Err(); err != nil {
		return said{}, deltas, err
	}
	require.NotNil(t, last, "there is no terminal event")
	return responded(last), deltas, nil
}

// TestResponses: the official client takes every answer of our seats on the Responses
// API, streamed and not.
func TestResponses(t *testing.T) {
	t.Parallel()
	usual := [2]int64{10, 5}
	for name, c := range map[string]struct {
		step llmtest.Step
		want said
	}{
		"text":    {llmtest.Text("It is 22 °C, 今天北京的天气."), said{text: "It is 22 °C, 今天北京的天气.", finish: "completed", usage: usual}},
		"refusal": {llmtest.Refusal("I will not do that."), said{refusal: "I will not do that.", finish: "completed", usage: usual}},
		"length":  {llmtest.Text("It is").Finish("length"), said{text: "It is", finish: "incomplete", usage: usual}},
		"usage":   {llmtest.Text("a").Usage(llm.Usage{InputTokens: 3, OutputTokens: 4}), said{text: "a", finish: "completed", usage: [2]int64{3, 4}}},
		"thought": {llmtest.Reasoning("Hm.").And(llmtest.Text("Yes.")), said{text: "Yes.", finish: "completed", usage: usual}},
		"parallel calls": {
			llmtest.Text("Let me see.").And(llmtest.Calls("f", `{"a":1}`), llmtest.Calls("g", nil)),
			said{text: "Let me see.", calls: []string{`call_1 f {"a":1}`, `call_2 g {}`}, finish: "completed", usage: usual},
		},
	} {
		for seat, client := range seats {
			t.Run(name+", "+seat, func(t *testing.T) {
				t.Parallel()
				official := client(llmtest.Script(t, c.step))
				got, err := official.Responses.New(t.Context(), input())
				require.NoError(t, err)
				require.Equal(t, c.want, responded(got))
				for size := -1; size < 5; size++ {
					m := llmtest.Script(t, c.step)
					m.ChunkSize = size
					streamed, deltas, err := streamedResponse(t, client(m), input())
					require.NoError(t, err)
					require.Equal(t, c.want, streamed, "size %d", size)
					require.Equal(t, c.want.text+c.want.refusal, deltas, "size %d", size)
				}
			})
		}
	}
}

// TestResponsesToolTurn: what the client sends back is what the script made of it.
func TestResponsesToolTurn(t *testing.T) {
	t.Parallel()
	for seat, client := range seats {
		t.Run(seat, func(t *testing.T) {
			t.Parallel()
			m := llmtest.Script(t, llmtest.Calls("f", nil), llmtest.Text("It is 22 °C.").When(llmtest.HasResult("f")))
			c := client(m)
			first, err := c.Responses.New(t.Context(), input())
			require.NoError(t, err)
			call := first.Output[0]
			result := responses.ResponseInputItemParamOfFunctionCallOutput("22 °C")
			result.OfFunctionCallOutput.CallID = param.NewOpt(call.CallID)
			second, err := c.Responses.New(t.Context(), input(
				responses.ResponseInputItemParamOfFunctionCall(call.Arguments.OfString, call.CallID, call.Name), result,
			))
			require.NoError(t, err)
			require.Equal(t, "It is 22 °C.", second.OutputText())
			require.Equal(t, []llm.Message{
				llm.User("hi"),
				llm.Assistant("", llm.ToolCall{ID: "call_1", Name: "f", Arguments: "{}"}),
				{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "call_1", Name: "f", Parts: llm.Parts{llm.Text{Text: "22 °C"}}}}},
			}, m.Requests()[1].Messages)
		})
	}
}

// TestResponsesErrors: the client gets the fields of an error, in place of an answer and
// in the middle of a stream.
func TestResponsesErrors(t *testing.T) {
	t.Parallel()
	for seat, client := range seats {
		t.Run(seat, func(t *testing.T) {
			t.Parallel()
			official := client(llmtest.Script(t, llmtest.Fail(&llm.APIError{Kind: llm.KindRateLimit})))
			_, err := official.Responses.New(t.Context(), input())
			e, ok := errors.AsType[*openai.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, 429, e.StatusCode)
			require.Equal(t, "rate_limit_exceeded", e.Code)

			broken := llmtest.Text("one two three").With(llmtest.ErrorEvent(1, &llm.APIError{Kind: llm.KindOverloaded}))
			_, _, err = streamedResponse(t, client(llmtest.Script(t, broken)), input())
			require.ErrorContains(t, err, "overloaded")
		})
	}
}
