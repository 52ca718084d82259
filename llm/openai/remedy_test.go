package openai_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// everything is a request in which each remedy has something to change.
func everything() *llm.Request {
	schema := json.RawMessage(`{"$schema":"s","type":"object","properties":{"a":{"type":["string","null"],"maxLength":9}},"additionalProperties":false}`)
	return &llm.Request{
		Messages: []llm.Message{
			{Role: llm.RoleDeveloper, Parts: llm.Parts{llm.Text{Text: "d"}}}, llm.User("u"),
			{Role: llm.RoleAssistant, Parts: llm.Parts{llm.Reasoning{Text: "t", Field: "reasoning_content"}, call2("functions.f:0", `{}`)},
				Extra: []llm.Member{{Name: "reasoning_details", Value: `[1]`}}},
			result("functions.f:0", "1"), llm.User("v"),
		},
		Tools:    []llm.ToolDef{{Name: "f", Schema: schema, Strict: schema}, {Name: "g"}},
		Output:   &llm.OutputFormat{Schema: schema, Strict: new(true)},
		Settings: llm.Settings{MaxOutputTokens: 9, Temperature: new(0.0), Seed: new(int64(1)), User: "u", ToolChoice: llm.ToolNamed("g")},
	}
}

const grammarWords = "schemas have no bounds on values, no true and false in the place of a schema, and no reference to the whole"

// longID is longer than OpenAI takes.
const longID = "call_012345678901234567890123456789abcdefgh"

func notices(t *testing.T, m llm.Model, req *llm.Request) (texts []string, err error) {
	t.Helper()
	_, err = m.Generate(t.Context(), req, func(d llm.Delta) {
		n, isNotice := d.(llm.Notice)
		require.True(t, isNotice, "%T", d)
		texts = append(texts, n.Text)
	})
	return texts, err
}

