package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// omit returns the variant without a member of the request.
func omit(name string) variant {
	return func(p *openai.Profile) {
		if !slices.Contains(p.Omit, name) {
			p.Omit = append(p.Omit, name)
		}
	}
}

// checks are the checks in order, after the checks of the APIs in apis.go.
func checks() []check {
	choices := []variant{
		func(p *openai.Profile) { p.ToolChoice = openai.ToolChoiceWords },
		func(p *openai.Profile) { p.ToolChoice = openai.ToolChoiceAuto },
	}
	schemas := []variant{
		func(p *openai.Profile) { p.Schema = openai.SchemaNoIDs },
		func(p *openai.Profile) { p.Schema = openai.SchemaUnbounded },
		func(p *openai.Profile) { p.Schema = openai.SchemaGrammar },
		func(p *openai.Profile) { p.Schema = openai.SchemaGemini },
	}
	echo := func(name string) variant {
		return func(p *openai.Profile) {
			if !slices.Contains(p.Echo, name) {
				p.Echo = append(p.Echo, name)
			}
		}
	}
	histories := []variant{
		echo("reasoning_content"), echo("reasoning"), echo("reasoning_details"),
		func(p *openai.Profile) {
			p.EchoEmpty = true
			echo("reasoning_content")(p)
		},
		func(p *openai.Profile) { p.CallIDs = openai.CallIDsShort },
		func(p *openai.Profile) { p.CallIDs = openai.CallIDs40 },
		func(p *openai.Profile) { p.CallIDs = openai.CallIDsNine },
		func(p *openai.Profile) { p.EmptyContent = openai.ContentEmpty },
		func(p *openai.Profile) { p.EmptyContent = openai.ContentOmitted },
		func(p *openai.Profile) { p.ToolName = true },
		func(p *openai.Profile) { p.Echo, p.EchoEmpty = nil, false },
		func(p *openai.Profile) { p.NoReasoningItems = p.API == openai.APIResponses },
	}
	tools := []string{"tools"}
	return []check{
		{name: "system role", run: systemRole},
		{name: "developer role", run: developerRole, variants: []variant{func(p *openai.Profile) { p.NoDeveloper = true }}},
		{name: "streaming", run: streaming, variants: []variant{omit("stream_options")}},
		{name: "usage in streams", run: usageInStreams, needs: []string{"streaming"}},
		{name: "tools", run: plainTools, variants: schemas},
		{name: "tool_choice required", run: choiceRequired, needs: tools, variants: choices[1:]},
		{name: "tool_choice named", run: choiceNamed, needs: tools, variants: choices, insist: true},
		{name: "parallel calls", run: parallelCalls, needs: tools, variants: []variant{omit("parallel_tool_calls")}},
		{name: "tool results", run: toolResults, needs: tools, variants: histories},
		{name: "foreign calls", run: callsOfOthers, needs: tools, variants: histories},
		{name: "user after results", run: userAfterResults, needs: tools, variants: append([]variant{func(p *openai.Profile) { p.Bridge = true }}, histories...)},
		{name: "results, no tools", run: resultsWithoutTools, needs: tools, variants: append([]variant{func(p *openai.Profile) { p.NeedTools = true }}, histories...)},
		{name: "large schemas", run: largeSchema, needs: tools, variants: schemas},
		{name: "strict schemas", run: strictSchema, needs: tools},
		{name: "json_object", run: jsonObject},
		{name: "json_schema", run: jsonSchema, variants: append([]variant{func(p *openai.Profile) { p.Strict = openai.StrictNever }}, schemas...)},
		{name: "image input", run: imageInput},
		{name: "image from a tool", run: imageOfTool, needs: []string{"image input", "tool results"}, sure: true, insist: true,
			variants: []variant{
				func(p *openai.Profile) { p.ToolImages = openai.ToolImagesUser },
				func(p *openai.Profile) {
					p.TextResults, p.ToolImages = p.API == openai.APIResponses, openai.ToolImagesUser
				},
			}},
		{name: "token limit", run: tokenBound, insist: true, variants: []variant{
			func(p *openai.Profile) { p.MaxTokensField = "max_completion_tokens" },
			func(p *openai.Profile) { p.MaxTokensField = "max_tokens" },
		}},
		{name: "error shape", run: errorShape},
		{name: "rate-limit headers", run: rateLimits},
		{name: "a whole run", run: wholeRun, needs: []string{"tool results"}},
	}
}

