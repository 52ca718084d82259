package runner

import (
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// checkInput returns the messages as a history that every provider accepts, or an error.
// Results are sorted into the order of their calls, and empty answers are left out.
func checkInput(messages []llm.Message) ([]llm.Message, error) {
	out := make([]llm.Message, 0, len(messages))
	for i := 0; i < len(messages); i++ {
		m := messages[i]
		if m.Role == llm.RoleAssistant && isEmpty(m) {
			continue
		}
		err := checkMessage(m)
		if err == nil && m.Role == llm.RoleTool {
			err = errors.New("a tool result without a call before it")
		}
		var results []llm.Message
		if err == nil {
			results, err = pairResults(m.Calls(), messages[i+1:])
		}
		if err != nil {
			return nil, fmt.Errorf("runner: message %d: %w", i, err)
		}
		out = append(append(out, m), results...)
		i += len(results)
	}
	if len(out) == 0 && len(messages) > 0 {
		return nil, errors.New("runner: every message is empty")
	}
	return out, nil
}

func checkMessage(m llm.Message) error {
	switch m.Role {
	case llm.RoleSystem, llm.RoleDeveloper, llm.RoleUser, llm.RoleAssistant, llm.RoleTool:
	default:
		return fmt.Errorf("unknown role %q", m.Role)
	}
	if isEmpty(m) {
		return fmt.Errorf("the %s message is empty", m.Role)
	}
	for _, p := range m.Parts {
		if err := checkPart(p, m.Role); err != nil {
			return err
		}
	}
	if m.Role == llm.RoleTool && len(m.Parts) != 1 {
		return errors.New("a message with role tool holds one result")
	}
	return m.Validate() // a recorded bad message would fail every turn of the session
}

func checkPart(p llm.Part, role llm.Role) error {
	want := role != llm.RoleTool
	switch p.(type) {
	case nil:
		return errors.New("a part is nil")
	case llm.Text, llm.Image, llm.Audio, llm.File, llm.RawPart:
	case llm.ToolCall, llm.Reasoning, llm.Refusal:
		want = role == llm.RoleAssistant
	case llm.ToolResult:
		want = role == llm.RoleTool
	default:
		return fmt.Errorf("a part is a %T; parts are values, not pointers", p)
	}
	if !want {
		return fmt.Errorf("a %T in a message with role %s", p, role)
	}
	return nil
}

// isEmpty reports whether m has no content.
func isEmpty(m llm.Message) bool {
	for _, p := range m.Parts {
		if t, ok := p.(llm.Text); !ok || t.Text != "" {
			return false
		}
	}
	return true
}

// pairResults returns the results of the calls, in the order of the calls. The results
// must be the first messages behind the calls.
func pairResults(calls []llm.ToolCall, following []llm.Message) ([]llm.Message, error) {
	results := make([]llm.Message, len(calls))
	used := make([]bool, len(calls))
	for i, c := range calls {
		at := -1
		for k := range min(len(calls), len(following)) {
			if !used[k] && isResultOf(following[k], c) {
				at = k
				break
			}
		}
		if at < 0 {
			return nil, fmt.Errorf("tool call %q (%s) has no result directly after it", c.ID, c.Name)
		}
		used[at], results[i] = true, following[at]
	}
	return results, nil
}

func isResultOf(m llm.Message, c llm.ToolCall) bool {
	r := m.Results()
	return m.Role == llm.RoleTool && len(m.Parts) == 1 && len(r) == 1 && r[0].CallID == c.ID
}
