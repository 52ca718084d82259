package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// A dialect is a provider that refuses and changes requests like a real provider,
// with the same texts.
type dialect struct {
	name string
	// chat and responses refuse requests to one API only. With a nil responses, the
	// provider has no Responses API.
	chat, responses func(request) *refusal

	refuse func(request) *refusal
	change func(request) // changes an accepted request
	header http.Header
	thinks bool // reasons before calls, and returns the reasoning
	short  bool // ids of nine characters
	moody  bool // ignores the named tool the first time

	want openai.Profile
	odd  map[string]status // the checks that work neither directly nor with the profile
}

// A request is the body of a request.
type request map[string]any

// A refusal is the answer to a refused request.
type refusal struct {
	status int
	body   string
}

func refused(status int, format string, args ...any) *refusal {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// refusing returns a refuse function: the first failing rule refuses.
func refusing(rules ...func(request) *refusal) func(request) *refusal {
	return func(r request) *refusal {
		for _, rule := range rules {
			if no := rule(r); no != nil {
				return no
			}
		}
		return nil
	}
}

// member refuses a request with a member of that name. The body may contain the name
// as %[1]s.
func member(name string, status int, body string) func(request) *refusal {
	return func(r request) *refusal {
		if _, ok := r[name]; !ok {
			return nil
		}
		return &refusal{status, strings.ReplaceAll(body, "%[1]s", name)}
	}
}

func (r request) messages() []request {
	var all []request
	list, _ := r["messages"].([]any)
	for _, m := range list {
		all = append(all, m.(map[string]any))
	}
	return all
}

// calls returns the tool calls of a message.
func (r request) calls() []request {
	var all []request
	list, _ := r["tool_calls"].([]any)
	for _, c := range list {
		all = append(all, c.(map[string]any))
	}
	return all
}

// each refuses a request because of one of its messages.
func each(rule func(i int, m request) *refusal) func(request) *refusal {
	return func(r request) *refusal {
		for i, m := range r.messages() {
			if no := rule(i, m); no != nil {
				return no
			}
		}
		return nil
	}
}

// has reports whether v has that keyword at any depth.
func has(v any, found func(name string, v any) bool) bool {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if found(name, inner) || has(inner, found) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(inner any) bool { return has(inner, found) })
	}
	return false
}

const (
	extraForbidden = `{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","%[1]s"],"msg":"Extra inputs are not permitted","input":24}]},"type":"invalid_request_error","param":null,"code":null}`
	unrecognized   = `{"error":{"message":"Unrecognized request argument supplied: %[1]s","type":"invalid_request_error","param":null,"code":null}}`
	unsupported    = `{"error":{"message":"Unsupported parameter: '%[1]s' is not supported with this model.","type":"invalid_request_error","param":"%[1]s","code":"unsupported_parameter"}}`
)

// thoughtMissing refuses calls that come back without their reasoning.
func thoughtMissing(format string) func(request) *refusal {
	return each(func(i int, m request) *refusal {
		_, thought := m["reasoning_content"]
		if len(m.calls()) == 0 || thought {
			return nil
		}
		return refused(400, `{"error":{"message":%q,"type":"invalid_request_error","param":null,"code":"invalid_request_error"}}`, strings.ReplaceAll(format, "%d", strconv.Itoa(i)))
	})
}

func nullContent(_ int, m request) *refusal {
	if content, ok := m["content"]; ok && content == nil {
		return refused(400, `{"error":"Invalid 'content': 'content' field must be a string or an array of objects."}`)
	}
	return nil
}

func objectChoice(r request) *refusal {
	if _, named := r["tool_choice"].(map[string]any); named {
		return refused(400, `{"error":"Invalid tool_choice type: 'object'. Supported string values: none, auto, required"}`)
	}
	return nil
}

// counting inserts the number of the request into the text of a refusal.
func counting(refuse func(request) *refusal) func(request) *refusal {
	var count atomic.Int32
	return func(r request) *refusal {
		no := refuse(r)
		if no != nil {
			no.body = strings.Replace(no.body, `."`, fmt.Sprintf(` (request id req-%dab)."`, count.Add(1)), 1)
		}
		return no
	}
}

