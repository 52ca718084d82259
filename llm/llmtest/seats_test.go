package llmtest_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

func member(name, value string) []llm.Member { return []llm.Member{{Name: name, Value: value}} }

// Whatever a step says, a program gets the same in process and through a real
// client, streamed or not.
func TestSeatsAgreeThroughAClient(t *testing.T) {
	t.Parallel()
	replied := func(resp llm.Response) llmtest.Step {
		return llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) { return &resp, nil })
	}
	for name, step := range map[string]llmtest.Step{
		"text":                 llmtest.Text("It is 22 °C <b>&\n\"quoted\" 今天北京的天气是二十二度晴."),
		"empty":                llmtest.Text(""),
		"empty parts":          llmtest.Parts(llm.Text{}, llm.Reasoning{}, llm.Refusal{}, llm.ToolCall{Name: "f", Arguments: "{}"}),
		"no UTF-8":             llmtest.Text("a\xff\xfeb").And(llmtest.Reasoning("\xe2\x82"), llmtest.Calls("f", "{\"a\": \xff")),
		"calls":                llmtest.Text("Let me see.").And(llmtest.Calls("f", "no json"), llmtest.Calls("g", `{"a":[1,{}]}`)),
		"no arguments":         llmtest.Calls("f", "").And(llmtest.Calls("f", " \n"), llmtest.Calls("f", "null"), llmtest.Calls("f", " null "), llmtest.Calls("f", nil)),
		"calls of one id":      llmtest.Parts(llm.ToolCall{ID: "c", Name: "f", Arguments: "{}"}, llm.ToolCall{ID: "c", Name: "f", Arguments: `{"a":1}`}),
		"call without a name":  llmtest.Parts(llm.ToolCall{ID: "c", Arguments: "{}"}),
		"call with extra":      llmtest.Parts(llm.ToolCall{Name: "f", Arguments: "{}", Extra: member("extra_content", "{\n\"a\": 1}")}),
		"reasoning":            llmtest.Text("Yes.").And(llmtest.Reasoning("Hm, "), llmtest.Reasoning("let me think.")),
		"reasoning field":      llmtest.Parts(llm.Reasoning{Text: "Hm.", Field: "reasoning"}, llm.Text{Text: "Yes."}),
		"reasoning extra":      llmtest.Parts(llm.Text{Text: "a"}, llm.Reasoning{Text: "Hm, so be it.", Extra: member("signature", `"s"`)}, llm.Text{Text: "b"}, llm.Reasoning{Text: "First."}),
		"refusal":              llmtest.Refusal("I will not ").And(llmtest.Refusal("do that.")),
		"audio":                llmtest.Parts(llm.Audio{ID: "audio_1", Data: []byte("sound"), Format: "wav", Transcript: "said"}),
		"audio without data":   llmtest.Parts(llm.Audio{ID: "audio_1", Data: []byte{}}),
		"text with extra":      llmtest.Parts(llm.Text{Text: "a", Extra: member("cited", "[ 1 ]")}, llm.Text{Text: "b"}, llm.Text{Text: "c"}, llm.Text{Text: "d", Extra: []llm.Member{}}),
		"raw part":             llmtest.Parts(llm.RawPart{JSON: " {\"type\":\"x\",\r\n\"y\":1}"}, llm.Text{Text: "a"}),
		"finish":               llmtest.Text("x").Finish("weird"),
		"no finish":            llmtest.Text("x").Finish(""),
		"native finish":        llmtest.Text("x").NativeFinish("MAX_TOKENS"),
		"finish of our words":  replied(llm.Response{Finish: llm.Finish{Reason: llm.FinishContentFilter}}),
		"finish at odds":       replied(llm.Response{Finish: llm.Finish{Reason: llm.FinishStop, Raw: "length"}}),
		"native finish alone":  replied(llm.Response{Finish: llm.Finish{Reason: llm.FinishStop, Native: "length"}}),
		"log probabilities":    replied(llm.Response{LogProbs: json.RawMessage(`{"content": [ {"token":"a"} ]}`)}),
		"those without finish": replied(llm.Response{LogProbs: json.RawMessage(`{"content":[1]}`)}).Finish(""),
		"no usage":             llmtest.Text("x").Usage(llm.Usage{}),
		"usage": llmtest.Text("x").Usage(llm.Usage{
			InputTokens: 1, CachedTokens: 2, CacheWriteTokens: 3, InputAudioTokens: 4, OutputTokens: 5, ReasoningTokens: 6, OutputAudioTokens: 7,
		}),
		"raw usage":          replied(llm.Response{RawUsage: json.RawMessage(`{"prompt_tokens": 3, "cost": 0.5, "prompt_tokens_details": {"cached_tokens": 2}}`)}),
		"usage over the raw": replied(llm.Response{RawUsage: json.RawMessage(`{"prompt_tokens":3}`)}).Usage(llm.Usage{InputTokens: 9}),
		"extras": replied(llm.Response{
			ID: "id", RequestID: "req", Model: "other",
			Message: llm.Message{Parts: llm.Parts{llm.Text{Text: "hello world"}}, Extra: member("annotations", "[ 1 ]")},
		}),
		"calls that the provider ran": replied(llm.Response{Message: llm.Message{
			Parts: llm.Parts{llm.Text{Text: "a"}, llm.ToolCall{ID: "c", Name: "f", Arguments: "{}"}},
			Extra: append(member("tool_calls", `[ {"id":"h","type":"mcp","mcp":{"output":"[]"}}, {"id":"i","type":"web_search"} ]`), member("annotations", "[1]")...),
		}}),
		"nothing but calls that the provider ran": replied(llm.Response{Message: llm.Message{Parts: llm.Parts{llm.Text{Text: "a"}}, Extra: member("tool_calls", `[{"type":"mcp"}]`)}}),
		"extra of the response":                   replied(llm.Response{Extra: member("citations", "[\n2 ]")}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, cut := range cuts {
				requireSeatsAgree(t, step, cut)
			}
		})
	}
}

