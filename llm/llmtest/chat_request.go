package llmtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// ParseRequest reads the body of a request to Chat Completions or to the Responses
// API (which has "input" in place of "messages"): what a provider is asked, in the
// words of llm.
//
// On the Responses API, reasoning, texts and calls of the model that follow each
// other are one message. The Extra of a [llm.Reasoning] and of a call has the
// members of the item. Items of other types are a [llm.RawPart]. "store" that is
// false and "include" of the encrypted reasoning are not told, since clients say
// both by themselves.
//
// Nothing is lost. Members of the request that llm does not model stand in
// Settings.Extra; so do, whole and as they came, "tools", "tool_choice" and
// "response_format" that say more than llm can: other kinds (but hosted tools, if
// they stand behind all functions), unknown members, a tool's "strict" that is
// false. (What of the functions llm can say stands in Tools as well.) Unknown members of messages, parts and calls stand in their Extra,
// those of a tool message in the Extra of its [llm.ToolResult]. Unknown members
// of a call's "function" are one member of that name in the call's Extra, an
// object of them all. Parts that are no part of llm are a [llm.RawPart].
//
// Calls of other types than "function", which the provider has run, are one member
// "tool_calls" in the message's Extra; so is the type "builtin_function" in a
// call's.
//
// The exceptions are what the wire says twice or for itself: "stream_options"
// with nothing but "include_usage", the two names of MaxOutputTokens, the "type"
// of what its other members tell, the "index" of calls, and known members that are
// null or the zero of their field in llm. So a tool, a choice, a call and a part
// are read without a "type", too, as some clients send them.
//
// A leading system message stays a message, since the wire does not tell it from
// Instructions. Content that is null or "" has no parts. The message of a tool
// has the name of the tool from the call before it.
//
// A member that stands twice in its object, and one that a message of its role
// does not have, are errors. An error names the place, as in
// "messages[2].content: …".
func ParseRequest(body []byte) (*llm.Request, error) {
	q, err := parse(body)
	if err != nil {
		return nil, fmt.Errorf("llmtest: %w", err)
	}
	return q.request, nil
}

func parse(body []byte) (*wireRequest, error) {
	members, err := membersOf(body)
	if err != nil {
		return nil, err
	}
	if members == nil {
		return nil, errors.New("got null, want a JSON object")
	}
	q := &wireRequest{request: new(llm.Request), responses: isResponses(members)}
	read := q.member
	if q.responses {
		read = q.responsesMember
	}
	for _, m := range members {
		if err := read(m); err != nil {
			return nil, at(m.Name, err)
		}
	}
	return q, nil
}

// isResponses tells the two APIs apart: the conversation is "input" on Responses
// and "messages" on Chat Completions.
func isResponses(members []llm.Member) bool {
	named := func(name string) bool {
		return slices.ContainsFunc(members, func(m llm.Member) bool { return m.Name == name })
	}
	return named("input") && !named("messages")
}

