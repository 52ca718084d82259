package llmtest

import (
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// LastUser is the condition that the last message of the user has this text; see
// [Step.When].
func LastUser(text string) func(*llm.Request) bool {
	return func(req *llm.Request) bool {
		for _, m := range slices.Backward(req.Messages) {
			if m.Role == llm.RoleUser {
				return m.Text() == text
			}
		}
		return false
	}
}

// HasResult is the condition that a result of this tool stands behind the last
// message of the assistant: the tool has just run.
func HasResult(tool string) func(*llm.Request) bool {
	return func(req *llm.Request) bool {
		results := map[string]bool{}
		for _, m := range slices.Backward(req.Messages) {
			for _, r := range m.Results() {
				if r.Name == tool {
					return true
				}
				results[r.CallID] = r.Name == ""
			}
			if m.Role == llm.RoleAssistant {
				return slices.ContainsFunc(m.Calls(), func(c llm.ToolCall) bool { return c.Name == tool && results[c.ID] })
			}
		}
		return false
	}
}

// Turn is the condition that the request is the n-th request of its conversation,
// from 1: the request has n-1 messages of the assistant.
func Turn(n int) func(*llm.Request) bool {
	return func(req *llm.Request) bool {
		turn := 1
		for _, m := range req.Messages {
			if m.Role == llm.RoleAssistant {
				turn++
			}
		}
		return turn == n
	}
}