// A cut is how a model is told to cut its answers.
type cut struct {
	size int
	seed uint64
}

var cuts = []cut{{}, {size: 1}, {size: 5}, {size: -1}, {seed: 1}, {seed: 2}, {seed: 3}, {seed: 4}, {seed: 5}, {seed: 6}}

// requireSeatsAgree asks for an answer in all three seats, streamed and not.
func requireSeatsAgree(t *testing.T, step llmtest.Step, how cut) {
	t.Helper()
	script := func() *llmtest.Model {
		m := llmtest.Script(t, step)
		m.ChunkSize, m.Seed = how.size, how.seed
		return m
	}
	want, err := script().Generate(t.Context(), ask("hi"), nil)
	require.NoError(t, err)
	streamedHere, deltas, err := collect(t.Context(), script(), streamed(ask("hi")))
	require.NoError(t, err)
	require.Equal(t, want, streamedHere)

	for seat, config := range map[string]func() openai.Config{
		"server":    func() openai.Config { return openai.Config{BaseURL: script().Serve().BaseURL} },
		"transport": func() openai.Config { return openai.Config{HTTPClient: script().Client()} },
	} {
		for _, req := range []*llm.Request{ask("hi"), streamed(ask("hi"))} {
			client := config()
			client.Key, client.Retry = "k", wrap.Retry{Attempts: 1}
			got, received, err := collect(t.Context(), client.Model("m"), req)
			require.NoError(t, err)
			if want.RawUsage == nil {
				got.RawUsage = nil // the wire's words for Usage
			}
			require.Equal(t, want, got, "%s, stream: %v, %v", seat, req.Stream, how)
			if req.Stream {
				require.Equal(t, deltas, received, "%s, %v", seat, how)
			}
		}
	}
}

