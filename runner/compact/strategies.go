package compact

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// ClearResults replaces results of tools by a short note, the oldest results first. The
// calls stay. The results of the last keep turns stay; less than 1 means 1, because the
// model has not read the last results yet.
func ClearResults(keep int) Strategy {
	return func(_ context.Context, h *History) ([]llm.Message, error) {
		messages, excess := slices.Clone(h.Messages), h.excess(h.Goal)
		for _, b := range old(h.blocks(), max(keep, 1)) {
			if b.kind != turn {
				continue
			}
			for i := b.from + 1; i < b.to && excess > 0; i++ {
				if short, ok := cleared(messages[i]); ok {
					excess -= loop.EstimateMessage(messages[i]) - loop.EstimateMessage(short)
					messages[i] = short
				}
			}
		}
		return messages, nil
	}
}

// cleared returns a result without its content, if that makes the result smaller.
func cleared(m llm.Message) (llm.Message, bool) {
	r, ok := m.Parts[0].(llm.ToolResult)
	if !ok {
		return m, false
	}
	r.Parts = llm.Parts{llm.Text{Text: fmt.Sprintf("[This result of %d bytes was removed from the conversation.]", len(r.Text()))}}
	short := m
	short.Parts = llm.Parts{r}
	return short, loop.EstimateMessage(short) < loop.EstimateMessage(m)
}

// DropTurns removes turns, the oldest first: an answer of the model with the results of its
// calls. The last keep turns stay; less than 1 means 1. If that does not suffice, earlier
// summaries go, too, and then the messages of the user between the first and the last.
func DropTurns(keep int) Strategy {
	return func(_ context.Context, h *History) ([]llm.Message, error) {
		return h.without(h.leaving(h.Goal, keep, turn, note, user)), nil
	}
}

// leaving reports for each message whether the message goes to reach a goal. The kinds of messages
// go one after the other, the oldest messages first.
func (h *History) leaving(goal int64, keep int, kinds ...kind) []bool {
	blocks, excess := old(h.blocks(), max(keep, 1)), h.excess(goal)
	out := make([]bool, len(h.Messages))
	for _, kind := range kinds {
		for _, b := range blocks {
			if b.kind != kind || excess <= 0 {
				continue
			}
			for i := b.from; i < b.to; i++ {
				out[i] = true
				excess -= loop.EstimateMessage(h.Messages[i])
			}
		}
	}
	return out
}

func (h *History) without(out []bool) (stay []llm.Message) {
	for i, m := range h.Messages {
		if !out[i] {
			stay = append(stay, m)
		}
	}
	return stay
}

// excess returns the tokens, by the estimate of messages, that must go to reach a goal.
func (h *History) excess(goal int64) int64 {
	more, all := h.Tokens-goal, loop.EstimateMessages(h.Messages)
	if more > 0 && h.Tokens < all { // the provider counts fewer tokens
		return int64(float64(more) * float64(all) / float64(h.Tokens))
	}
	return more
}

// A kind says when a block may go.
type kind int

const (
	fixed kind = iota // never
	user              // a message of the user
	turn              // an answer with its results
	note              // a message of the runner, such as an earlier summary
)

// A block is a piece of a history that stays or goes together.
type block struct {
	from, to int
	kind     kind
}

// blocks divides the history. The first message of the user is fixed.
func (h *History) blocks() (blocks []block) {
	first := true
	for i := 0; i < len(h.Messages); {
		b := block{from: i, to: i + 1, kind: turn}
		for b.to < len(h.Messages) && h.Messages[b.to].Role == llm.RoleTool {
			b.to++
		}
		switch {
		case h.Messages[i].Role != llm.RoleUser:
		case slices.Contains(h.Written, i):
			b.kind = note
		case first:
			b.kind, first = fixed, false
		default:
			b.kind = user
		}
		for k := b.from; k < b.to; k++ {
			if slices.Contains(h.Fixed, k) {
				b.kind = fixed
			}
		}
		blocks = append(blocks, b)
		i = b.to
	}
	return blocks
}

// old returns the blocks without the last turns.
func old(blocks []block, turns int) []block {
	end := len(blocks)
	for end > 0 && turns > 0 {
		if end--; blocks[end].kind == turn {
			turns--
		}
	}
	return blocks[:end]
}