// takes refuses nothing.
func takes(request) *refusal { return nil }

func anyModel(r request) { r["model"] = "m" }

// dialects are modelled on public reports about real providers.
func dialects() []dialect {
	return []dialect{
		{name: "openai", responses: takes, want: openai.Profile{ToolImages: openai.ToolImagesUser}},
		{
			name: "mistral", short: true,
			refuse: refusing(
				member("max_completion_tokens", 422, extraForbidden), member("parallel_tool_calls", 422, extraForbidden), member("stream_options", 422, extraForbidden),
				each(func(_ int, m request) *refusal {
					for _, c := range m.calls() {
						if id := c["id"].(string); len(id) != 9 || strings.ContainsFunc(id, func(r rune) bool {
							return r > 'z' || !strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", r)
						}) {
							return refused(400, `{"object":"error","message":"Tool call id was %s but must be a-z, A-Z, 0-9, with a length of 9.","type":"invalid_function_call","param":null,"code":"3280"}`, id)
						}
					}
					return nil
				}),
				func(r request) *refusal {
					for i, m := range r.messages() {
						if i > 0 && m["role"] == "user" && r.messages()[i-1]["role"] == "tool" {
							return refused(400, `{"object":"error","message":"Unexpected role 'user' after role 'tool'","type":"invalid_request_message_order","param":null,"code":"3230"}`)
						}
					}
					return nil
				},
			),
			change: func(r request) { // usage comes without a request for it
				if r["stream"] == true {
					r["stream_options"] = map[string]any{"include_usage": true}
				}
			},
			want: openai.Profile{
				MaxTokensField: "max_tokens", CallIDs: openai.CallIDsNine, Bridge: true, ToolImages: openai.ToolImagesUser,
				Omit: []string{"stream_options", "parallel_tool_calls"},
			},
		},
		{
			name: "deepseek", thinks: true,
			refuse: refusing(
				each(func(i int, m request) *refusal {
					if m["role"] != "developer" {
						return nil
					}
					return refused(400, "{\"error\":{\"message\":\"Failed to deserialize the JSON body into the target type: messages[%d].role: unknown variant `developer`, expected one of `system`, `user`, `assistant`, `tool`, `latest_reminder`\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_request_error\"}}", i)
				}),
				func(r request) *refusal {
					if objectChoice(r) == nil {
						return nil
					}
					return refused(400, `{"error":{"message":"deepseek-reasoner does not support this tool_choice","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}`)
				},
				thoughtMissing("The `reasoning_content` in the thinking mode must be passed back to the API."),
			),
			change: func(r request) { delete(r, "max_completion_tokens") }, // ignores the unknown member instead of refusing it
			want: openai.Profile{
				Echo: []string{"reasoning_content"}, EchoEmpty: true, NoDeveloper: true, MaxTokensField: "max_tokens",
				ToolChoice: openai.ToolChoiceWords, ToolImages: openai.ToolImagesUser,
			},
		},
		{
			name: "moonshot", thinks: true,
			refuse: refusing(
				member("max_completion_tokens", 400, `{"error":{"message":"Invalid request: unknown parameter %[1]s","type":"invalid_request_error"}}`),
				func(r request) *refusal {
					if r["tool_choice"] == nil || r["tool_choice"] == "auto" {
						return nil
					}
					return refused(400, `{"error":{"message":"tool_choice 'specified' is incompatible with thinking enabled","type":"invalid_request_error"}}`)
				},
				thoughtMissing("thinking is enabled but reasoning_content is missing in assistant tool call message at index %d"),
			),
			want: openai.Profile{
				Echo: []string{"reasoning_content"}, EchoEmpty: true, MaxTokensField: "max_tokens",
				ToolChoice: openai.ToolChoiceAuto, ToolImages: openai.ToolImagesUser,
			},
		},
		{
			name:   "lm studio",
			refuse: refusing(each(nullContent), objectChoice),
			change: anyModel,
			want:   openai.Profile{EmptyContent: openai.ContentEmpty, ToolChoice: openai.ToolChoiceWords, ToolImages: openai.ToolImagesUser},
			odd:    map[string]status{"error shape": doubtful},
		},
		{
			name: "gemini",
			refuse: refusing(
				func(r request) *refusal {
					for _, name := range []string{"$schema", "$id", "additionalProperties", "const", "$ref", "$defs"} {
						if has(r["tools"], func(n string, _ any) bool { return n == name }) {
							return refused(400, `[{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"%s\" at 'tools[0].function_declarations[0].parameters': Cannot find field.","status":"INVALID_ARGUMENT"}}]`, name)
						}
					}
					if has(r["tools"], func(n string, v any) bool { _, list := v.([]any); return n == "type" && list }) {
						return refused(400, `[{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"type\" at 'tools[0].function_declarations[0].parameters.properties[3].value': Proto field is not repeating, cannot start list.","status":"INVALID_ARGUMENT"}}]`)
					}
					return nil
				},
				each(func(i int, m request) *refusal {
					if m["role"] != "tool" || m["name"] != nil {
						return nil
					}
					return refused(400, `[{"error":{"code":400,"message":"* GenerateContentRequest.contents[%d].parts[0].function_response.name: Name cannot be empty.","status":"INVALID_ARGUMENT"}}]`, i)
				}),
			),
			want: openai.Profile{Schema: openai.SchemaGemini, ToolName: true, ToolImages: openai.ToolImagesUser},
		},
		{
			name: "old server",
			refuse: refusing(
				member("stream_options", 400, unrecognized), member("max_completion_tokens", 400, unrecognized),
				func(r request) *refusal {
					format, _ := r["response_format"].(map[string]any)
					if format["type"] != "json_schema" {
						return nil
					}
					return refused(400, `{"error":{"message":"Invalid value: 'json_schema'. Supported values are: 'json_object' and 'text'.","type":"invalid_request_error","param":"response_format.type","code":"invalid_value"}}`)
				},
				func(r request) *refusal {
					if !has(r["messages"], func(n string, _ any) bool { return n == "image_url" }) {
						return nil
					}
					return refused(400, `{"error":{"message":"Invalid content type. image_url is only supported by certain models.","type":"invalid_request_error","param":"messages.[0].content.[1].type","code":null}}`)
				},
			),
			want: openai.Profile{MaxTokensField: "max_tokens", Omit: []string{"stream_options"}},
			odd:  map[string]status{"usage in streams": fails, "json_schema": fails, "image input": fails, "image from a tool": skipped},
		},
		{
			name: "o series",
			refuse: refusing(
				member("max_tokens", 400, `{"error":{"message":"Unsupported parameter: '%[1]s' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"%[1]s","code":"unsupported_parameter"}}`),
				member("parallel_tool_calls", 400, unsupported),
				each(func(i int, m request) *refusal {
					for _, c := range m.calls() {
						if n := len(c["id"].(string)); n > 40 {
							return refused(400, `{"error":{"message":"Invalid 'messages[%d].tool_calls[0].id': string too long. Expected a string with maximum length 40, but got a string with length %d instead.","type":"invalid_request_error","param":"messages[%d].tool_calls[0].id","code":"string_above_max_length"}}`, i, n, i)
						}
					}
					return nil
				}),
			),
			header: http.Header{"X-Ratelimit-Remaining-Requests": {"99"}, "X-Ratelimit-Limit-Tokens": {"30000"}},
			want:   openai.Profile{CallIDs: openai.CallIDsShort, ToolImages: openai.ToolImagesUser, Omit: []string{"parallel_tool_calls"}},
		},
		{
			name: "llama.cpp",
			refuse: func(r request) *refusal {
				if !has(r["tools"], func(n string, _ any) bool { return n == "maxLength" || n == "pattern" }) {
					return nil
				}
				return refused(400, `{"error":{"code":400,"message":"Failed to initialize samplers: failed to parse grammar","type":"invalid_request_error"}}`)
			},
			change: anyModel,
			want:   openai.Profile{Schema: openai.SchemaUnbounded, ToolImages: openai.ToolImagesUser},
			odd:    map[string]status{"error shape": doubtful},
		},
		{
			name: "litellm",
			refuse: func(r request) *refusal {
				if r["tools"] != nil || !slices.ContainsFunc(r.messages(), func(m request) bool { return m.calls() != nil }) {
					return nil
				}
				return refused(400, `{"error":{"message":"litellm.UnsupportedParamsError: Anthropic doesn't support tool calling without %[1]stools=%[1]s param specified for requests containing multi-turn tool calls.","type":"None","param":"None","code":"400"}}`, "`")
			},
			want: openai.Profile{NeedTools: true, ToolImages: openai.ToolImagesUser},
		},
		{
			name: "qwq",
			refuse: func(r request) *refusal {
				if r["stream"] == true {
					return nil
				}
				return refused(400, `{"error":{"message":"This model only support stream mode, please enable the stream parameter to access the model. ","type":"invalid_request_error","param":null,"code":"invalid_parameter_error"}}`)
			},
			want: openai.Profile{ToolImages: openai.ToolImagesUser},
		},
		{
			name: "two rules at once", thinks: true,
			refuse: counting(refusing(each(nullContent), thoughtMissing("Missing `reasoning_content` field in the assistant message at message index %d."))),
			want: openai.Profile{
				EmptyContent: openai.ContentEmpty, Echo: []string{"reasoning_content"}, EchoEmpty: true, ToolImages: openai.ToolImagesUser,
			},
		},
		{
			name: "words that nobody knows",
			refuse: refusing(
				member("max_completion_tokens", 400, `{"code":"E1007","message":"bad field, key right"}`),
				member("stream_options", 500, `oops`),
			),
			want: openai.Profile{MaxTokensField: "max_tokens", Omit: []string{"stream_options"}, ToolImages: openai.ToolImagesUser},
			odd:  map[string]status{"usage in streams": fails},
		},
		{name: "moody", moody: true, want: openai.Profile{ToolImages: openai.ToolImagesUser}},
		{
			name:   "no tools",
			refuse: member("tools", 404, `{"error":{"message":"No endpoints found that support tool use.","code":404}}`),
			odd: map[string]status{
				"Chat with tools": fails, "tools": fails, "tool_choice required": skipped, "tool_choice named": skipped, "parallel calls": skipped, "tool results": skipped,
				"foreign calls": skipped, "user after results": skipped, "results, no tools": skipped, "large schemas": skipped, "strict schemas": skipped,
				"image from a tool": skipped, "a whole run": skipped,
			},
		},
	}
}

