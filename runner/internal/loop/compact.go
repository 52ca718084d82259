package loop

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Compact shortens the history before a turn. Outcome: Compacted.
type Compact struct{ Turn int }

func (Compact) action() {}

// mustCompact reports whether the history is too long for the next turn. A history is
// compacted once before a turn, however long it stays. Messages that wait are no history yet.
func (s *State) mustCompact(lim Limits) bool {
	return lim.Compact > 0 && !s.compactedBefore && len(s.Messages) > 0 && s.Estimate(lim.Overhead) > lim.Compact
}

// nextStop returns the limit on a sum that stops the run before its next turn. A
// compaction comes before the limit on one request.
func (s *State) nextStop(lim Limits) (StopAtLimit, bool) {
	if lim.Outside != nil {
		return *lim.Outside, true
	}
	stop, reached := s.spentAnywhere(lim)
	return stop, reached && !(stop.Limit == RequestLimit && s.mustCompact(lim))
}

// CanCompact reports whether the history can be compacted after a request that did not fit
// into the model's context: once in a turn.
func (s *State) CanCompact() bool { return s.phase == prepared && !s.compactedAfter }

// tell adds a message of the runner to the history.
func (s *State) tell(m llm.Message) {
	s.written = append(s.written, len(s.Messages))
	s.Messages = append(s.Messages, m)
}

// addWritten adds messages of the program, which are no messages of the user.
func (s *State) addWritten(messages []llm.Message) {
	for i, m := range messages {
		if m.Role == llm.RoleUser {
			s.written = append(s.written, len(s.Messages)+i)
		}
	}
	s.add(messages)
}

// keepApproved remembers that a person decided about a call of the last answer.
func (s *State) keepApproved() {
	at := len(s.Messages) - 1
	for at >= 0 && s.Messages[at].Role != llm.RoleAssistant {
		at--
	}
	if at >= 0 && !slices.Contains(s.approved, at) {
		s.approved = append(s.approved, at)
	}
}

// Written returns the positions of the messages with the role of a user that the runner
// or the program wrote, summaries included. The slice is only for reading.
func (s *State) Written() []int { return s.written }

// Fixed returns the positions of the messages that a compaction must keep: the last message
// of the user, system messages, messages that were added for the current turn, and each answer with a call that a person decided about,
// with its results.
func (s *State) Fixed() (fixed []int) {
	last := -1
	for i := len(s.Messages) - 1; i >= 0 && last < 0; i-- {
		if s.Messages[i].Role == llm.RoleUser && !slices.Contains(s.written, i) {
			last = i
		}
	}
	own := s.Change().Added
	for i, m := range s.Messages {
		added := s.phase == prepared && i >= len(s.Messages)-own // for this turn
		if added || i == last || m.Role == llm.RoleSystem || m.Role == llm.RoleDeveloper {
			fixed = append(fixed, i)
		}
	}
	for _, at := range s.approved {
		for i := range 1 + len(s.Messages[at].Calls()) {
			fixed = append(fixed, at+i)
		}
	}
	slices.Sort(fixed)
	return slices.Compact(fixed)
}

// EstimateAfter estimates the tokens of a request with the history now in place of the
// history old, with which the request has so many tokens. The estimate is rather too high:
// if the provider counts fewer tokens than the estimate of the messages, less is removed.
func EstimateAfter(tokens int64, old, now []llm.Message) int64 {
	before := EstimateMessages(old)
	removed := before - EstimateMessages(now)
	if tokens < before && removed > 0 {
		removed = int64(float64(removed) * float64(tokens) / float64(before))
	}
	return tokens - removed
}

// EstimateMessages estimates the tokens of messages by their bytes.
func EstimateMessages(messages []llm.Message) (tokens int64) {
	for _, m := range messages {
		tokens += EstimateMessage(m)
	}
	return tokens
}

// CheckCompacted returns why an event cannot be applied to a state, or why the event does
// not help. The state stays unchanged.
func CheckCompacted(s State, b event.Compacted) error {
	old, refused := s.Messages, s.Prepared()
	err := s.compacted(b)
	if err == nil && refused && EstimateMessages(s.Messages) == EstimateMessages(old) {
		err = fmt.Errorf("%w: %d messages", ErrNotSmaller, len(old))
	}
	return err
}

// ErrNotSmaller says that a compaction removes nothing. Before a turn, a compaction may keep
// the unchanged history. After a refused request, the event only records the wasted usage.
var ErrNotSmaller = errors.New("the history does not become smaller")

// compacted replaces the history by a shorter history.
func (s *State) compacted(b event.Compacted) error {
	next := (s.phase == opening || s.phase == ready) && !s.compactedBefore && b.Turn == s.Turn+1
	again := s.CanCompact() && b.Turn == s.Turn
	if s.open > 0 || !next && !again {
		return errOrder
	}
	messages, err := s.replacement(b.Before, b.History)
	if err != nil {
		return err
	}
	if EstimateMessages(messages) > EstimateMessages(s.Messages) {
		return fmt.Errorf("%w: %d messages", ErrNotSmaller, len(s.Messages))
	}
	s.replaceHistory(messages, b.History)
	s.Usage, s.Cost = s.Usage.Add(b.Usage), s.Cost+b.Cost
	s.compactedBefore, s.compactedAfter = true, again
	s.results, s.Partial = false, nil
	return nil
}