func user(text string) []llm.Message { return []llm.Message{llm.User(text)} }

func plainText(ctx context.Context, t *trial) (string, error) {
	resp, err := t.ask(ctx, llm.Request{Messages: user("Say hello in one word.")})
	if err == nil && strings.TrimSpace(resp.Message.Text()) == "" {
		err = unclearf("the answer has no text (finish reason %q)", resp.Finish.Raw)
	}
	return "", err
}

// obeyed is the word that the instructions ask for.
const obeyed = "pineapple"

func systemRole(ctx context.Context, t *trial) (string, error) {
	resp, err := t.ask(ctx, llm.Request{Instructions: "Answer every message with the one word " + obeyed + ".", Messages: user("Hello.")})
	return "", mentions(resp, err, obeyed)
}

func developerRole(ctx context.Context, t *trial) (string, error) {
	instructions := llm.Message{Role: llm.RoleDeveloper, Parts: llm.Parts{llm.Text{Text: "Answer every message with the one word " + obeyed + "."}}}
	resp, err := t.ask(ctx, llm.Request{Messages: append([]llm.Message{instructions}, user("Hello.")...)})
	return "", mentions(resp, err, obeyed)
}

// mentions returns err, or describes an answer without the word.
func mentions(resp *llm.Response, err error, word string) error {
	if err == nil && !strings.Contains(strings.ToLower(resp.Message.Text()), word) {
		return unclearf("the provider accepted it, but the answer does not say %q", word)
	}
	return err
}

func streaming(ctx context.Context, t *trial) (string, error) {
	pieces := 0
	req := llm.Request{Messages: user("Count from one to ten in words."), Stream: true}
	_, err := t.model().Generate(ctx, &req, func(d llm.Delta) {
		if _, ok := d.(llm.TextDelta); ok {
			pieces++
		}
		t.watch(d)
	})
	switch {
	case err != nil:
		return "", err
	case !strings.HasPrefix(t.types[len(t.types)-1], "text/event-stream"):
		return "", unclearf("the answer came whole, as %q", t.types[len(t.types)-1])
	case pieces < 2:
		return "", unclearf("the answer came in %d pieces", pieces)
	}
	return fmt.Sprintf("%d pieces", pieces), nil
}

func usageInStreams(ctx context.Context, t *trial) (string, error) {
	resp, err := t.ask(ctx, llm.Request{Messages: user("Say hello in one word."), Stream: true})
	switch {
	case err != nil:
		return "", err
	case resp.Usage != llm.Usage{}:
		return fmt.Sprintf("%d tokens in, %d out", resp.Usage.InputTokens, resp.Usage.OutputTokens), nil
	case slices.Contains(t.profile.Omit, "stream_options"):
		return "", errors.New("the provider sends none, and has no option for it")
	}
	return "", errors.New("the provider sends none, although the request asks for it")
}

var (
	weather = llm.ToolDef{Name: "get_weather", Description: "Current weather of a city, in degrees Celsius.",
		Schema: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`)}
	clock = llm.ToolDef{Name: "get_time", Description: "Time of day in a city.",
		Schema: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`)}
)

const weatherQuestion = "What is the weather in Lisbon? Use the tool."

func plainTools(ctx context.Context, t *trial) (string, error) {
	resp, err := t.ask(ctx, llm.Request{Messages: user(weatherQuestion), Tools: []llm.ToolDef{weather}})
	return "", called(resp, err, weather.Name)
}

func choiceRequired(ctx context.Context, t *trial) (string, error) {
	resp, err := t.ask(ctx, llm.Request{
		Messages: user("Lisbon."), Tools: []llm.ToolDef{weather}, Settings: llm.Settings{ToolChoice: llm.ToolRequired},
	})
	if err == nil && t.profile.ToolChoice == openai.ToolChoiceAuto {
		return "the choice is left to the model", nil
	}
	if err == nil && len(resp.Message.Calls()) == 0 {
		return "", unclearf("the choice is ignored: a call was required, and the model made none")
	}
	return "", called(resp, err, weather.Name)
}

