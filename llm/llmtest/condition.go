package llmtest

import (
	"slices"
	"strings"

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

// Instructed is the condition that the instructions of the request contain the text. It
// tells several agents with the same model apart; see [For].
func Instructed(text string) func(*llm.Request) bool {
	return func(req *llm.Request) bool {
		if strings.Contains(req.Instructions, text) {
			return true
		}
		return len(req.Messages) > 0 && req.Messages[0].Role == llm.RoleSystem && strings.Contains(req.Messages[0].Text(), text)
	}
}

// For gives each step a further condition. So one script can answer several agents, in
// whatever order they ask:
//
//	llmtest.Script(t, slices.Concat(
//		llmtest.For(llmtest.Instructed("the desk"), llmtest.Calls("ask_billing", task), llmtest.Text("Done.")),
//		llmtest.For(llmtest.Instructed("billing"), llmtest.Text("W1 is paid.")))...)
//
// The steps of one agent keep their order.
func For(match func(*llm.Request) bool, steps ...Step) []Step {
	all := make([]Step, len(steps))
	for i, s := range steps {
		all[i] = s.When(match)
	}
	return all
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