// TestHealing: each remedy is learned from its words once, told, remembered,
// and what it changes is all that it changes.
func TestHealing(t *testing.T) {
	t.Parallel()
	const learned = "the provider refused the request; from now on "
	for _, tt := range []struct {
		rule    rule
		profile *openai.Profile
		req     func(*llm.Request)
		want    string
	}{
		{rule: rule{lacks(`"reasoning_content":"t"`), "The `reasoning_content` in the thinking mode must be passed back to the API."}, want: "reasoning_content is sent back"},
		{rule: rule{lacks(`"reasoning_details":[1]`), "Gemini models require OpenRouter reasoning details to be preserved in each request."}, want: "reasoning_details are sent back"},
		{rule: rule{has(`"reasoning_content"`), "messages.2.assistant.reasoning_content: property 'messages.2.assistant.reasoning_content' is unsupported"},
			profile: &openai.Profile{Echo: []string{"reasoning_content", "reasoning_details"}, EchoEmpty: true}, want: "nothing is sent back as reasoning_content"},
		{rule: rule{has(`"max_completion_tokens"`), `[{"type":"extra_forbidden","loc":["body","max_completion_tokens"],"msg":"Extra inputs are not permitted"}]`}, want: "the bound on the answer is called max_tokens"},
		{rule: rule{has(`"max_tokens"`), "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."},
			profile: &openai.Profile{MaxTokensField: "max_tokens"}, want: "the bound on the answer is called max_completion_tokens"},
		{rule: rule{has(`"tool_choice":{`), "Invalid tool_choice type: 'object'. Supported string values: none, auto, required"}, want: "no tool is named in tool_choice"},
		{rule: rule{has(`"tool_choice":{`), "json: cannot unmarshal object into Go struct field ChatCompletion.tool_choice of type string"}, want: "no tool is named in tool_choice"},
		{rule: rule{has(`"tool_choice":{`), "tool_choice: Input should be a valid string"}, want: "no tool is named in tool_choice"},
		{rule: rule{has(`"tool_choice":"`), "json: cannot unmarshal string into Go struct field Request.tool_choice of type dto.Choice"}, req: func(r *llm.Request) { r.ToolChoice = llm.ToolRequired }, want: "the choice of tools is left to the model"},
		{rule: rule{has(`["string","null"]`), "json: cannot unmarshal array into Go struct field ToolFunction.tools.function.parameters.properties.type of type string"}, req: func(r *llm.Request) { r.Output = nil }, want: "schemas are in the subset that Gemini knows"},
		{rule: rule{has(`"maxLength"`), "at '/tools/0/function/parameters/properties/a': additionalProperties 'maxLength', 'minimum' not allowed"}, want: "schemas go without maxLength and minimum"},
		{rule: rule{has(`"maxLength"`), "Additional properties are not allowed ('maxLength' was unexpected)"}, want: "schemas go without maxLength"},
		{rule: rule{has(`"maxLength"`), "tools.0.custom.input_schema: For 'string' type, property 'maxLength' is not supported"}, req: func(r *llm.Request) { r.Output = nil }, want: "schemas go without maxLength"},
		{rule: rule{has(`"maxLength"`), "tools.0.custom.input_schema: For 'string' type, properties maxLength are not supported"}, want: "no schema is strict, and schemas go without maxLength"},
		{rule: rule{has(`"$schema"`), "Unsupported schema keyword: $schema"}, want: "schemas go without $schema"},
		{rule: rule{has(`"maxLength"`), "Upstream request failed: [unsupported_tool_schema] The tool schema is not supported (unsupported_keyword)."}, want: "schemas have no bounds on values"},
		{rule: rule{has(`"maxLength"`), "Unable to generate parser for this template. Automatic parser generation failed: JSON schema conversion failed:\nPattern must start with '^' and end with '$'"}, want: grammarWords},
		{rule: rule{has(`"seed"`), "additionalProperties 'seed', 'user' not allowed"}, want: "it goes without seed and user"},
		{rule: rule{has(`"tool_choice"`), "Thinking mode does not support this tool_choice"}, want: "the choice of tools is left to the model"},
		{rule: rule{has(`functions.f:0`), "Tool call id was functions.f:0 but must be a-z, A-Z, 0-9, with a length of 9."}, want: "ids of calls have nine characters"},
		{rule: rule{has(longID), "Invalid 'messages[2].tool_calls[0].id': string too long. Expected a string with maximum length 40, but got a string with length 43 instead."}, req: func(r *llm.Request) {
			r.Messages[2].Parts[1], r.Messages[3] = call2(longID, `{}`), result(longID, "1")
		}, want: "ids of calls have up to 40 characters"},
		{rule: rule{has(`functions.f:0`), "messages.2.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"}, want: "ids of calls have up to 40 letters, digits, _ and -"},
		{rule: rule{has(`"developer"`), "messages[0].role: unknown variant `developer`, expected one of `system`, `user`, `assistant`, `tool`"}, want: "messages of the developer are sent as those of the system"},
		{rule: rule{has(`"developer"`), "[1214] Incorrect role information"}, want: "messages of the developer are sent as those of the system"},
		{rule: rule{has(`"content":"1"},{"role":"user"`), "Unexpected role 'user' after role 'tool'"}, want: "a message of the assistant stands between those of a tool and the user"},
		{rule: rule{has(`"content":null`), "Invalid 'content': 'content' field must be a string or an array of objects."}, want: `the content beside calls is ""`},
		{rule: rule{has(`"content":""`), "ValidationException: messages: text content blocks must be non-empty"}, profile: &openai.Profile{EmptyContent: openai.ContentEmpty}, want: "the content beside calls is null"},
		{rule: rule{has(`"content":null`), "messages: text content blocks must be non-empty"}, want: "there is no content beside calls"},
		{rule: rule{lacks(`"tools"`), "Anthropic doesn't support tool calling without `tools=` param specified."}, req: func(r *llm.Request) { r.Tools, r.ToolChoice = nil, "" }, want: "a request whose messages hold calls has a tool"},
		{rule: rule{has(`"strict"`), "Unsupported parameter: 'response_format.json_schema.strict' is not supported with this model."}, profile: &openai.Profile{Strict: openai.StrictTools}, want: "no schema is strict"},
		{rule: rule{has(`"additionalProperties"`), `Invalid JSON payload received. Unknown name "additionalProperties" at 'tools[0].function_declarations[0].parameters': Cannot find field.`}, want: "schemas are in the subset that Gemini knows"},
		{rule: rule{has(`"$schema"`), "failed to compile JSON schema: $schema"}, want: "schemas have no $schema and $id"},
		{rule: rule{has(`"maxLength"`), "Failed to initialize samplers: failed to parse grammar"}, want: "schemas have no bounds on values"},
		{rule: rule{has(`"response_format"`), "json mode cannot be combined with tool/function calling"}, profile: &openai.Profile{Output: openai.OutputBeside}, want: "requests that offer tools go without response_format"},
		{rule: rule{has(`"json_schema"`), "This response_format type is unavailable now"}, profile: &openai.Profile{Output: openai.OutputBeside}, want: "the form of the answer is asked for in the instructions"},
		{rule: rule{has(`"response_format"`), "Model 'm' does not support response_format parameter."}, profile: &openai.Profile{Output: openai.OutputBeside}, want: "the form of the answer is asked for in the instructions"},
		{rule: rule{has(`"temperature"`), "Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is supported."}, want: "it goes without temperature"},
		{rule: rule{has(`"seed"`), "litellm.UnsupportedParamsError: bedrock does not support parameters: ['seed', 'user'], for model=claude."}, want: "it goes without seed and user"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			p := &picky{rules: []rule{tt.rule}}
			c := p.config()
			if tt.profile != nil {
				c.Profile = tt.profile
				c.Profile.Output = openai.OutputBeside
			}
			m, req := c.Model("m"), everything()
			if tt.req != nil {
				tt.req(req)
			}
			told, err := notices(t, m, req)
			require.NoError(t, err)
			require.Equal(t, []string{learned + tt.want}, told)
			require.Len(t, p.bodies, 2)
			again, err := notices(t, m, req)
			require.NoError(t, err)
			require.Empty(t, again)
			require.Len(t, p.bodies, 3)
			require.Equal(t, p.bodies[1], p.bodies[2])
			told, err = notices(t, c.Model("m"), req)
			require.NoError(t, err)
			require.Len(t, told, 1, "another Model has to learn for itself")
		})
	}
}

