package llmtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// ParseRequest reads the body of a Chat Completions request: what a provider is
// asked, in the words of llm.
//
// Nothing is lost: members of the request that llm does not model, and tools,
// tool choices and response formats of other kinds than its own, stand in
// Settings.Extra; members of messages, parts and calls in their Extra; parts
// that are no part of llm are a [llm.RawPart]. The exceptions are what the wire
// says twice or for itself: "stream_options" with nothing but "include_usage",
// the two names of MaxOutputTokens, the "type" and "index" of calls, members
// that are null, and unknown members in the definition of a tool.
//
// A leading system message stays a message, since the wire does not tell it from
// Instructions. Content that is null or "" has no parts. The message of a tool has the name of the tool from the call before
// it. An error names the place, as in "messages[2].content: …".
func ParseRequest(body []byte) (*llm.Request, error) {
	q, err := parse(body)
	if err != nil {
		return nil, fmt.Errorf("llmtest: %w", err)
	}
	return q.request, nil
}

func parse(body []byte) (*query, error) {
	members, err := llm.ParseMembers(body)
	if err != nil {
		return nil, err
	}
	if members == nil {
		return nil, errors.New("got null, want a JSON object")
	}
	q := &query{request: new(llm.Request)}
	for _, m := range members {
		if err := q.member(m); err != nil {
			return nil, at(m.Name, err)
		}
	}
	return q, nil
}

// member reads one member of the request.
func (q *query) member(m llm.Member) error {
	r := q.request
	target, known := settings(r)[m.Name]
	if known && m.Value == "null" {
		return nil
	}
	if target != nil {
		return json.Unmarshal([]byte(m.Value), target)
	}
	fits, err := true, error(nil)
	switch m.Name {
	case "messages":
		r.Messages, err = parseMessages(m.Value)
	case "stop":
		r.Stop, err = parseStop(m.Value)
	case "tools":
		r.Tools, fits, err = parseTools(m.Value)
	case "tool_choice":
		r.ToolChoice, fits = parseToolChoice(m.Value)
	case "response_format":
		r.Output, fits = parseOutput(m.Value)
	case "stream_options":
		q.usage, fits, err = parseStreamOptions(m.Value)
	default:
		fits = false
	}
	if !fits {
		r.Extra = append(r.Extra, m)
	}
	return err
}

// settings names the members that are known: with a target those that are
// decoded as they stand, with nil those that have a form of their own.
func settings(r *llm.Request) map[string]any {
	return map[string]any{
		"messages": nil, "stop": nil, "tools": nil, "tool_choice": nil, "response_format": nil, "stream_options": nil,
		"model":                 &r.Model,
		"stream":                &r.Stream,
		"parallel_tool_calls":   &r.ParallelToolCalls,
		"temperature":           &r.Temperature,
		"top_p":                 &r.TopP,
		"max_tokens":            &r.MaxOutputTokens,
		"max_completion_tokens": &r.MaxOutputTokens,
		"seed":                  &r.Seed,
		"frequency_penalty":     &r.FrequencyPenalty,
		"presence_penalty":      &r.PresencePenalty,
		"logprobs":              &r.LogProbs,
		"top_logprobs":          &r.TopLogProbs,
		"n":                     &r.N,
		"reasoning_effort":      &r.ReasoningEffort,
		"verbosity":             &r.Verbosity,
		"modalities":            &r.Modalities,
		"service_tier":          &r.ServiceTier,
		"store":                 &r.Store,
		"prompt_cache_key":      &r.PromptCacheKey,
		"safety_identifier":     &r.SafetyIdentifier,
		"user":                  &r.User,
		"metadata":              &r.Metadata,
	}
}

func parseStop(value string) ([]string, error) {
	if strings.HasPrefix(value, `"`) {
		var one string
		err := json.Unmarshal([]byte(value), &one)
		return []string{one}, err
	}
	var many []string
	err := json.Unmarshal([]byte(value), &many)
	return many, err
}

// parseTools reads the functions among the tools; fits is false if there are
// other tools.
func parseTools(value string) (tools []llm.ToolDef, fits bool, err error) {
	var raw []struct {
		Type     string
		Function *struct {
			Name, Description string
			Parameters        json.RawMessage
			Strict            bool
		}
	}
	if err := json.Unmarshal([]byte(value), &raw); err != nil {
		return nil, true, err
	}
	fits = true
	for i, t := range raw {
		switch {
		case t.Type != "function":
			fits = false
		case t.Function == nil || t.Function.Name == "":
			return nil, true, atIndex(i, errors.New("a function without a name"))
		default:
			def := llm.ToolDef{Name: t.Function.Name, Description: t.Function.Description, Schema: t.Function.Parameters}
			if t.Function.Strict {
				def.Strict = def.Schema
			}
			tools = append(tools, def)
		}
	}
	return tools, fits, nil
}

func parseToolChoice(value string) (choice llm.ToolChoice, fits bool) {
	var word llm.ToolChoice
	if json.Unmarshal([]byte(value), &word) == nil {
		fits = slices.Contains([]llm.ToolChoice{llm.ToolAuto, llm.ToolNone, llm.ToolRequired}, word)
		return choiceIf(word, fits), fits
	}
	var named struct {
		Type     string
		Function struct{ Name string }
	}
	err := json.Unmarshal([]byte(value), &named)
	fits = err == nil && named.Type == "function" && named.Function.Name != ""
	return choiceIf(llm.ToolNamed(named.Function.Name), fits), fits
}

func choiceIf(c llm.ToolChoice, fits bool) llm.ToolChoice {
	if !fits {
		return ""
	}
	return c
}

func parseOutput(value string) (format *llm.OutputFormat, fits bool) {
	var raw struct {
		Type   string            `json:"type"`
		Schema *llm.OutputFormat `json:"json_schema"`
	}
	if err := json.Unmarshal([]byte(value), &raw); err != nil {
		return nil, false
	}
	switch {
	case raw.Type == "text", raw.Type == "json_object":
		return &llm.OutputFormat{Type: raw.Type}, true
	case raw.Type == "json_schema" && raw.Schema != nil:
		raw.Schema.Type = raw.Type
		return raw.Schema, true
	}
	return nil, false
}

func parseStreamOptions(value string) (usage, fits bool, err error) {
	members, err := llm.ParseMembers([]byte(value))
	fits = true
	for _, m := range members {
		if m.Name != "include_usage" {
			fits = false
			continue
		}
		if err := json.Unmarshal([]byte(m.Value), &usage); err != nil {
			return false, true, at(m.Name, err)
		}
	}
	return usage, fits, err
}

// A placed error says where in the request the trouble is.
type placed struct {
	place string
	err   error
}

func (p *placed) Error() string { return p.place + ": " + p.err.Error() }
func (p *placed) Unwrap() error { return p.err }

// at puts the name of a member, or an index such as "[3]", before an error.
func at(place string, err error) error {
	inner, ok := errors.AsType[*placed](err)
	switch {
	case !ok:
		return &placed{place, err}
	case strings.HasPrefix(inner.place, "["):
		return &placed{place + inner.place, inner.err}
	}
	return &placed{place + "." + inner.place, inner.err}
}

func atIndex(i int, err error) error { return at(fmt.Sprintf("[%d]", i), err) }
