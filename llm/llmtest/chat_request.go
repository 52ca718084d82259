package llmtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// ParseRequest reads the body of a request to Chat Completions ("messages") or to the
// Responses API ("input") into an [llm.Request]. Programs use ParseRequest to look at
// the request that a provider would get; a [Server] and [Model.Requests] do the same.
//
// Nothing is lost:
//
//   - Unknown members of the request are in Settings.Extra.
//   - "tools", "tool_choice" and "response_format" are in Settings.Extra, whole and
//     unchanged, if llm cannot represent the value completely. Examples are an unknown
//     member, a tool with "strict": false, and a hosted tool before a function (hosted tools
//     after all functions go to HostedTools). In this case Tools has the functions as far as
//     llm can represent functions.
//   - Unknown members of messages, parts and calls are in their Extra, and unknown
//     members of a tool message in the Extra of its [llm.ToolResult]. Unknown members
//     of a call's "function" are an object in the member "function" of the call's Extra.
//   - Calls of types other than "function" and "builtin_function" were run by the
//     provider. These calls are in the member "tool_calls" of the message's Extra. A
//     call of type "builtin_function" is an ordinary [llm.ToolCall], with the type in
//     Extra. A call of type "custom" is an error.
//   - An unknown part, and an unknown item of the Responses API, is an [llm.RawPart].
//
// The exceptions are members without information of their own. These are not kept:
//
//   - "stream_options" with only "include_usage"
//   - which of the two names "max_tokens" and "max_completion_tokens" was used (both go to
//     MaxOutputTokens)
//   - the "type" of an object with known members; tools, choices, calls and parts may also
//     come without "type", as some clients send them
//   - the "index" of calls
//   - known members that are null or zero
//   - on the Responses API, "store": false and "include" of the encrypted reasoning, because
//     clients send both by themselves
//
// On the Responses API, consecutive reasoning, texts and calls of the model form one
// message. The Extra of a [llm.Reasoning] and of a call has the members of the item.
//
// A leading system message stays a message, because the wire does not separate system
// messages from Instructions. Content that is null or "" becomes no part. The message of a
// tool gets the tool's name from the earlier call.
//
// Duplicate members of an object are an error, and so are members that do not belong to
// the message's role. An error begins with the place, as in "messages[2].content: …".
func ParseRequest(body []byte) (*llm.Request, error) {
	q, err := parse(body, new(toolsMemo))
	if err != nil {
		return nil, fmt.Errorf("llmtest: %w", err)
	}
	return q.request, nil
}

func parse(body []byte, tools *toolsMemo) (*wireRequest, error) {
	members, err := membersOf(body)
	if err != nil {
		return nil, err
	}
	if members == nil {
		return nil, errors.New("got null, want a JSON object")
	}
	q := &wireRequest{request: new(llm.Request), responses: isResponses(members), tools: tools}
	known, special := settings(q.request), q.chatMember
	if q.responses {
		known, special = responsesSettings(q.request), q.responsesMember
	}
	for _, m := range members {
		if err := q.member(m, known, special); err != nil {
			return nil, at(m.Name, err)
		}
	}
	return q, nil
}

// isResponses reports whether a request is for the Responses API: the conversation is
// "input" there, and "messages" on Chat Completions.
func isResponses(members []llm.Member) bool {
	named := func(name string) bool {
		return slices.ContainsFunc(members, func(m llm.Member) bool { return m.Name == name })
	}
	return named("input") && !named("messages")
}

// member reads a member of the request: into its target among the known members, or by
// special. If llm cannot represent the member completely, Extra gets the whole member.
func (q *wireRequest) member(m llm.Member, known map[string]any, special func(llm.Member) (fits bool, err error)) error {
	target, isKnown := known[m.Name]
	if isKnown && m.Value == "null" {
		return nil
	}
	if target != nil {
		return q.setting(m, target)
	}
	fits, err := special(m)
	if !fits {
		q.request.Extra = append(q.request.Extra, m)
	}
	return err
}