// What the wire has no form for is wrong in both seats: in a step before the
// first request, in a reply when it is given.
func TestPartsThatTheWireCannotCarry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		parts llm.Parts
		want  string
	}{
		"image":               {llm.Parts{llm.Text{Text: "a"}, llm.Image{URL: "https://example.com"}}, "part 2: the wire has no form for a llm.Image in an answer"},
		"file":                {llm.Parts{llm.File{ID: "f"}}, "part 1: the wire has no form for a llm.File in an answer"},
		"result":              {llm.Parts{llm.ToolResult{}}, "part 1: the wire has no form for a llm.ToolResult in an answer"},
		"nil":                 {llm.Parts{nil}, "part 1: the wire has no form for a <nil> in an answer"},
		"refusal extra":       {llm.Parts{llm.Refusal{Text: "a", Extra: member("b", "1")}}, "part 1: the wire has no form for a Refusal with Extra"},
		"reasoning extra":     {llm.Parts{llm.Reasoning{Text: "a", Field: "reasoning", Extra: member("b", "1")}}, "part 1: the wire has no form for a Reasoning with Field and Extra: with Extra it is a part of the content"},
		"reasoning field":     {llm.Parts{llm.Reasoning{Text: "a", Field: "thinking"}}, `part 1: the Field of a Reasoning is "thinking", want one of reasoning_content, reasoning, reasoning_text`},
		"two fields":          {llm.Parts{llm.Reasoning{Text: "a"}, llm.Reasoning{Text: "b", Field: "reasoning"}}, `part 2: an answer holds reasoning in one Field, not in "reasoning_content" and "reasoning"`},
		"two sounds":          {llm.Parts{llm.Audio{ID: "a"}, llm.Audio{ID: "b"}}, "part 2: an answer holds one Audio"},
		"silent audio":        {llm.Parts{llm.Audio{Format: "wav"}}, "part 1: an Audio needs an ID, Data or a Transcript"},
		"extra without text":  {llm.Parts{llm.Text{Extra: member("b", "1")}}, "part 1: there is Extra, but no text"},
		"extra that is none":  {llm.Parts{llm.Text{Text: "a", Extra: member("b", "{")}}, `part 1: the member "b" of Extra is not JSON`},
		"extra that is there": {llm.Parts{llm.ToolCall{Name: "f", Extra: member("id", "1")}}, `part 1: the member "id" of Extra is used already`},
		"extra twice":         {llm.Parts{llm.Text{Text: "a", Extra: append(member("b", "1"), member("b", "2")...)}}, `part 1: the member "b" of Extra is used already`},
		"raw that is none":    {llm.Parts{llm.RawPart{JSON: "null"}}, "part 1: a RawPart needs a JSON object"},
		"raw text":            {llm.Parts{llm.RawPart{JSON: `{"type":"text","text":"a"}`}}, `part 1: a RawPart of type "text": use a Text`},
		"raw thinking":        {llm.Parts{llm.RawPart{JSON: `{"type":"thinking"}`}}, `part 1: a RawPart of type "thinking": use a Reasoning that has Extra`},
		"raw refusal":         {llm.Parts{llm.RawPart{JSON: `{"type":"refusal"}`}}, `part 1: a RawPart of type "refusal": use a Refusal`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			step := llmtest.Parts(c.parts...)
			_, err := llmtest.NewScript(step).Generate(t.Context(), ask("hi"), nil)
			require.EqualError(t, err, "llmtest: step 1: "+c.want)
			require.EqualError(t, (&llmtest.Server{Model: llmtest.NewScript(step)}).Start(), "llmtest: step 1: "+c.want)
			_, err = step.Response()
			require.EqualError(t, err, "llmtest: "+c.want)
			requireReplyFails(t, &llm.Response{Message: llm.Message{Parts: c.parts}}, c.want)
		})
	}
	for want, resp := range map[string]*llm.Response{
		`the message: the member "content" of Extra is used already`:                                                    {Message: llm.Message{Extra: member("content", "1")}},
		`the message: the member "tool_calls" of Extra: want a list of the calls that the provider has run`:             {Message: llm.Message{Extra: member("tool_calls", "[]")}},
		`the message: the member "tool_calls" of Extra: a call of type "function" is run by the caller: use a ToolCall`: {Message: llm.Message{Extra: member("tool_calls", `[{"type":"mcp"},{"type":"function"}]`)}},
		`the response: the member "usage" of Extra is used already`:                                                     {Extra: member("usage", "1")},
		"the RawUsage is not a JSON object":                                                                             {RawUsage: json.RawMessage("1")},
		"the LogProbs is not a JSON object":                                                                             {LogProbs: json.RawMessage("{")},
	} {
		requireReplyFails(t, resp, want)
	}
}

func requireReplyFails(t *testing.T, resp *llm.Response, want string) {
	t.Helper()
	want = "llmtest: the response of the function given to Reply: " + want
	step := llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) { return resp, nil })
	_, err := llmtest.Script(t, step).Generate(t.Context(), ask("hi"), nil)
	require.EqualError(t, err, want)
	s := llmtest.Script(t, step, step).Serve()
	for _, body := range []string{hi, hiStream} {
		answer := chat(t, s, body)
		require.Equal(t, 500, answer.StatusCode)
		var doc struct{ Error struct{ Message string } }
		require.NoError(t, json.Unmarshal([]byte(readAll(t, answer)), &doc))
		require.Equal(t, want, doc.Error.Message)
	}
}

// A response is its receiver's: what is done to it shows in no other one.
func TestResponsesShareNothing(t *testing.T) {
	t.Parallel()
	own := &llm.Response{
		Message: llm.Message{
			Parts: llm.Parts{
				llm.Text{Text: "x", Extra: member("a", "1")}, llm.Audio{ID: "a", Data: []byte("sound")},
				llm.ToolCall{Name: "f", Extra: member("a", "1")},
			},
			Extra: member("a", "1"),
		},
		RawUsage: json.RawMessage(`{"a":1}`), LogProbs: json.RawMessage(`{"a":1}`), Extra: member("a", "1"),
	}
	reply := func(context.Context, *llm.Request) (*llm.Response, error) { return own, nil }
	for _, step := range []llmtest.Step{llmtest.Parts(own.Message.Parts...).Forever(), llmtest.Reply(reply).Forever()} {
		m := llmtest.Script(t, step)
		change(t, m)
		resp, err := m.Generate(t.Context(), ask("hi"), nil)
		require.NoError(t, err)
		text, err := json.Marshal(resp)
		require.NoError(t, err)
		require.NotContains(t, string(text), "meddled")
		require.NotContains(t, string(text), "bWVkbA") // base64 of medl
	}
}

