package llmtest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

func TestParseRequest(t *testing.T) {
	t.Parallel()
	user := []llm.Message{llm.User("hi")}
	for name, c := range map[string]struct {
		members string // beside messages
		want    llm.Request
	}{
		"nothing else": {`"x":1`, llm.Request{Messages: user, Settings: llm.Settings{Extra: []llm.Member{{Name: "x", Value: "1"}}}}},
		"numbers": {
			`"model":"m","stream":true,"temperature":0,"top_p":0.5,"max_completion_tokens":7,"seed":-1,
			"frequency_penalty":1,"presence_penalty":-2,"logprobs":true,"top_logprobs":3,"n":1`,
			llm.Request{Model: "m", Messages: user, Stream: true, Settings: llm.Settings{
				Temperature: new(0.0), TopP: new(0.5), MaxOutputTokens: 7, Seed: new(int64(-1)),
				FrequencyPenalty: new(1.0), PresencePenalty: new(-2.0), LogProbs: true, TopLogProbs: 3, N: 1,
			}},
		},
		"words": {
			`"max_tokens":7,"stop":["a","b"],"reasoning_effort":"low","verbosity":"high","modalities":["text","audio"],"service_tier":"flex",
			"store":false,"prompt_cache_key":"k","safety_identifier":"s","user":"u","metadata":{"a":"b"},"parallel_tool_calls":false`,
			llm.Request{Messages: user, Settings: llm.Settings{
				MaxOutputTokens: 7, Stop: []string{"a", "b"}, ReasoningEffort: "low", Verbosity: "high", Modalities: []string{"text", "audio"},
				ServiceTier: "flex", Store: new(false), PromptCacheKey: "k", SafetyIdentifier: "s", User: "u",
				Metadata: map[string]string{"a": "b"}, ParallelToolCalls: new(false),
			}},
		},
		"one stop":              {`"stop":"END"`, llm.Request{Messages: user, Settings: llm.Settings{Stop: []string{"END"}}}},
		"nulls":                 {`"stop":null,"temperature":null,"tools":null,"tool_choice":null,"response_format":null,"stream_options":null,"seed":null`, llm.Request{Messages: user}},
		"usage is for the wire": {`"stream_options":{"include_usage":true}`, llm.Request{Messages: user}},
		"other stream options": {
			`"stream_options":{"include_usage":true,"include_obfuscation":false}`,
			llm.Request{Messages: user, Settings: llm.Settings{Extra: []llm.Member{{Name: "stream_options", Value: `{"include_usage":true,"include_obfuscation":false}`}}}},
		},
		"tools": {
			`"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type": "object"}}},
			{"type":"function","function":{"name":"g","parameters":{"a":1},"strict":true}}],"tool_choice":"required"`,
			llm.Request{Messages: user, Tools: []llm.ToolDef{
				{Name: "f", Description: "d", Schema: json.RawMessage(`{"type": "object"}`)},
				{Name: "g", Schema: json.RawMessage(`{"a":1}`), Strict: json.RawMessage(`{"a":1}`)},
			}, Settings: llm.Settings{ToolChoice: llm.ToolRequired}},
		},
		"among tools": {
			`"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]}}`,
			llm.Request{Messages: user, Settings: llm.Settings{ToolChoice: llm.ToolAmong(llm.ToolRequired, "f", "g")}},
		},
		"among tools, one of them hosted": {
			`"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"web_search"}]}}`,
			llm.Request{Messages: user, Settings: llm.Settings{Extra: []llm.Member{
				{Name: "tool_choice", Value: `{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"web_search"}]}}`},
			}}},
		},
		"named tool": {
			`"tool_choice":{"type":"function","function":{"name":"f"}}`,
			llm.Request{Messages: user, Settings: llm.Settings{ToolChoice: llm.ToolNamed("f")}},
		},
		"hosted tools": {
			`"tools":[{"type":"function","function":{"name":"f"}},{"type":"web_search", "n":1.0},{"google_search":{}}]`,
			llm.Request{Messages: user, Tools: []llm.ToolDef{{Name: "f"}}, Settings: llm.Settings{HostedTools: []json.RawMessage{
				json.RawMessage(`{"type":"web_search", "n":1.0}`), json.RawMessage(`{"google_search":{}}`),
			}}},
		},
		"tools without a type": { // as Mistral's client sends them
			`"tools":[{"function":{"name":"f","description":"d","parameters":{"a":1},"strict":true}},{"type":null,"function":{"name":"g"}},
			{"type":"","function":{"name":"h"}},{"google_search":{}}],"tool_choice":{"function":{"name":"g"}}`,
			llm.Request{Messages: user, Tools: []llm.ToolDef{
				{Name: "f", Description: "d", Schema: json.RawMessage(`{"a":1}`), Strict: json.RawMessage(`{"a":1}`)}, {Name: "g"}, {Name: "h"},
			}, Settings: llm.Settings{ToolChoice: llm.ToolNamed("g"), HostedTools: []json.RawMessage{json.RawMessage(`{"google_search":{}}`)}}},
		},
		"tools without a type that say more": {
			`"tools":[{"function":{"name":"f"},"x":1}],"tool_choice":{"function":{"name":"f"},"x":1}`,
			llm.Request{Messages: user, Tools: []llm.ToolDef{{Name: "f"}}, Settings: llm.Settings{Extra: []llm.Member{
				{Name: "tools", Value: `[{"function":{"name":"f"},"x":1}]`}, {Name: "tool_choice", Value: `{"function":{"name":"f"},"x":1}`},
			}}},
		},
		"a type that is no string of ours": {
			`"tools":[{"type":"mcp","function":{"name":"f"}}],"tool_choice":{"type":"custom","function":{"name":"f"}}`,
			llm.Request{Messages: user, Settings: llm.Settings{
				HostedTools: []json.RawMessage{json.RawMessage(`{"type":"mcp","function":{"name":"f"}}`)},
				Extra:       []llm.Member{{Name: "tool_choice", Value: `{"type":"custom","function":{"name":"f"}}`}},
			}},
		},
		"custom tools": {
			`"tools":[{"type":"custom","custom":{"name":"c"}}]`,
			llm.Request{Messages: user, Settings: llm.Settings{Extra: []llm.Member{{Name: "tools", Value: `[{"type":"custom","custom":{"name":"c"}}]`}}}},
		},
		"other tools and choices": {
			`"tools":[{"type":"web_search"},{"type":"function","function":{"name":"f"}}],"tool_choice":"any"`,
			llm.Request{Messages: user, Tools: []llm.ToolDef{{Name: "f"}}, Settings: llm.Settings{Extra: []llm.Member{
				{Name: "tools", Value: `[{"type":"web_search"},{"type":"function","function":{"name":"f"}}]`},
				{Name: "tool_choice", Value: `"any"`},
			}}},
		},
		"output json_object": {`"response_format":{"type":"json_object"}`, llm.Request{Messages: user, Output: &llm.OutputFormat{Type: "json_object"}}},
		"output json_schema": {
			`"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"a": 1},"strict":true}}`,
			llm.Request{Messages: user, Output: &llm.OutputFormat{Type: "json_schema", Name: "n", Description: "d", Schema: json.RawMessage(`{"a": 1}`), Strict: new(true)}},
		},
		"tools that say more": {
			`"tools":[{"type":"function","function":{"name":"f","strict":false}},{"type":"function","function":{"name":"g","x":1}},{"type":"function","x":1,"function":{"name":"h","strict":true}}]`,
			llm.Request{Messages: user, Tools: []llm.ToolDef{{Name: "f"}, {Name: "g"}, {Name: "h"}}, Settings: llm.Settings{Extra: []llm.Member{{
				Name:  "tools",
				Value: `[{"type":"function","function":{"name":"f","strict":false}},{"type":"function","function":{"name":"g","x":1}},{"type":"function","x":1,"function":{"name":"h","strict":true}}]`,
			}}}},
		},
		"tool with nulls": {
			`"tools":[{"type":"function","function":{"name":"f","description":null,"parameters":null,"strict":null}}]`,
			llm.Request{Messages: user, Tools: []llm.ToolDef{{Name: "f"}}},
		},
		"choice that says more": {
			`"tool_choice":{"type":"function","function":{"name":"f","x":1}}`,
			llm.Request{Messages: user, Settings: llm.Settings{Extra: []llm.Member{{Name: "tool_choice", Value: `{"type":"function","function":{"name":"f","x":1}}`}}}},
		},
		"output that is not strict": {
			`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{},"strict":false,"description":null}}`,
			llm.Request{Messages: user, Output: &llm.OutputFormat{Type: "json_schema", Name: "n", Schema: json.RawMessage(`{}`), Strict: new(false)}},
		},
		"output that says more": {
			`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}},"x": 1}`,
			llm.Request{Messages: user, Settings: llm.Settings{Extra: []llm.Member{{Name: "response_format", Value: `{"type":"json_schema","json_schema":{"name":"n","schema":{}},"x": 1}`}}}},
		},
		"schema that says more": {
			`"response_format":{"type":"json_schema","json_schema":{"name":"n","type":"x","schema":{}}}`,
			llm.Request{Messages: user, Settings: llm.Settings{Extra: []llm.Member{{Name: "response_format", Value: `{"type":"json_schema","json_schema":{"name":"n","type":"x","schema":{}}}`}}}},
		},
		"json_object with a schema": {
			`"response_format":{"type":"json_object","json_schema":{"name":"n"}}`,
			llm.Request{Messages: user, Settings: llm.Settings{Extra: []llm.Member{{Name: "response_format", Value: `{"type":"json_object","json_schema":{"name":"n"}}`}}}},
		},
		"both names of one bound": {`"max_tokens":7,"max_completion_tokens":7`, llm.Request{Messages: user, Settings: llm.Settings{MaxOutputTokens: 7}}},
		"output of another kind": {
			`"response_format":{"type":"grammar"}`,
			llm.Request{Messages: user, Settings: llm.Settings{Extra: []llm.Member{{Name: "response_format", Value: `{"type":"grammar"}`}}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := llmtest.ParseRequest([]byte(`{"messages":[{"role":"user","content":"hi"}],` + c.members + `}`))
			require.NoError(t, err)
			require.Equal(t, &c.want, got)
		})
	}
}

func TestParseMessages(t *testing.T) {
	t.Parallel()
	call := `{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},`
	for name, c := range map[string]struct {
		json string
		want llm.Message
	}{
		"system":    {`{"role":"system","content":"s"}`, llm.System("s")},
		"developer": {`{"role":"developer","content":"s"}`, llm.Message{Role: llm.RoleDeveloper, Parts: llm.Parts{llm.Text{Text: "s"}}}},
		"user":      {`{"content":"u","role":"user"}`, llm.User("u")},
		"assistant": {`{"role":"assistant","content":"a"}`, llm.Assistant("a")},
		"calls without a type": {
			`{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":{"x":1}}},{"id":"b","type":null,"index":1,"function":{"name":"g","arguments":"{}"}},{"id":"c","type":"","function":{"name":"h","arguments":"{}"}}]}`,
			llm.Message{Role: llm.RoleAssistant, Parts: llm.Parts{
				llm.ToolCall{ID: "a", Name: "f", Arguments: `{"x":1}`}, llm.ToolCall{ID: "b", Name: "g", Arguments: "{}"}, llm.ToolCall{ID: "c", Name: "h", Arguments: "{}"},
			}},
		},
		"parts without a type": {
			`{"role":"user","content":[{"text":"a","x":1},{"image_url":{"url":"https://h/a.png"}},{"text":"b","file":{"file_id":"f"}},{"document_url":"u"}]}`,
			llm.Message{Role: llm.RoleUser, Parts: llm.Parts{
				llm.Text{Text: "a", Extra: []llm.Member{{Name: "x", Value: "1"}}}, llm.Image{URL: "https://h/a.png"},
				llm.RawPart{JSON: `{"text":"b","file":{"file_id":"f"}}`}, llm.RawPart{JSON: `{"document_url":"u"}`},
			}},
		},
		"calls that the provider ran": {
			`{"role":"assistant","tool_calls":[{"id":"h", "type":"mcp","mcp":{"a":"<"}},{"id":"c","type":"builtin_function","function":{"name":"$s","arguments":"{}"}},{"type":"web_search"}],"y":2}`,
			llm.Message{
				Role: llm.RoleAssistant, Parts: llm.Parts{llm.ToolCall{ID: "c", Name: "$s", Arguments: "{}", Extra: []llm.Member{{Name: "type", Value: `"builtin_function"`}}}},
				Extra: []llm.Member{{Name: "tool_calls", Value: `[{"id":"h", "type":"mcp","mcp":{"a":"<"}},{"type":"web_search"}]`}, {Name: "y", Value: "2"}},
			},
		},
		"empty": {`{"role":"assistant","content":""}`, llm.Assistant("")},
		"null":  {`{"role":"assistant","content":null,"refusal":null,"audio":null,"tool_calls":null}`, llm.Assistant("")},
		"parts": {
			`{"role":"user","content":[{"type":"text","text":""},{"type":"text","text":"look","cache_control":{"type": "ephemeral"}},
			{"type":"image_url","image_url":{"url":"https://example.com/x.png","detail":"low"}},
			{"type":"image_url","image_url":{"url":"data:image/png;base64,cG5n"},"x":1},
			{"type":"input_audio","input_audio":{"data":"d2F2","format":"wav"}},
			{"type":"file","file":{"file_id":"file-1"}},
			{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,cGRm"}}]}`,
			llm.User("", llm.Text{}, llm.Text{Text: "look", Extra: []llm.Member{{Name: "cache_control", Value: `{"type": "ephemeral"}`}}},
				llm.Image{URL: "https://example.com/x.png", Detail: "low"},
				llm.Image{Data: []byte("png"), MediaType: "image/png", Extra: []llm.Member{{Name: "x", Value: "1"}}},
				llm.Audio{Data: []byte("wav"), Format: "wav"},
				llm.File{ID: "file-1"},
				llm.File{Name: "a.pdf", Data: []byte("pdf"), MediaType: "application/pdf"}),
		},
		"parts that llm cannot hold": {
			`{"role":"user","content":[{"type":"video_url","video_url":{}},{"type":"image_url","image_url":"https://example.com"},
			{"type":"image_url","image_url":{"url":"u","fps":1}},{"type":"input_audio","input_audio":{"data":"!"}},
			{"type":"input_audio"},{"type":"file","file":{"file_data":"cGRm"}}]}`,
			llm.User("", llm.RawPart{JSON: `{"type":"video_url","video_url":{}}`}, llm.RawPart{JSON: `{"type":"image_url","image_url":"https://example.com"}`},
				llm.RawPart{JSON: `{"type":"image_url","image_url":{"url":"u","fps":1}}`}, llm.RawPart{JSON: `{"type":"input_audio","input_audio":{"data":"!"}}`},
				llm.RawPart{JSON: `{"type":"input_audio"}`}, llm.RawPart{JSON: `{"type":"file","file":{"file_data":"cGRm"}}`}),
		},
		"data URL that is not canonical": {
			`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,cG5"}},{"type":"image_url","image_url":{"url":"data:,x"}}]}`,
			llm.User("", llm.Image{URL: "data:image/png;base64,cG5"}, llm.Image{URL: "data:,x"}),
		},
		"all that an assistant has": {
			`{"role":"assistant","tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"no json"},"extra_content":{"a": 1}},
			{"id":"c2","function":{"name":"g","arguments":{"x": 1}}},{"id":"c3","function":{"name":"h"}}],
			"content":[{"type":"text","text":"t"},{"type":"refusal","refusal":"r1"}],"refusal":"r2","audio":{"id":"audio_1"},
			"reasoning_content":"hm","name":"n","annotations":[ ],"reasoning":{"own":1},"function_call":null}`,
			llm.Message{
				Role: llm.RoleAssistant,
				Parts: llm.Parts{
					llm.Reasoning{Text: "hm", Field: "reasoning_content"}, llm.Text{Text: "t"}, llm.Refusal{Text: "r1"}, llm.Refusal{Text: "r2"}, llm.Audio{ID: "audio_1"},
					llm.ToolCall{ID: "c1", Name: "f", Arguments: "no json", Extra: []llm.Member{{Name: "extra_content", Value: `{"a": 1}`}}},
					llm.ToolCall{ID: "c2", Name: "g", Arguments: `{"x": 1}`}, llm.ToolCall{ID: "c3", Name: "h"},
				},
				Extra: []llm.Member{{Name: "name", Value: `"n"`}, {Name: "annotations", Value: "[ ]"}, {Name: "reasoning", Value: `{"own":1}`}, {Name: "function_call", Value: "null"}},
			},
		},
		"reasoning of other names": {
			`{"role":"assistant","reasoning":"a","reasoning_text":"","content":null}`,
			llm.Assistant("", llm.Reasoning{Text: "a", Field: "reasoning"}, llm.Reasoning{Field: "reasoning_text"}),
		},
		"tool result": {
			call + `{"role":"tool","tool_call_id":"c1","content":"22","cache_control":1}`,
			llm.Message{
				Role:  llm.RoleTool,
				Parts: llm.Parts{llm.ToolResult{CallID: "c1", Name: "f", Parts: llm.Parts{llm.Text{Text: "22"}}, Extra: []llm.Member{{Name: "cache_control", Value: "1"}}}},
			},
		},
		"tool result with a name, in parts": {
			call + `{"role":"tool","tool_call_id":"c1","name":"own","content":[{"type":"text","text":"2"},{"type":"text","text":"2"}]}`,
			llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "c1", Name: "own", Parts: llm.Parts{llm.Text{Text: "2"}, llm.Text{Text: "2"}}}}},
		},
		"tool result with nulls": {
			call + `{"role":"tool","tool_call_id":"c1","name":null,"tool_calls":null,"refusal":null,"content":null}`,
			llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "c1", Name: "f"}}},
		},
		"null for the id of a call": {`{"role":"user","content":"u","tool_call_id":null}`, llm.User("u")},
		"unknown members of a function": {
			`{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","signature":"s","arguments":"{}","Name":[ 1 ]},"x":1}]}`,
			llm.Assistant("", llm.ToolCall{ID: "c", Name: "f", Arguments: "{}", Extra: []llm.Member{
				{Name: "function", Value: `{"signature":"s","Name":[ 1 ]}`}, {Name: "x", Value: "1"},
			}}),
		},
		"unknown members of audio": {
			`{"role":"assistant","audio":{"id":"a","ID":"b"}}`,
			llm.Assistant("", llm.Audio{ID: "a", Extra: []llm.Member{{Name: "ID", Value: `"b"`}}}),
		},
		"members that stand twice in a part": {
			`{"role":"user","content":[{"type":"image_url","image_url":{"url":"a","url":"b"}}]}`,
			llm.User("", llm.RawPart{JSON: `{"type":"image_url","image_url":{"url":"a","url":"b"}}`}),
		},
		"tool result of an unknown call": {
			`{"role":"tool","tool_call_id":"c9","content":""}`,
			llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "c9"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req, err := llmtest.ParseRequest([]byte(`{"messages":[` + c.json + `]}`))
			require.NoError(t, err)
			got := req.Messages[len(req.Messages)-1]
			require.Equal(t, c.want, got)

			// What was read survives the library's own JSON.
			text, err := json.Marshal(got)
			require.NoError(t, err)
			var back llm.Message
			require.NoError(t, json.Unmarshal(text, &back))
			text, err = json.Marshal(back)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &got))
			require.Equal(t, got, back)
		})
	}
}

