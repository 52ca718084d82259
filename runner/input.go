package runner

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// checkInput returns the messages as a history that every provider takes, or
// says what is wrong with them. Results are put in the order of their calls,
// and answers with nothing in them are left out.
func checkInput(messages []llm.Message) ([]llm.Message, error) {
	if len(messages) == 0 {
		return nil, errors.New("runner: no messages: there is nothing to answer")
	}
	out := slices.DeleteFunc(slices.Clone(messages), func(m llm.Message) bool {
		return m.Role == llm.RoleAssistant && len(m.Parts) == 0
	})
	for i := 0; i < len(out); i++ {
		m := out[i]
		if err := checkMessage(m); err != nil {
			return nil, fmt.Errorf("runner: message %d: %w", i, err)
		}
		calls := m.Calls()
		if len(calls) == 0 {
			if m.Role == llm.RoleTool {
				return nil, fmt.Errorf("runner: message %d: a tool result without a call before it", i)
			}
			continue
		}
		end := min(i+1+len(calls), len(out))
		if err := pairResults(calls, out[i+1:end]); err != nil {
			return nil, fmt.Errorf("runner: message %d: %w", i, err)
		}
		i = end - 1
	}
	return out, nil
}

func checkMessage(m llm.Message) error {
	switch m.Role {
	case llm.RoleSystem, llm.RoleDeveloper, llm.RoleUser, llm.RoleAssistant, llm.RoleTool:
	default:
		return fmt.Errorf("unknown role %q", m.Role)
	}
	if len(m.Parts) == 0 {
		return fmt.Errorf("the %s message is empty", m.Role)
	}
	for _, p := range m.Parts {
		_, call := p.(llm.ToolCall)
		_, result := p.(llm.ToolResult)
		switch {
		case p == nil:
			return errors.New("a part is nil")
		case call && m.Role != llm.RoleAssistant:
			return fmt.Errorf("a tool call in a message with role %s", m.Role)
		case result != (m.Role == llm.RoleTool):
			return fmt.Errorf("a %T in a message with role %s", p, m.Role)
		}
	}
	if m.Role == llm.RoleTool && len(m.Parts) != 1 {
		return errors.New("a message with role tool holds one result")
	}
	return nil
}

// pairResults orders results as the calls are, in place.
func pairResults(calls []llm.ToolCall, results []llm.Message) error {
	for i, c := range calls {
		at := slices.IndexFunc(results[min(i, len(results)):], func(m llm.Message) bool { return answers(m, c) })
		if at < 0 {
			return fmt.Errorf("tool call %q (%s) has no result directly after it", c.ID, c.Name)
		}
		results[i], results[i+at] = results[i+at], results[i]
	}
	return nil
}

func answers(m llm.Message, c llm.ToolCall) bool {
	if len(m.Parts) != 1 {
		return false
	}
	r, ok := m.Parts[0].(llm.ToolResult)
	return ok && r.CallID == c.ID
}