// change spoils all that a response of m refers to.
func change(t *testing.T, m *llmtest.Model) {
	t.Helper()
	resp, err := m.Generate(t.Context(), ask("hi"), nil)
	require.NoError(t, err)
	parts := resp.Message.Parts
	copy(parts[1].(llm.Audio).Data, "medl")
	for _, extra := range [][]llm.Member{parts[0].(llm.Text).Extra, parts[2].(llm.ToolCall).Extra, resp.Message.Extra, resp.Extra} {
		if extra != nil {
			extra[0].Name = "meddled"
		}
	}
	copy(resp.RawUsage, `"meddled"`)
	copy(resp.LogProbs, `"meddled"`)
	parts[0] = llm.Text{Text: "meddled"}
}

// A request is kept as it came, whatever becomes of the caller's and of the copies.
func TestRequestsShareNothing(t *testing.T) {
	t.Parallel()
	request := func() *llm.Request {
		return &llm.Request{
			Model: "m",
			Messages: []llm.Message{
				{Role: llm.RoleUser, Extra: member("a", "1"), Parts: llm.Parts{
					llm.Text{Extra: member("a", "1")}, llm.Image{Data: []byte("d"), MediaType: "image/png", Extra: member("a", "1")},
					llm.Audio{Data: []byte("d"), Extra: member("a", "1")}, llm.File{Data: []byte("d"), Extra: member("a", "1")}, llm.RawPart{JSON: "{}"},
				}},
				llm.Assistant("", llm.Reasoning{Extra: member("a", "1")}, llm.Refusal{Extra: member("a", "1")}, llm.ToolCall{Extra: member("a", "1")}),
				{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{Extra: member("a", "1"), Parts: llm.Parts{llm.Text{Extra: member("a", "1")}}}}},
			},
			Tools:  []llm.ToolDef{{Name: "f", Schema: json.RawMessage("1"), Strict: json.RawMessage("1")}},
			Output: &llm.OutputFormat{Type: "text", Schema: json.RawMessage("1"), Strict: new(true)},
			Settings: llm.Settings{
				ParallelToolCalls: new(true), Temperature: new(0.1), TopP: new(0.1), Stop: []string{"a"}, Seed: new(int64(1)),
				FrequencyPenalty: new(0.1), PresencePenalty: new(0.1), Modalities: []string{"a"}, Store: new(true),
				Metadata: map[string]string{"a": "a"}, Extra: member("a", "1"),
			},
		}
	}
	meddle := func(r *llm.Request) {
		user, said, result := r.Messages[0].Parts, r.Messages[1].Parts, r.Messages[2].Parts[0].(llm.ToolResult)
		for _, extra := range [][]llm.Member{
			r.Extra, r.Messages[0].Extra, user[0].(llm.Text).Extra, user[1].(llm.Image).Extra, user[2].(llm.Audio).Extra, user[3].(llm.File).Extra,
			said[0].(llm.Reasoning).Extra, said[1].(llm.Refusal).Extra, said[2].(llm.ToolCall).Extra, result.Extra, result.Parts[0].(llm.Text).Extra,
		} {
			extra[0].Name = "meddled"
		}
		for _, data := range [][]byte{
			user[1].(llm.Image).Data, user[2].(llm.Audio).Data, user[3].(llm.File).Data, r.Tools[0].Schema, r.Tools[0].Strict, r.Output.Schema,
		} {
			data[0] = 'm'
		}
		result.Parts[0], user[0], r.Tools[0].Name = llm.Text{}, llm.Text{}, "g"
		r.Output.Type, *r.Output.Strict, *r.ParallelToolCalls, *r.Store = "json_object", false, false, false
		*r.Temperature, *r.TopP, *r.FrequencyPenalty, *r.PresencePenalty, *r.Seed = 1, 1, 1, 1, 2
		r.Stop[0], r.Modalities[0], r.Metadata["a"] = "b", "b", "b"
	}
	m := llmtest.Script(t, llmtest.Text("a"))
	req := request()
	_, err := m.Generate(t.Context(), req, nil)
	require.NoError(t, err)
	meddle(req)
	require.Equal(t, []llm.Request{*request()}, m.Requests())
	meddle(&m.Requests()[0])
	require.Equal(t, []llm.Request{*request()}, m.Requests())
}

// An error of a Reply is what it is in process; on the wire it is at least an error.
func TestReplyFailsWithAnOddStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []int{42, 200, 302, 600} {
		odd := &llm.APIError{Kind: llm.KindRateLimit, StatusCode: status}
		step := llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) { return nil, odd })
		m := llmtest.Script(t, step, step)
		_, err := m.Generate(t.Context(), ask("hi"), nil)
		require.Same(t, odd, err)
		require.Equal(t, 429, chat(t, m.Serve(), hi).StatusCode)
	}
}
