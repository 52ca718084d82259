package clients_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// seats are the two seats on the wire.
var seats = map[string]func(m *llmtest.Model) openai.Client{
	"server": func(m *llmtest.Model) openai.Client {
		return openai.NewClient(option.WithBaseURL(m.Serve().BaseURL), option.WithAPIKey("k"), option.WithMaxRetries(0))
	},
	"transport": func(m *llmtest.Model) openai.Client {
		return openai.NewClient(option.WithBaseURL("https://api.example.com/v1"), option.WithAPIKey("k"), option.WithHTTPClient(m.Client()), option.WithMaxRetries(0))
	},
}

func params(messages ...openai.ChatCompletionMessageParamUnion) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:         "m",
		Messages:      append([]openai.ChatCompletionMessageParamUnion{openai.UserMessage("hi")}, messages...),
		StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
	}
}

// said is what a client makes of an answer.
type said struct {
	text, refusal, finish string
	calls                 []string
	usage                 [2]int64
}

func saidIn(c *openai.ChatCompletion) said {
	message := c.Choices[0].Message
	out := said{
		text: message.Content, refusal: message.Refusal, finish: c.Choices[0].FinishReason,
		usage: [2]int64{c.Usage.PromptTokens, c.Usage.CompletionTokens},
	}
	for _, call := range message.ToolCalls {
		out.calls = append(out.calls, call.ID+" "+call.Function.Name+" "+call.Function.Arguments)
	}
	return out
}

// streamed gathers a stream with the library's own accumulator.
func streamed(t *testing.T, c openai.Client, p openai.ChatCompletionNewParams) (said, error) {
	t.Helper()
	stream := c.Chat.Completions.NewStreaming(t.Context(), p)
	defer func() { require.NoError(t, stream.Close()) }()
	var all openai.ChatCompletionAccumulator
	for stream.Next() {
		require.True(t, all.AddChunk(stream.Current()))
	}
	if err := stream.Err(); err != nil {
		return said{}, err
	}
	return saidIn(&all.ChatCompletion), nil
}

func whole(t *testing.T, c openai.Client, p openai.ChatCompletionNewParams) (said, error) {
	t.Helper()
	answer, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil {
		return said{}, err
	}
	return saidIn(answer), nil
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	usual := [2]int64{10, 5}
	for name, c := range map[string]struct {
		step llmtest.Step
		want said
	}{
		"text":    {llmtest.Text("It is 22 °C, 今天北京的天气."), said{text: "It is 22 °C, 今天北京的天气.", finish: "stop", usage: usual}},
		"empty":   {llmtest.Text(""), said{finish: "stop", usage: usual}},
		"refusal": {llmtest.Refusal("I will not do that."), said{refusal: "I will not do that.", finish: "stop", usage: usual}},
		"length":  {llmtest.Text("It is").Finish("length"), said{text: "It is", finish: "length", usage: usual}},
		"usage":   {llmtest.Text("a").Usage(llm.Usage{InputTokens: 3, OutputTokens: 4}), said{text: "a", finish: "stop", usage: [2]int64{3, 4}}},
		"call": {
			llmtest.Calls("f", map[string]string{"city": "Beijing"}),
			said{calls: []string{`call_1 f {"city":"Beijing"}`}, finish: "tool_calls", usage: usual},
		},
		"parallel calls": {
			llmtest.Text("Let me see.").And(llmtest.Calls("f", `{"a":1}`), llmtest.Calls("g", nil), llmtest.Calls("h", `{"b":[1,2,3]}`)),
			said{text: "Let me see.", calls: []string{`call_1 f {"a":1}`, `call_2 g {}`, `call_3 h {"b":[1,2,3]}`}, finish: "tool_calls", usage: usual},
		},
	} {
		for seat, client := range seats {
			t.Run(name+", "+seat, func(t *testing.T) {
				t.Parallel()
				got, err := whole(t, client(llmtest.Script(t, c.step)), params())
				require.NoError(t, err)
				require.Equal(t, c.want, got)
				for size := -1; size < 5; size++ {
					for seed := range uint64(6) { // zero: none
						m := llmtest.Script(t, c.step)
						m.ChunkSize, m.Seed = size, seed
						got, err := streamed(t, client(m), params())
						require.NoError(t, err)
						require.Equal(t, c.want, got, "size %d, seed %d", size, seed)
					}
				}
			})
		}
	}
}

