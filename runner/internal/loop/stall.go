package loop

import (
	"reflect"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// longestCycle bounds the turns of a cycle that is noticed.
const longestCycle = 4

// A round is a turn in the history: the message with the calls, and the results.
type round []llm.Message

// lastRound returns the turn at the end of a history, and the history before. Any other
// message than calls and results ends the rounds.
func lastRound(messages []llm.Message) (r round, before []llm.Message) {
	start := len(messages) - 1
	for start >= 0 && messages[start].Role == llm.RoleTool {
		start--
	}
	if start < 0 || start == len(messages)-1 || messages[start].Role != llm.RoleAssistant {
		return nil, nil
	}
	return messages[start:], messages[:start]
}

// same reports whether two rounds have the same calls with the same results. The results
// count, because a tool that is asked until something changes is no stall.
func (r round) same(o round) bool {
	return len(r) == len(o) && sameCalls(r[0].Parts, o[0].Parts) && slices.EqualFunc(r[1:], o[1:], sameResult)
}

// sameCalls compares the calls of two messages in order.
func sameCalls(a, b llm.Parts) bool {
	for {
		x, restA := firstCall(a)
		y, restB := firstCall(b)
		if x.Name != y.Name || x.Arguments != y.Arguments {
			return false
		}
		if x.Name == "" {
			return true
		}
		a, b = restA, restB
	}
}

// firstCall returns the first call of a message and the parts after it, or a call without
// a name.
func firstCall(parts llm.Parts) (llm.ToolCall, llm.Parts) {
	for i, p := range parts {
		if c, ok := p.(llm.ToolCall); ok && c.Name != "" {
			return c, parts[i+1:]
		}
	}
	return llm.ToolCall{}, nil
}

func sameResult(a, b llm.Message) bool {
	x, ok := a.Parts[0].(llm.ToolResult)
	y, too := b.Parts[0].(llm.ToolResult)
	return ok && too && x.IsError == y.IsError && reflect.DeepEqual(x.Parts, y.Parts)
}

func (r round) polls(lim Limits) bool {
	return lim.Polling != nil && slices.ContainsFunc(r[0].Calls(), func(c llm.ToolCall) bool { return lim.Polling(c.Name) })
}

// stalled reports whether the last turns repeat one turn, or a cycle of turns.
func (s *State) stalled(lim Limits) bool {
	if s.phase != ready || lim.Repeats <= 0 || len(s.said) > 0 { // a message ends the repeats
		return false
	}
	last, before := lastRound(s.Messages)
	for length := 1; length <= longestCycle && last != nil; length++ {
		var r round
		if r, before = lastRound(before); r == nil {
			return false
		}
		if r.same(last) && cycles(s.Messages, length, lim) {
			return true
		}
	}
	return false
}

// cycles reports whether the history ends in the repeats of a cycle of turns.
func cycles(messages []llm.Message, length int, lim Limits) bool {
	var cycle []round
	for i := range length * lim.Repeats {
		var r round
		if r, messages = lastRound(messages); r == nil || r.polls(lim) {
			return false
		}
		if i < length {
			cycle = append(cycle, r)
		} else if !r.same(cycle[i%length]) {
			return false
		}
	}
	return true
}

// stallDetected tells the model. The message ends the repeats in the history, so the count
// begins again.
func (s *State) stallDetected(b event.StallDetected) error {
	if s.phase != ready || b.Turn != s.Turn || s.nudged {
		return errOrder
	}
	s.nudged, s.results = true, false
	s.tell(b.Message)
	return nil
}