// A server is a provider that speaks a dialect.
type server struct {
	dialect
	inner   *llmtest.Server
	refused atomic.Int32 // the number of refused requests
	named   atomic.Int32 // the number of requests that name a tool
}

// serve starts the provider and returns it with its base URL.
func (d dialect) serve(t *testing.T) (*server, string) {
	s := &server{dialect: d}
	s.inner = &llmtest.Server{Model: llmtest.NewScript(llmtest.Reply(s.reply).Forever()), Models: []string{"m"}, Key: "right"}
	http := httptest.NewServer(s)
	t.Cleanup(http.Close)
	return s, http.URL + "/v1"
}

// ServeHTTP implements [http.Handler].
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	var asked request
	if err := json.Unmarshal(body, &asked); err != nil {
		panic(err)
	}
	maps.Copy(w.Header(), s.header)
	if no := s.refuses(r.URL.Path, asked); no != nil {
		s.refused.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(no.status)
		_, _ = io.WriteString(w, no.body)
		return
	}
	if s.change != nil {
		s.change(asked)
		if body, err = json.Marshal(asked); err != nil {
			panic(err)
		}
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	s.inner.ServeHTTP(w, r)
}

func (s *server) refuses(path string, asked request) *refusal {
	own := s.chat
	if strings.HasSuffix(path, "/responses") {
		if own = s.responses; own == nil {
			own = nowhere("/v1/responses")
		}
	}
	return refusing(slices.DeleteFunc([]func(request) *refusal{own, s.refuse}, func(f func(request) *refusal) bool { return f == nil })...)(asked)
}