func TestParseRequestErrors(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		``:                                       "EOF",
		`null`:                                   "got null, want a JSON object",
		`{} {}`:                                  "text after the JSON object",
		`{"temperature":"hot"}`:                  "temperature: json: cannot unmarshal string into Go value of type float64",
		`{"stop":1}`:                             "stop: json: cannot unmarshal number into Go value of type []string",
		`{"messages":{}}`:                        "messages: json: cannot unmarshal object into Go value of type []json.RawMessage",
		`{"messages":["hi"]}`:                    "messages[0]: got hi, want a JSON object",
		`{"messages":[{"content":"hi"}]}`:        "messages[0].role: is missing",
		`{"messages":[{"role":"robot"}]}`:        `messages[0].role: unknown role "robot"`,
		`{"messages":[{"role":"tool"}]}`:         "messages[0].tool_call_id: is missing",
		`{"tools":[{"type":"function"}]}`:        "tools[0]: a function without a name",
		`{"stream_options":{"include_usage":1}}`: "stream_options.include_usage: json: cannot unmarshal number into Go value of type bool",
		`{"messages":[{"role":"user","content":"a"},{"role":"user","content":1}]}`:                   "messages[1].content: json: cannot unmarshal number into Go value of type []json.RawMessage",
		`{"messages":[{"role":"user","content":[{"type":"text","text":1}]}]}`:                        "messages[0].content[0].text: json: cannot unmarshal number into Go value of type string",
		`{"messages":[],"messages":[]}`:                                                              "messages: appears twice",
		`{"x":1,"x":1}`:                                                                              "x: appears twice",
		`{"metadata":{"a":"b","a":"c"}}`:                                                             "metadata.a: appears twice",
		`{"max_tokens":7,"max_completion_tokens":8}`:                                                 "max_completion_tokens: max_tokens and max_completion_tokens differ",
		`{"stream_options":{"x":1,"x":1}}`:                                                           "stream_options.x: appears twice",
		`{"tools":[{"type":"function","function":{"name":"f","parameters":{},"parameters":{}}}]}`:    "tools[0].function.parameters: appears twice",
		`{"messages":[{"role":"user","content":"a","content":"b"}]}`:                                 "messages[0].content: appears twice",
		`{"messages":[{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}]}`:           "messages[0].content[0].text: appears twice",
		`{"messages":[{"role":"assistant","tool_calls":[{"id":"a","id":"b"}]}]}`:                     "messages[0].tool_calls[0].id: appears twice",
		`{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"a","name":"b"}}]}]}`:    "messages[0].tool_calls[0].function.name: appears twice",
		`{"messages":[{"role":"assistant","audio":{"id":"a","id":"b"}}]}`:                            "messages[0].audio.id: appears twice",
		`{"messages":[{"role":"tool","tool_call_id":"a","refusal":"no"}]}`:                           "messages[0]: a message of the tool has members that are reserved for the assistant",
		`{"messages":[{"role":"tool","tool_call_id":"a","reasoning":"no"}]}`:                         "messages[0]: a message of the tool has members that are reserved for the assistant",
		`{"messages":[{"role":"tool","tool_call_id":"a","tool_calls":[{"function":{"name":"f"}}]}]}`: "messages[0]: a message of the tool has members that are reserved for the assistant",
		`{"messages":[{"role":"assistant","content":"","tool_call_id":"a"}]}`:                        "messages[0].tool_call_id: is not allowed in a message of the assistant",
		`{"messages":[{"role":"user","content":"","tool_call_id":""}]}`:                              "messages[0].tool_call_id: is not allowed in a message of the user",
		`{"messages":[{"role":"user","refusal":"no"}]}`:                                              "messages[0]: a message of the user has members that are reserved for the assistant",
		`{"messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"custom"}]}]}`:              `messages[0].tool_calls[0].type: got "custom", want "function"`,
		`{"messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function"}]}]}`:            "messages[0].tool_calls[0].function: has no name",
		`{"messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f"}}, 5]}]}`:   "messages[0].tool_calls[1]: got 5, want a JSON object",
	} {
		_, err := llmtest.ParseRequest([]byte(body))
		require.EqualError(t, err, "llmtest: "+want, body)
	}
}