// TestToolEffort: what OpenAI says of reasoning efforts beside tools is learned,
// for requests with tools alone, and each conversation that does not get the
// effort it asks for is told so.
func TestToolEffort(t *testing.T) {
	t.Parallel()
	const (
		responses = "Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions. Please use /v1/responses instead."
		none      = "Function tools with reasoning_effort are not supported for gpt-5.6 in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'."
		loss      = ": the model thinks less than it was asked to, since its provider takes tools with an effort on /v1/responses only"
		lost      = `the reasoning effort "high" is not sent, as the provider takes it beside tools on /v1/responses only: the model thinks less than it was asked to`
	)
	tooled := func(body string) bool { return strings.Contains(body, `"tools"`) }
	for _, tt := range []struct {
		name    string
		rules   []rule
		effort  string
		learned string // "": nothing
		sent    []string
		lost    []string // of a second conversation
	}{
		{name: "an effort", effort: "high", learned: "requests with tools go without reasoning_effort" + loss, lost: []string{lost},
			rules: []rule{{func(b string) bool { return tooled(b) && strings.Contains(b, `"reasoning_effort":"high"`) }, responses}}, sent: []string{"high", "", ""}},
		{name: "none at all", learned: "requests with tools ask for the reasoning effort none" + loss,
			rules: []rule{{func(b string) bool { return tooled(b) && !strings.Contains(b, `"reasoning_effort":"none"`) }, none}}, sent: []string{"", "none", "none"}},
		{name: "an effort where none is due", effort: "high", learned: "requests with tools ask for the reasoning effort none" + loss, lost: []string{lost},
			rules: []rule{{func(b string) bool { return tooled(b) && !strings.Contains(b, `"reasoning_effort":"none"`) }, none}}, sent: []string{"high", "none", "none"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := &picky{rules: tt.rules}
			c := p.config()
			c.API = openai.APIChat
			m, req := c.Model("m"), everything()
			req.ReasoningEffort, req.Memo = tt.effort, new(llm.Memo)
			told, err := notices(t, m, req)
			require.NoError(t, err)
			require.Equal(t, []string{"the provider refused the request; from now on " + tt.learned}, told)
			told, err = notices(t, m, req)
			require.NoError(t, err)
			require.Empty(t, told, "the same conversation")
			require.Equal(t, tt.sent, efforts(t, p))

			req.Memo = new(llm.Memo)
			told, err = notices(t, m, req)
			require.NoError(t, err)
			require.Equal(t, tt.lost, told)

			req.Tools, req.ToolChoice = nil, ""
			told, err = notices(t, m, req)
			require.NoError(t, err)
			require.Empty(t, told)
			require.Equal(t, tt.effort, efforts(t, p)[len(p.bodies)-1], "without tools as it was asked for")
		})
	}
	t.Run("the remedy is refused", func(t *testing.T) {
		t.Parallel()
		p := &picky{rules: []rule{
			{has(`"reasoning_effort":"none"`), "Unsupported value: 'reasoning_effort' does not support 'none' with this model."},
			{tooled, none},
		}}
		c := p.config()
		c.API = openai.APIChat
		m := c.Model("m")
		for range 2 {
			_, err := notices(t, m, everything())
			require.ErrorContains(t, err, "use /v1/responses or set", "the error that says what helps")
		}
		require.Len(t, p.bodies, 4)
	})
}