// member reads one member of the request.
func (q *wireRequest) member(m llm.Member) error {
	r := q.request
	target, known := settings(r)[m.Name]
	if known && m.Value == "null" {
		return nil
	}
	if target != nil {
		return q.setting(m, target)
	}
	fits, err := true, error(nil)
	switch m.Name {
	case "messages":
		r.Messages, err = parseMessages(m.Value)
	case "stop":
		r.Stop, err = parseStop(m.Value)
	case "tools":
		fits, err = parseTools(m.Value, r, parseTool)
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

// setting decodes a member that has a target.
func (q *wireRequest) setting(m llm.Member, target any) error {
	if m.Name == "metadata" { // a map, which does not tell what stands twice
		if _, err := membersOf([]byte(m.Value)); err != nil {
			return err
		}
	}
	bound := q.request.MaxOutputTokens
	err := json.Unmarshal([]byte(m.Value), target)
	if target == &q.request.MaxOutputTokens && bound != 0 && bound != q.request.MaxOutputTokens {
		return errors.New("max_tokens and max_completion_tokens differ")
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

// parseTools reads the functions among the tools, and the tools that the provider
// runs if these stand last; fits is false if that is not all there is to say.
func parseTools(value string, r *llm.Request, parse func([]byte) (*llm.ToolDef, bool, error)) (fits bool, err error) {
	var raws []json.RawMessage
	if err := json.Unmarshal([]byte(value), &raws); err != nil {
		return true, err
	}
	fits = true
	var hosted []json.RawMessage
	for i, raw := range raws {
		def, whole, err := parse(raw)
		if err != nil {
			return true, atIndex(i, err)
		}
		if def == nil {
			hosted = append(hosted, raw)
			continue
		}
		fits = fits && whole && hosted == nil
		r.Tools = append(r.Tools, *def)
	}
	probe := llm.Request{Messages: []llm.Message{llm.User("")}, Settings: llm.Settings{HostedTools: hosted}}
	if fits = fits && probe.Validate() == nil; fits {
		r.HostedTools = hosted
	}
	return fits, nil
}

// parseTool reads a function, and returns nil for a tool of another kind.
func parseTool(raw []byte) (def *llm.ToolDef, fits bool, err error) {
	var kind string
	var function json.RawMessage
	fits, err = decodeMembers(raw, map[string]any{"type": &kind, "function": &function})
	if err != nil || !isFunction(kind, function) {
		return nil, false, err
	}
	def = new(llm.ToolDef)
	var strict *bool
	whole := true
	if function != nil {
		whole, err = decodeMembers(function, map[string]any{
			"name": &def.Name, "description": &def.Description, "parameters": &def.Schema, "strict": &strict,
		})
	}
	switch {
	case err != nil:
		return nil, false, at("function", err)
	case def.Name == "":
		return nil, false, errors.New("a function without a name")
	case strict != nil && *strict:
		def.Strict = def.Schema
	}
	sayable := strict == nil || *strict && def.Schema != nil
	return def, fits && whole && sayable, nil
}

// isFunction reports whether a tool or a choice is a function: its type says so, or
// there is no type, and a function.
func isFunction(kind string, function json.RawMessage) bool {
	return kind == "function" || kind == "" && function != nil
}

func parseToolChoice(value string) (choice llm.ToolChoice, fits bool) {
	var word llm.ToolChoice
	if json.Unmarshal([]byte(value), &word) == nil {
		fits = slices.Contains([]llm.ToolChoice{llm.ToolAuto, llm.ToolNone, llm.ToolRequired}, word)
		return choiceIf(word, fits), fits
	}
	var kind, name string
	var function json.RawMessage
	outer, err := decodeMembers([]byte(value), map[string]any{"type": &kind, "function": &function})
	if err != nil || function == nil {
		return "", false
	}
	inner, err := decodeMembers(function, map[string]any{"name": &name})
	fits = err == nil && outer && inner && isFunction(kind, function) && name != ""
	return choiceIf(llm.ToolNamed(name), fits), fits
}

func choiceIf(c llm.ToolChoice, fits bool) llm.ToolChoice {
	if !fits {
		return ""
	}
	return c
}

// parseOutput reads the form of the answer; fits is false if llm cannot say all
// of it.
func parseOutput(value string) (format *llm.OutputFormat, fits bool) {
	var schema json.RawMessage
	out := new(llm.OutputFormat)
	fits, err := decodeMembers([]byte(value), map[string]any{"type": &out.Type, "json_schema": &schema})
	switch {
	case err != nil || !fits:
		return nil, false
	case schema == nil:
		return outputIf(out, out.Type == "text" || out.Type == "json_object")
	}
	fits, err = decodeMembers(schema, map[string]any{
		"name": &out.Name, "description": &out.Description, "schema": &out.Schema, "strict": &out.Strict,
	})
	return outputIf(out, err == nil && fits && out.Type == "json_schema")
}

func outputIf(format *llm.OutputFormat, fits bool) (*llm.OutputFormat, bool) {
	if !fits {
		return nil, false
	}
	return format, true
}

func parseStreamOptions(value string) (usage, fits bool, err error) {
	members, err := membersOf([]byte(value))
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

// decodeMembers decodes the members of an object into the targets of their names. It
// passes over null, and reports whether there were no members but these.
func decodeMembers(object []byte, targets map[string]any) (whole bool, err error) {
	members, err := membersOf(object)
	if err != nil {
		return false, err
	}
	whole = true
	for _, m := range members {
		target, known := targets[m.Name]
		switch {
		case !known:
			whole = false
		case m.Value == "null":
		default:
			if err := json.Unmarshal([]byte(m.Value), target); err != nil {
				return false, at(m.Name, err)
			}
		}
	}
	return whole, nil
}

// membersOf splits an object into its members, none of which stands twice.
func membersOf(object []byte) ([]llm.Member, error) {
	members, err := llm.ParseMembers(object)
	seen := make(map[string]bool, len(members))
	for _, m := range members {
		if seen[m.Name] {
			return nil, at(m.Name, errors.New("stands twice"))
		}
		seen[m.Name] = true
	}
	return members, err
}

// A pathError error says where in the request the trouble is.
type pathError struct {
	place string
	err   error
}

func (p *pathError) Error() string { return p.place + ": " + p.err.Error() }

func (p *pathError) Unwrap() error { return p.err }

// at puts the name of a member, or an index such as "[3]", before an error.
func at(place string, err error) error {
	inner, ok := errors.AsType[*pathError](err)
	switch {
	case !ok:
		return &pathError{place, err}
	case strings.HasPrefix(inner.place, "["):
		return &pathError{place + inner.place, inner.err}
	}
	return &pathError{place + "." + inner.place, inner.err}
}

func atIndex(i int, err error) error { return at(fmt.Sprintf("[%d]", i), err) }