func choiceNamed(ctx context.Context, t *trial) (string, error) {
	resp, err := t.ask(ctx, llm.Request{
		Messages: user("What is the weather in Lisbon?"), Tools: []llm.ToolDef{weather, clock},
		Settings: llm.Settings{ToolChoice: llm.ToolNamed(clock.Name)},
	})
	if err == nil && t.profile.ToolChoice == openai.ToolChoiceAuto {
		return "the choice is left to the model, which gets no other tool", nil
	}
	if err == nil {
		for _, c := range resp.Message.Calls() {
			if c.Name != clock.Name {
				return "", unclearf("the choice is ignored: %s was named, and the model called %s, which a run of the library refuses", clock.Name, c.Name)
			}
		}
	}
	return "", called(resp, err, clock.Name)
}

// called returns err, or describes an answer without a call of the tool with a city.
func called(resp *llm.Response, err error, name string) error {
	if err != nil {
		return err
	}
	calls := resp.Message.Calls()
	if len(calls) == 0 {
		return unclearf("the provider accepted it, but the model called no tool")
	}
	for _, c := range calls {
		var args struct{ City string }
		if c.Name != name {
			return unclearf("the provider accepted it, but the model called %s", c.Name)
		}
		if json.Unmarshal([]byte(c.Arguments), &args) != nil || args.City == "" {
			return unclearf("the model called the tool with %s", c.Arguments)
		}
	}
	return nil
}

func parallelCalls(ctx context.Context, t *trial) (string, error) {
	resp, err := t.ask(ctx, llm.Request{
		Messages: user("What is the weather in Lisbon and in Nairobi? Call the tool for both at once."), Tools: []llm.ToolDef{weather},
		Settings: llm.Settings{ParallelToolCalls: new(true)},
	})
	if err := called(resp, err, weather.Name); err != nil {
		return "", err
	}
	n := len(resp.Message.Calls())
	if n < 2 {
		return "", unclearf("the model makes one call at a time")
	}
	return fmt.Sprintf("%d calls in one answer", n), nil
}

func largeSchema(ctx context.Context, t *trial) (string, error) {
	table := llm.ToolDef{Name: "book_table", Description: "Books a table in a restaurant.", Schema: json.RawMessage(`{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"$id": "https://example.com/book_table",
		"type": "object",
		"properties": {
			"name": {"type": "string", "minLength": 1, "maxLength": 2000},
			"date": {"type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}$"},
			"guests": {"type": "integer", "minimum": 1, "maximum": 20},
			"note": {"type": ["string", "null"]},
			"kind": {"const": "table"},
			"wishes": {"type": "array", "items": {"$ref": "#/$defs/wish"}, "maxItems": 3}
		},
		"required": ["name", "date", "guests"],
		"additionalProperties": false,
		"$defs": {"wish": {"type": "string", "enum": ["quiet", "window"]}}
	}`)}
	resp, err := t.ask(ctx, llm.Request{
		Messages: user("Book a table for 4 guests on 2030-05-17 for Ada. Use the tool."), Tools: []llm.ToolDef{table},
	})
	if err == nil && len(resp.Message.Calls()) == 0 {
		err = unclearf("the provider accepted it, but the model called no tool")
	}
	return "", err
}

// strictSchema tries the strict schemas that a profile can switch on for tools with
// a strict form. The search recommends no profile for them, because tools also work
// without them.
func strictSchema(ctx context.Context, t *trial) (string, error) {
	strict := weather
	strict.Strict = json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}`)
	before := t.profile.Strict
	t.profile.Strict = openai.StrictTools
	resp, err := t.ask(ctx, llm.Request{Messages: user(weatherQuestion), Tools: []llm.ToolDef{strict}})
	t.profile.Strict = before
	if err == nil && len(t.healed) > 0 {
		err, t.healed = errors.New(t.healed[0]), nil
	}
	return "Strict: openai.StrictTools would do", called(resp, err, weather.Name)
}

func jsonObject(ctx context.Context, t *trial) (string, error) {
	resp, err := t.ask(ctx, llm.Request{
		Messages: user(`Name the capital of Portugal, as a JSON object with the member "city".`), Output: &llm.OutputFormat{Type: "json_object"},
	})
	return "", isObject(resp, err)
}

func jsonSchema(ctx context.Context, t *trial) (string, error) {
	resp, err := t.ask(ctx, llm.Request{Messages: user("Name the capital of Portugal, as JSON."), Output: &llm.OutputFormat{
		Name: "capital", Strict: new(true),
		Schema: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}`),
	}})
	if err := isObject(resp, err); err != nil {
		return "", err
	}
	var capital struct{ City string }
	if json.Unmarshal([]byte(resp.Message.Text()), &capital) != nil || capital.City == "" {
		return "", unclearf("the provider accepted it, but the answer does not fit the schema: %s", resp.Message.Text())
	}
	return "", nil
}