// TestEffortMovesToResponses: the effort that is refused on Chat Completions is
// sent on the other API as it was asked for.
func TestEffortMovesToResponses(t *testing.T) {
	t.Parallel()
	const refused = `{"error":{"message":"Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions. Please use /v1/responses instead.","type":"invalid_request_error","param":"reasoning_effort","code":null}}`
	const done = `{"object":"response","status":"completed","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"ok"}]}]}`
	s := &sequence{replies: []reply{{status: 400, body: []byte(refused)}, {status: 200, body: []byte(done)}}}
	req := everything()
	req.ReasoningEffort = "high"
	told, err := notices(t, s.config().Model("m"), req)
	require.NoError(t, err)
	require.Equal(t, []string{"the provider refused the request; from now on requests go to the Responses API"}, told)
	require.Equal(t, "high", s.sent[0]["reasoning_effort"])
	require.Equal(t, "high", s.sent[1]["reasoning"].(map[string]any)["effort"])
}

// efforts are those of all requests, "" for none.
func efforts(t *testing.T, p *picky) (all []string) {
	t.Helper()
	for _, body := range p.bodies {
		var r struct {
			Effort string `json:"reasoning_effort"`
		}
		require.NoError(t, json.Unmarshal([]byte(body), &r))
		all = append(all, r.Effort)
	}
	return all
}

// TestHealsOneThingAtATime: a Generate sends at most two requests; the next one
// goes on from there.
func TestHealsOneThingAtATime(t *testing.T) {
	t.Parallel()
	p := &picky{rules: []rule{
		{has(`"temperature"`), "Unknown parameter: 'temperature'."},
		{has(`"seed"`), "Unknown parameter: 'seed'."},
		{has(`"developer"`), "Unexpected message role."},
	}}
	m, req := p.config().Model("m"), everything()
	for n := 1; n <= 3; n++ {
		told, err := notices(t, m, req)
		require.Len(t, told, 1)
		require.Len(t, p.bodies, 2*n)
		if n < 3 {
			requireKind(t, llm.KindInvalidRequest, err)
			require.ErrorContains(t, err, []string{"'seed'", "message role"}[n-1], "the error of the second request")
			continue
		}
		require.NoError(t, err)
	}
}

// TestHealsWhatIsToldAtOnce: a provider that lists all members that it does not
// know is asked once more.
func TestHealsWhatIsToldAtOnce(t *testing.T) {
	t.Parallel()
	p := &picky{rules: []rule{{has(`"max_completion_tokens"`),
		`[{"type":"extra_forbidden","loc":["body","max_completion_tokens"],"msg":"Extra inputs are not permitted"},{"type":"extra_forbidden","loc":["body","user"],"msg":"Extra inputs are not permitted"},{"type":"extra_forbidden","loc":["body","store"],"msg":"Extra inputs are not permitted"}]`}}}
	told, err := notices(t, p.config().Model("m"), everything())
	require.NoError(t, err)
	require.Equal(t, []string{"the provider refused the request; from now on the bound on the answer is called max_tokens, and it goes without store and user"}, told)
	require.NotContains(t, p.bodies[1], `"user":"u"`)
}

// TestNothingToHeal: these are sent once.
func TestNothingToHeal(t *testing.T) {
	t.Parallel()
	for _, words := range []string{
		"No.",
		"Invalid type for 'messages': expected an array of objects.",
		"Unknown parameter: 'model'.",
		"Unknown parameter: 'top_p'.", // which is not in the request
		"Unknown parameter: 'top_p'. The parameters are: temperature, seed, user.",
		"max_completion_tokens is too large: 9. This model supports at most 8.",
		"Invalid value for 'temperature': 3 is greater than 2.",
		"The model does not support tools.",
	} {
		p := &picky{rules: []rule{{has(`"model"`), words}}}
		told, err := notices(t, p.config().Model("m"), everything())
		require.Error(t, err)
		require.Empty(t, told, words)
		require.Len(t, p.bodies, 1, words)
	}
}