// nowhere refuses every request, because the path is unknown.
func nowhere(path string) func(request) *refusal {
	return func(request) *refusal {
		return refused(404, `{"error":{"message":"Invalid URL (POST %s)","type":"invalid_request_error","param":null,"code":null}}`, path)
	}
}

// reply is a model that follows instructions, as far as the checks need.
func (s *server) reply(_ context.Context, req *llm.Request) (*llm.Response, error) {
	return s.answer(req).Response()
}

func (s *server) answer(req *llm.Request) llmtest.Step {
	first, last := req.Messages[0], req.Messages[len(req.Messages)-1]
	instructed := first.Role == llm.RoleSystem || first.Role == llm.RoleDeveloper
	switch colour := seen(last); {
	case instructed && strings.Contains(first.Text(), obeyed), strings.Contains(req.Instructions, obeyed):
		return llmtest.Text("Pineapple!")
	case colour != "":
		return llmtest.Text(colour)
	case req.Output != nil:
		return llmtest.Text(`{"city":"Lisbon"}`)
	case last.Role == llm.RoleTool:
		return llmtest.Text("The tool says " + last.Parts[0].(llm.ToolResult).Text())
	case strings.Contains(last.Text(), "from 1 to 200") && req.MaxOutputTokens > 0:
		return llmtest.Text("1 2 3 4").Finish("length")
	case len(req.Tools) > 0 && (req.ToolChoice != "" || strings.Contains(last.Text(), "weather") || strings.Contains(last.Text(), "Book")):
		return s.calls(req, last.Text())
	}
	return llmtest.Text("Hello, here I am.")
}

