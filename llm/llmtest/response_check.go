package llmtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// reasoningFields are the members of a message from which clients read reasoning. The
// first is the default of a script.
var reasoningFields = []string{"reasoning_content", "reasoning", "reasoning_text"}

// checkResponse reports content without a form on the wire.
func checkResponse(resp *llm.Response) error {
	if err := checkParts(resp.Message.Parts); err != nil {
		return err
	}
	taken := append([]string{"role", "content", "refusal", "audio", "function_call"}, reasoningFields...)
	if err := checkExtra(resp.Message.Extra, taken...); err != nil {
		return fmt.Errorf("the message: %w", err)
	}
	if err := checkHosted(resp.Message.Extra); err != nil {
		return fmt.Errorf("the message: the member %q of Extra: %w", toolCalls, err)
	}
	if err := checkExtra(resp.Extra, "id", "object", "created", "model", "choices", "usage", "error"); err != nil {
		return fmt.Errorf("the response: %w", err)
	}
	for name, text := range map[string]json.RawMessage{"RawUsage": resp.RawUsage, "LogProbs": resp.LogProbs} {
		if _, err := llm.ParseMembers(text); text != nil && err != nil {
			return fmt.Errorf("the %s is not a JSON object", name)
		}
	}
	return nil
}

// toolCalls is the member of Extra with the calls that a provider has run.
const toolCalls = "tool_calls"

// isHosted reports whether a member is the member toolCalls.
func isHosted(m llm.Member) bool { return m.Name == toolCalls }

// isBuiltin reports whether a member is the type of a built-in function: the provider
// runs the call after the caller has sent the arguments back.
func isBuiltin(m llm.Member) bool { return m.Name == "type" && m.Value == `"builtin_function"` }

// checkHosted refuses calls that a client takes for calls of functions.
func checkHosted(extra []llm.Member) error {
	i := slices.IndexFunc(extra, isHosted)
	if i < 0 {
		return nil
	}
	var calls []struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal([]byte(extra[i].Value), &calls); err != nil || len(calls) == 0 {
		return errors.New("want a list of the calls that the provider has run")
	}
	for _, c := range calls {
		if slices.Contains([]string{"", "function", "builtin_function", "custom"}, strings.ToLower(c.Type)) {
			return fmt.Errorf("a call of type %q is run by the caller: use a ToolCall", c.Type)
		}
	}
	return nil
}

func checkParts(parts llm.Parts) error {
	field, sounds := "", 0
	for i, p := range parts {
		if err := checkPart(p); err != nil {
			return fmt.Errorf("part %d: %w", i+1, err)
		}
		switch p := p.(type) {
		case llm.Audio:
			if sounds++; sounds > 1 {
				return fmt.Errorf("part %d: an answer holds one Audio", i+1)
			}
		case llm.Reasoning:
			if isContentPart(p) {
				continue
			}
			f := p.Field
			if f == "" {
				f = reasoningFields[0]
			}
			if field != "" && f != field {
				return fmt.Errorf("part %d: an answer holds reasoning in one Field, not in %q and %q", i+1, field, f)
			}
			field = f
		}
	}
	return nil
}

func checkPart(p llm.Part) error {
	switch p := p.(type) {
	case llm.Text:
		return checkText(p.Text, p.Extra, "type", "text")
	case llm.Reasoning:
		return checkReasoning(p)
	case llm.Refusal:
		if len(p.Extra) > 0 {
			return errors.New("the wire has no form for a Refusal with Extra")
		}
		return nil
	case llm.Audio:
		if p.ID == "" && p.Transcript == "" && len(p.Data) == 0 {
			return errors.New("an Audio needs an ID, Data or a Transcript")
		}
		return checkExtra(p.Extra, "id", "data", "format", "transcript", "expires_at")
	case llm.ToolCall:
		return checkExtra(slices.DeleteFunc(slices.Clone(p.Extra), isBuiltin), "index", "id", "type", "function")
	case llm.RawPart:
		return checkRaw(p)
	}
	return fmt.Errorf("the wire has no form for a %T in an answer", p)
}

func checkText(text string, extra []llm.Member, taken ...string) error {
	if text == "" && len(extra) > 0 {
		return errors.New("there is Extra, but no text")
	}
	return checkExtra(extra, taken...)
}

func checkReasoning(p llm.Reasoning) error {
	switch {
	case p.Field != "" && isContentPart(p):
		return errors.New("the wire has no form for a Reasoning with Field and Extra: with Extra it is a part of the content")
	case p.Field != "" && !slices.Contains(reasoningFields, p.Field):
		return fmt.Errorf("the Field of a Reasoning is %q, want one of %s", p.Field, strings.Join(reasoningFields, ", "))
	}
	return checkText(p.Text, p.Extra, "type", "text", "thinking", "reasoning")
}

// checkRaw refuses parts that clients read as a different part of llm.
func checkRaw(p llm.RawPart) error {
	members, err := llm.ParseMembers([]byte(p.JSON))
	if err != nil || members == nil {
		return errors.New("a RawPart needs a JSON object")
	}
	kind, err := stringMember(members, "type")
	if err != nil {
		return err
	}
	switch kind {
	case "text", "output_text":
		return fmt.Errorf("a RawPart of type %q: use a Text", kind)
	case "thinking", "reasoning":
		return fmt.Errorf("a RawPart of type %q: use a Reasoning that has Extra", kind)
	case "refusal":
		return fmt.Errorf("a RawPart of type %q: use a Refusal", kind)
	}
	return nil
}

// checkExtra reports members that are not JSON, or whose name is used already.
func checkExtra(extra []llm.Member, taken ...string) error {
	for _, m := range extra {
		if !json.Valid([]byte(m.Value)) {
			return fmt.Errorf("the member %q of Extra is not JSON", m.Name)
		}
		if slices.Contains(taken, m.Name) {
			return fmt.Errorf("the member %q of Extra is used already", m.Name)
		}
		taken = append(taken, m.Name)
	}
	return nil
}