// An answer that goes back into a request is read as what the script said.
func TestAnswerRoundTrip(t *testing.T) {
	t.Parallel()
	step := llmtest.Reasoning("Hm.").And(llmtest.Text("a<b>"), llmtest.Refusal("No."), llmtest.Calls("f", `{"a": 1}`),
		llmtest.Parts(llm.ToolCall{ID: "own", Name: "g", Arguments: "{}", Extra: []llm.Member{{Name: "x", Value: "[1]"}}}))
	want, err := llmtest.Script(t, step).Generate(t.Context(), ask("hi"), nil)
	require.NoError(t, err)

	m := llmtest.Script(t, step, llmtest.Text("Done."))
	s := m.Serve()
	var answer completion
	require.NoError(t, json.Unmarshal([]byte(readAll(t, chat(t, s, hi))), &answer))
	next := strings.TrimSuffix(hi, "]}") + "," + string(answer.Choices[0].Message) +
		`,{"role":"tool","tool_call_id":"call_1","content":"1"},{"role":"tool","tool_call_id":"own","content":"2"}]}`
	require.Equal(t, 200, chat(t, s, next).StatusCode)
	require.Equal(t, []llm.Message{llm.User("hi"), want.Message}, m.Requests()[1].Messages[:2])
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(hiStream))
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:a;base64,cG5n"}}]},{"role":"tool","tool_call_id":"a"}]}`))
	f.Add([]byte(`{"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f"}},"stop":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := llmtest.ParseRequest(body)
		require.Equal(t, err == nil, req != nil)
	})
}