// chatMember reads the members of Chat Completions with a parser.
func (q *wireRequest) chatMember(m llm.Member) (fits bool, err error) {
	r := q.request
	fits = true
	switch m.Name {
	case "messages":
		r.Messages, err = parseMessages(m.Value)
	case "stop":
		r.Stop, err = parseStop(m.Value)
	case "tools":
		fits, err = q.tools.parse(m.Value, r, false, parseTool)
	case "tool_choice":
		r.ToolChoice, fits = parseToolChoice(m.Value)
	case "response_format":
		r.Output, fits = parseOutput(m.Value)
	case "stream_options":
		q.usage, fits, err = parseStreamOptions(m.Value)
	default:
		fits = false
	}
	return fits, err
}

// setting decodes a member into its target.
func (q *wireRequest) setting(m llm.Member, target any) error {
	if m.Name == "metadata" { // a map, which hides duplicate names
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

// settings returns the known members. A member with a target is decoded into the
// target; a member with nil has its own parser.
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
	expressible := strict == nil || *strict && def.Schema != nil
	return def, fits && whole && expressible, nil
}

// isFunction reports whether a tool or a choice is a function: by its type, or by its
// member "function" if there is no type.
func isFunction(kind string, function json.RawMessage) bool {
	return kind == "function" || kind == "" && function != nil
}

// parseChoiceWord reads a tool choice that is a string. isWord is false for objects.
func parseChoiceWord(value string) (choice llm.ToolChoice, fits, isWord bool) {
	var word llm.ToolChoice
	if json.Unmarshal([]byte(value), &word) != nil {
		return "", false, false
	}
	fits = slices.Contains([]llm.ToolChoice{llm.ToolAuto, llm.ToolNone, llm.ToolRequired}, word)
	return choiceIf(word, fits), fits, true
}

func parseToolChoice(value string) (choice llm.ToolChoice, fits bool) {
	if word, fits, isWord := parseChoiceWord(value); isWord {
		return word, fits
	}
	var kind, name string
	var function, allowed json.RawMessage
	outer, err := decodeMembers([]byte(value), map[string]any{"type": &kind, "function": &function, "allowed_tools": &allowed})
	if err == nil && outer && kind == "allowed_tools" && function == nil {
		return parseAmong(allowed, parseToolChoice)
	}
	if err != nil || function == nil || allowed != nil {
		return "", false
	}
	inner, err := decodeMembers(function, map[string]any{"name": &name})
	fits = err == nil && outer && inner && isFunction(kind, function) && name != ""
	return choiceIf(llm.ToolNamed(name), fits), fits
}

// parseAmong reads the mode and the tools of a choice among functions. function reads
// one of the tools.
func parseAmong(value json.RawMessage, function func(string) (llm.ToolChoice, bool)) (choice llm.ToolChoice, fits bool) {
	var mode llm.ToolChoice
	var tools []json.RawMessage
	whole, err := decodeMembers(value, map[string]any{"mode": &mode, "tools": &tools, "type": new(string)})
	names := make([]string, len(tools))
	for i, raw := range tools {
		named, ok := function(string(raw))
		names[i], fits = named.Named()
		whole = whole && ok && fits
	}
	fits = err == nil && whole && len(names) > 0 && (mode == llm.ToolAuto || mode == llm.ToolRequired)
	return choiceIf(llm.ToolAmong(mode, names...), fits), fits
}

func choiceIf(c llm.ToolChoice, fits bool) llm.ToolChoice {
	if !fits {
		return ""
	}
	return c
}

// parseOutput reads the form of the answer. fits is false if llm cannot represent the
// form completely.
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

// decodeMembers decodes the members of an object into the targets of their names.
// Null is skipped. whole is false if the object has further members.
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

// membersOf splits an object into its members. Duplicate names are an error.
func membersOf(object []byte) ([]llm.Member, error) {
	members, err := llm.ParseMembers(object)
	seen := make(map[string]bool, len(members))
	for _, m := range members {
		if seen[m.Name] {
			return nil, at(m.Name, errors.New("appears twice"))
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