// replacement returns the history that replaces the history, or why the history must stay.
func (s *State) replacement(before int, history []event.Stretch) ([]llm.Message, error) {
	if before != len(s.Messages) {
		return nil, fmt.Errorf("is about a history of %d messages, not %d", before, len(s.Messages))
	}
	messages, err := rebuild(s.Messages, history)
	if err != nil {
		return nil, err
	}
	fixed := s.Fixed()
	if kept := Positions(history, fixed); len(kept) < len(fixed) {
		return nil, errors.New("the last message of the user, a system message or an approved call with its result is missing or changed")
	}
	return messages, checkPairs(messages)
}

// replaceHistory replaces the history. The old list stays as it is, because earlier snapshots
// and requests share it.
func (s *State) replaceHistory(messages []llm.Message, history []event.Stretch) {
	if s.answered > 0 {
		s.reported, s.answered = EstimateAfter(s.estimate(0), s.Messages, messages), len(messages)
	}
	s.written, s.approved = Written(history, s.written), Positions(history, s.approved)
	s.Messages, s.done = messages, nil
	s.guard = s.guard.moved(func(old []int) []int { return Positions(history, old) })
}

// rebuild returns the history of a compaction.
func rebuild(old []llm.Message, history []event.Stretch) (messages []llm.Message, err error) {
	end := 0
	for _, h := range history {
		if h.Message != nil {
			if err := checkNew(*h.Message); err != nil {
				return nil, fmt.Errorf("message %d: %w", len(messages), err)
			}
			messages = append(messages, *h.Message)
			continue
		}
		if h.From < end || h.Count <= 0 || h.Count > len(old)-h.From {
			return nil, fmt.Errorf("%d messages from %d on cannot be kept", h.Count, h.From)
		}
		end = h.From + h.Count
		messages = append(messages, old[h.From:end]...)
	}
	return messages, nil
}

func checkNew(m llm.Message) error {
	switch {
	case len(m.Parts) == 0:
		return errors.New("has no part")
	case m.Role != llm.RoleUser && m.Role != llm.RoleAssistant && m.Role != llm.RoleTool:
		return fmt.Errorf("has the role %q", m.Role)
	}
	return m.Validate()
}

// checkPairs checks that the result of each call follows the call directly, in order.
func checkPairs(messages []llm.Message) error {
	for i := 0; i < len(messages); i++ {
		if messages[i].Role == llm.RoleTool {
			return fmt.Errorf("message %d is a result without its call", i)
		}
		for _, c := range messages[i].Calls() {
			if i++; i == len(messages) || !isResult(messages[i], c) {
				return fmt.Errorf("the call %q (%s) has no result directly after it", c.ID, c.Name)
			}
		}
	}
	return nil
}

func isResult(m llm.Message, c llm.ToolCall) bool {
	r := m.Results()
	return m.Role == llm.RoleTool && len(m.Parts) == 1 && len(r) == 1 && r[0].CallID == c.ID
}

// Positions returns the new positions of messages that a compaction kept.
func Positions(history []event.Stretch, old []int) (now []int) {
	at := 0
	for _, h := range history {
		for _, i := range old {
			if h.Message == nil && i >= h.From && i < h.From+h.Count {
				now = append(now, at+i-h.From)
			}
		}
		at += h.Count
		if h.Message != nil {
			at++
		}
	}
	return now
}

// Written returns the positions of the messages after a compaction that the runner wrote:
// those of before, and new messages with the role of a user.
func Written(history []event.Stretch, old []int) []int {
	now, at := Positions(history, old), 0
	for _, h := range history {
		at += h.Count
		if h.Message != nil {
			if h.Message.Role == llm.RoleUser {
				now = append(now, at)
			}
			at++
		}
	}
	slices.Sort(now)
	return now
}

// Align describes a list of messages by the messages of an older list that it keeps in
// their order, and by new messages. A kept message is usually the same piece of memory. An
// equal message counts as kept where the order of the others allows it.
func Align(old, now []llm.Message) (history []event.Stretch) {
	next := 0
	for i, at := range sameMemory(old, now) {
		m := now[i]
		if at.found < 0 {
			for k := next; k < at.end; k++ {
				if reflect.DeepEqual(old[k], m) {
					at.found = k
					break
				}
			}
		}
		switch last := len(history) - 1; {
		case at.found < 0:
			history = append(history, event.Stretch{Message: &m})
			continue
		case last >= 0 && history[last].Message == nil && next == at.found:
			history[last].Count++
		default:
			history = append(history, event.Stretch{From: at.found, Count: 1})
		}
		next = at.found + 1
	}
	return history
}

// A place says where a message stands in an older list: at found, or if found is -1, only
// before end.
type place struct{ found, end int }

// sameMemory finds the messages that are the same piece of memory in both lists, in the
// same order.
func sameMemory(old, now []llm.Message) []place {
	at := make(map[*llm.Part]int, len(old))
	for i, m := range old {
		if len(m.Parts) > 0 {
			at[&m.Parts[0]] = i
		}
	}
	places := make([]place, len(now))
	end := len(old)
	for i := len(now) - 1; i >= 0; i-- {
		places[i] = place{-1, end}
		m := now[i]
		if len(m.Parts) == 0 {
			continue
		}
		k, ok := at[&m.Parts[0]]
		if ok && k < end && m.Role == old[k].Role && len(m.Parts) == len(old[k].Parts) && reflect.DeepEqual(m.Extra, old[k].Extra) {
			places[i].found, end = k, k
		}
	}
	return places
}