func (s *server) calls(req *llm.Request, question string) llmtest.Step {
	name := req.Tools[0].Name
	if named, ok := req.ToolChoice.Named(); ok && (!s.moody || s.named.Add(1) > 1) {
		name = named
	}
	var parts []llm.Part
	if s.thinks {
		parts = append(parts, llm.Reasoning{Text: "I need the tool."})
	}
	for _, city := range []string{"Lisbon", "Nairobi", "Ada"} {
		if !strings.Contains(question, city) {
			continue
		}
		call := llm.ToolCall{Name: name, Arguments: fmt.Sprintf(`{"city":%q}`, city)}
		if city == "Ada" {
			call.Arguments = `{"name":"Ada","date":"2030-05-17","guests":4}`
		}
		if s.short {
			call.ID = fmt.Sprintf("c%04d%04d", len(req.Messages), len(parts))
		}
		parts = append(parts, call)
	}
	return llmtest.Parts(parts...)
}

// seen returns the colour of the picture in a message.
func seen(m llm.Message) string {
	parts := slices.Clone(m.Parts)
	for _, p := range m.Parts {
		if r, ok := p.(llm.ToolResult); ok {
			parts = append(parts, r.Parts...) // on the Responses API, a result has pictures
		}
	}
	for _, p := range parts {
		i, ok := p.(llm.Image)
		if !ok {
			continue
		}
		square, err := png.Decode(bytes.NewReader(i.Data))
		if err != nil {
			return err.Error()
		}
		if r, _, _, _ := square.At(0, 0).RGBA(); r > 0 {
			return "Red."
		}
		return "Blue."
	}
	return ""
}

// config returns the configuration of a client of the provider.
func config(baseURL string) openai.Config { return openai.Config{BaseURL: baseURL, Key: "right"} }

func TestSeen(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]llm.Part{"Red.": picture(red), "Blue.": picture(blue), "": llm.Text{Text: "x"}} {
		require.Equal(t, want, seen(llm.User("", c)))
	}
}
