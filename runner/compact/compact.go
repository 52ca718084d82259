// Package compact makes long conversations fit into the context of a model. A
// [runner.Runner] with a Policy shortens the history between two turns:
//
//	r := runner.Runner{Compact: &compact.Policy{Tokens: 100_000}}
//
// A [Strategy] says how: [ClearResults] removes old results of tools, [DropTurns] removes
// old turns, [Summarize] replaces old turns by a summary of a model, and [Each] applies
// several strategies, one after the other. Any other function of the program can be a
// Strategy, too.
//
// # What stays
//
// The runner holds every Strategy to these rules. Otherwise the run fails, and its history
// stays as it was:
//
//   - The last message of the user, system messages of the history, and each answer with a
//     call that a person approved or denied, with its results, stay unchanged. The
//     instructions are not a part of the history.
//   - Each call keeps its result, directly behind the call.
//   - The history becomes smaller.
//
// The strategies of this package also keep the first message of the user, because it has
// the task. They keep the user's other messages as long as removing the model's turns
// suffices: a message of the user is short, no tool can find the message again, and the
// message may have a condition for all later turns.
//
// No call is open when a history is compacted.
//
// # What is recorded
//
// A compaction is an [event.Compacted]: the positions of the kept messages, and the new
// messages. So a session that continues in another process has the short history, and
// no model is asked for a summary again. The journal keeps all events of before.
//
// [runner.Runner]: https://pkg.go.dev/github.com/seed-916e8f6a/toolloop/runner#Runner
// [event.Compacted]: https://pkg.go.dev/github.com/seed-916e8f6a/toolloop/runner/event#Compacted
package compact

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// A Policy says when and how a history is compacted. The zero Policy compacts after a
// refusal of a request that exceeded the model's context ([llm.KindContextOverflow]), once
// in a turn. A run does not change the Policy, and a Policy may serve any number of runs at
// the same time.
type Policy struct {
	// Tokens is the number of tokens above which the history is compacted before the next
	// request. The runner estimates the tokens of that request: the reported tokens of the
	// last request and its answer, and a quarter of the bytes since.
	// Choose a number well below the context of the model, because an answer needs room,
	// too. Zero means that only a refused request is a reason.
	Tokens int64
	// Goal is the number of tokens to which a Strategy should shorten a request. A Goal far
	// below Tokens makes compactions rare; each compaction costs the provider's cache of
	// the prompt. Zero means half of Tokens, or half of the refused request.
	Goal int64
	// Strategy shortens the history. Nil means
	// Each(ClearResults(3), DropTurns(3), ClearResults(1), DropTurns(1)).
	Strategy Strategy
}

// Validate returns an error for impossible numbers.
func (p *Policy) Validate() error {
	if p.Tokens < 0 || p.Goal < 0 || p.Tokens > 0 && p.Goal >= p.Tokens {
		return fmt.Errorf("compact: the Policy has %d Tokens and a Goal of %d; Tokens must be zero or positive, and Goal smaller", p.Tokens, p.Goal)
	}
	return nil
}

// A Strategy returns the messages of a shorter history: kept messages in their order, and
// new messages. A Strategy does not change h and its messages, returns h.Messages if
// nothing can be removed, and may be called for several runs at once. An error, and a
// panic, end the run. The context ends with the run.
//
// New messages have the role of a user, such as a summary, of the assistant, or of a tool,
// such as a shortened result in the place of the result.
type Strategy func(ctx context.Context, h *History) ([]llm.Message, error)

// History is the history for a Strategy.
type History struct {
	Messages []llm.Message // only for reading
	// Fixed are the positions of the messages that must stay unchanged, in order.
	Fixed []int
	// Written are the positions of the messages with the role of a user that no user wrote:
	// the runner's own, and new messages of earlier compactions.
	Written []int
	// Tokens is the estimate of the next request with these Messages.
	Tokens int64
	// Goal is the number of tokens that the request should have.
	Goal int64
	// Ask asks a model. Its usage and cost count for the run, and for the Budget of the
	// runner. A nil model is the model of the run. Ask one model at a time.
	Ask func(ctx context.Context, model llm.Model, req *llm.Request) (*llm.Response, error)
}

// With returns the history that h becomes with other messages.
func (h *History) With(messages []llm.Message) *History {
	n := *h
	stretches := loop.Align(h.Messages, messages)
	n.Messages, n.Tokens = messages, loop.EstimateAfter(h.Tokens, h.Messages, messages)
	n.Fixed, n.Written = loop.Positions(stretches, h.Fixed), loop.Written(stretches, h.Written)
	return &n
}

// Each applies strategies in order, until the history has reached the goal.
func Each(strategies ...Strategy) Strategy {
	return func(ctx context.Context, h *History) ([]llm.Message, error) {
		for _, s := range strategies {
			if h.Tokens <= h.Goal {
				break
			}
			messages, err := s(ctx, h)
			if err != nil {
				return nil, err
			}
			h = h.With(messages)
		}
		return h.Messages, nil
	}
}

// Default returns the Strategy of a Policy without a Strategy.
func Default() Strategy {
	return Each(ClearResults(3), DropTurns(3), ClearResults(1), DropTurns(1))
}