// A turn with a tool: what the client sends back is what the script made of it.
func TestToolTurn(t *testing.T) {
	t.Parallel()
	for seat, client := range seats {
		t.Run(seat, func(t *testing.T) {
			t.Parallel()
			m := llmtest.Script(t, llmtest.Calls("f", nil), llmtest.Text("It is 22 °C.").When(llmtest.HasResult("f")))
			c := client(m)
			first, err := c.Chat.Completions.New(t.Context(), params())
			require.NoError(t, err)
			message := first.Choices[0].Message
			got, err := whole(t, c, params(message.ToParam(), openai.ToolMessage("22 °C", message.ToolCalls[0].ID)))
			require.NoError(t, err)
			require.Equal(t, "It is 22 °C.", got.text)
			require.Equal(t, []llm.Message{
				llm.User("hi"),
				llm.Assistant("", llm.ToolCall{ID: "call_1", Name: "f", Arguments: "{}"}),
				{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "call_1", Name: "f", Parts: llm.Parts{llm.Text{Text: "22 °C"}}}}},
			}, m.Requests()[1].Messages)
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for seat, client := range seats {
		t.Run(seat, func(t *testing.T) {
			t.Parallel()
			m := llmtest.Script(t, llmtest.Fail(&llm.APIError{Kind: llm.KindRateLimit, RetryAfter: 2 * time.Second}).Forever())
			for _, ask := range []func(*testing.T, openai.Client, openai.ChatCompletionNewParams) (said, error){whole, streamed} {
				_, err := ask(t, client(m), params())
				e, ok := errors.AsType[*openai.Error](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, 429, e.StatusCode)
				require.Equal(t, "rate_limit_exceeded", e.Code)
				require.Equal(t, "Rate limit reached.", e.Message)
				require.Equal(t, "2", e.Response.Header.Get("Retry-After"))
			}
		})
	}
}

func TestBrokenStreams(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault llmtest.Fault
		is    error
		says  string
	}{
		"cut":     {llmtest.Cut(1), io.ErrUnexpectedEOF, ""},
		"bytes":   {llmtest.CutBytes(500), io.ErrUnexpectedEOF, ""},
		"reset":   {llmtest.Reset(1), nil, "connection reset by peer"},
		"error":   {llmtest.ErrorEvent(1, &llm.APIError{Kind: llm.KindOverloaded}), nil, "overloaded"},
		"garbage": {llmtest.GarbageEvent(1, "<html>"), nil, "invalid character"},
	} {
		for seat, client := range seats {
			t.Run(fmt.Sprintf("%s, %s", name, seat), func(t *testing.T) {
				t.Parallel()
				_, err := streamed(t, client(llmtest.Script(t, llmtest.Text("one two three").With(c.fault))), params())
				require.ErrorContains(t, err, c.says)
				if c.is != nil {
					require.ErrorIs(t, err, c.is)
				}
			})
		}
	}
}

// The library's own retries, in a bubble of fake time.
func TestRetriesOfTheClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		text := llmtest.Text("hi")
		m := llmtest.Script(t, text.With(llmtest.Status(429, map[string][]string{"Retry-After": {"7"}}, "")), text.With(llmtest.Reset(-1)), text)
		c := openai.NewClient(option.WithBaseURL("https://api.example.com/v1"), option.WithAPIKey("k"), option.WithHTTPClient(m.Client()))
		start := time.Now()
		got, err := whole(t, c, params())
		require.NoError(t, err)
		require.Equal(t, "hi", got.text)
		require.GreaterOrEqual(t, time.Since(start), 7*time.Second)
	})
}