// TestHealsNothingTwice: a provider that never has enough is asked twice, and
// from then on once.
func TestHealsNothingTwice(t *testing.T) {
	t.Parallel()
	p := &picky{rules: []rule{
		{has(`"max_tokens"`), "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'."},
		{has(`"max_completion_tokens"`), "Unsupported parameter: 'max_completion_tokens'. Use 'max_tokens'."},
	}}
	m := p.config().Model("m")
	for range 5 {
		_, err := notices(t, m, everything())
		requireKind(t, llm.KindInvalidRequest, err)
	}
	require.Len(t, p.bodies, 2+2+3, "once there, once back")
}

// TestHealingConcurrently: all succeed, one is told, and after that there are
// no more refusals.
func TestHealingConcurrently(t *testing.T) {
	t.Parallel()
	p := &picky{rules: []rule{
		{has(`"temperature"`), "Unknown parameter: 'temperature'."},
	}}
	m, memo := p.config().Model("m"), new(llm.Memo)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var told []string
	for i := range 20 {
		wg.Go(func() {
			req := everything()
			if req.Memo = memo; i%2 == 0 {
				req.Model = "other"
			}
			texts, err := notices(t, m, req)
			mu.Lock()
			defer mu.Unlock()
			told = append(told, texts...)
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Len(t, told, 2, "one for each model")
	require.LessOrEqual(t, len(p.bodies), 40)
	p.bodies = nil
	_, err := notices(t, m, everything())
	require.NoError(t, err)
	require.Len(t, p.bodies, 1)
}

// TestHealingAndMemo: what is learned about messages holds for a history that is
// encoded already, which is encoded anew once; what is learned about the rest
// of the request leaves it alone.
func TestHealingAndMemo(t *testing.T) {
	t.Parallel()
	p := &picky{rules: []rule{
		{has(`"temperature"`), "Unknown parameter: 'temperature'."},
		{has(`functions.f:`), "Tool call id was functions.f:0 but must be a-z, A-Z, 0-9, with a length of 9."},
	}}
	m := p.config().Model("m")
	req := &llm.Request{Messages: []llm.Message{llm.User("go")}, Memo: new(llm.Memo)}
	for n := range 100 {
		if n == 50 {
			req.Temperature = new(0.5)
		}
		id := fmt.Sprintf("functions.f:%d", n)
		req.Messages = append(req.Messages, llm.Assistant("", call2(id, `{}`)), result(id, fmt.Sprint(n)))
		_, err := m.Generate(t.Context(), req, nil)
		require.NoError(t, err)
		if n%10 == 0 {
			fresh := *req
			fresh.Memo = nil
			_, err := m.Generate(t.Context(), &fresh, nil)
			require.NoError(t, err)
			require.Equal(t, p.bodies[len(p.bodies)-1], p.bodies[len(p.bodies)-2])
		}
	}
	last := p.bodies[len(p.bodies)-1]
	require.Less(t, openai.EncodedBytes(req.Memo, openai.Profile{CallIDs: openai.CallIDsNine}), len(last))
	require.Less(t, openai.EncodedBytes(req.Memo), 400, "no more than the first turn in the old form")
}

// TestHealedRequestIsRetried: the retries are around the healing.
func TestHealedRequestIsRetried(t *testing.T) {
	t.Parallel()
	s := &sequence{replies: []reply{
		{status: 400, body: []byte(noTemperature)}, {status: 503, body: []byte(`{"error":{"message":"busy"}}`)}, {status: 200, body: []byte(ok)},
	}}
	c := s.config()
	c.Retry = wrap.Retry{Attempts: 2, MinDelay: -1}
	req := hello()
	req.Temperature = new(0.0)
	told, err := notices(t, c.Model("m"), req)
	require.NoError(t, err)
	require.Len(t, told, 2, "what was learned, and that there is a retry: %v", told)
	require.Len(t, s.sent, 3)
	require.NotContains(t, s.sent[2], "temperature")
}