func isObject(resp *llm.Response, err error) error {
	if err != nil {
		return err
	}
	var object map[string]any
	if json.Unmarshal([]byte(resp.Message.Text()), &object) != nil {
		return unclearf("the provider accepted it, but the answer is not a JSON object: %s", resp.Message.Text())
	}
	return nil
}

func imageInput(ctx context.Context, t *trial) (string, error) {
	resp, err := t.ask(ctx, llm.Request{Messages: []llm.Message{{Role: llm.RoleUser, Parts: llm.Parts{
		llm.Text{Text: "Which colour is this picture? Answer with one word."}, picture(red),
	}}}})
	return "", mentions(resp, err, "red")
}

// tokenBound asks for more than the limit allows. A reasoning model may spend the
// limit on reasoning, and the check passes, too.
func tokenBound(ctx context.Context, t *trial) (string, error) {
	name := cmp.Or(t.profile.MaxTokensField, "max_completion_tokens")
	if t.profile.API == openai.APIResponses {
		name = "max_output_tokens"
	}
	resp, err := t.ask(ctx, llm.Request{
		Messages: user("Count from 1 to 200, one number after the other."), Settings: llm.Settings{MaxOutputTokens: 24},
	})
	if err == nil && resp.Finish.Reason != llm.FinishLength {
		err = unclearf("the provider accepted %s, but the answer goes on until %q", name, resp.Finish.Raw)
	}
	return "", err
}

func errorShape(ctx context.Context, t *trial) (string, error) {
	resp, err := t.ask(ctx, llm.Request{Model: "no-such-model-of-probe", Messages: user("Hello.")})
	if err == nil {
		return "", unclearf("the provider accepts a wrong model name: %s answered", resp.Model)
	}
	e, ok := errors.AsType[*llm.APIError](err)
	if !ok || e.StatusCode == 0 {
		return "", err
	}
	text := fmt.Sprintf("%d %s", e.StatusCode, e.Kind)
	if e.Code != "" {
		text += ", code " + e.Code
	}
	if !likeOpenAI(t.errBody) {
		text += ", not in OpenAI's form: " + string(t.errBody)
	}
	if !slices.Contains([]llm.ErrorKind{llm.KindNotFound, llm.KindInvalidRequest, llm.KindPermission}, e.Kind) {
		return "", unclearf("a wrong model name is a %s", text)
	}
	return text, nil
}

func rateLimits(ctx context.Context, t *trial) (string, error) {
	if _, err := t.ask(ctx, llm.Request{Messages: user("Say hello in one word.")}); err != nil {
		return "", err
	}
	if len(t.limits) == 0 {
		return "", missing{fmt.Sprintf("in %d answers", t.requests)}
	}
	slices.Sort(t.limits)
	return strings.Join(t.limits, ", "), nil
}

// wholeRun runs an agent with the recommended profile. The provider may not refuse
// any request.
func wholeRun(ctx context.Context, t *trial) (string, error) {
	type place struct {
		City string `json:"city"`
	}
	report := func(context.Context, place) (map[string]any, error) { return map[string]any{"celsius": celsius}, nil }
	watched := llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		return t.model().Generate(ctx, req, func(d llm.Delta) {
			t.watch(d)
			if sink != nil {
				sink(d)
			}
		})
	})
	a := &agent.Agent{
		Name: "probe", Instructions: "Answer questions about the weather. Use the tool.", Model: watched,
		Tools: []tool.Tool{tool.Must(tool.New(weather.Name, weather.Description, report))},
	}
	r := runner.Runner{Logger: slog.New(slog.DiscardHandler)} // the probe reports the waits
	result, err := r.Run(ctx, a, llm.User("What is the weather in Lisbon and in Nairobi?"))
	if err != nil {
		return "", err
	}
	if !strings.Contains(result.Text, fmt.Sprint(celsius)) {
		return "", unclearf("the answer does not repeat the tool's result: %s", result.Text)
	}
	return fmt.Sprintf("%d turns, %d tokens", result.Turns, result.Usage.InputTokens+result.Usage.OutputTokens), nil
}
