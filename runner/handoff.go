package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

const defaultHandoffs = 10

// present returns the agent that has the conversation: the first agent, or an agent in
// reach of the first agent. The agent of a hand-off that is still to be made must be in reach, too, before
// anything is recorded.
func (e *engine) present(first *agent.Agent) (*agent.Agent, error) {
	s := e.recorder.snapshot()
	if to := s.HandsTo(); to != "" {
		if _, err := reach(first, to); err != nil {
			return nil, err
		}
	}
	if !s.Handed {
		return first, nil
	}
	return reach(first, s.Agent)
}

func reach(first *agent.Agent, name string) (*agent.Agent, error) {
	all := first.Reachable()
	if i := slices.IndexFunc(all, func(a *agent.Agent) bool { return a.DisplayName() == name }); i >= 0 {
		return all[i], nil
	}
	return nil, fmt.Errorf("the conversation was handed over to the agent %q, which no hand-off of the agent %q reaches", name, first.DisplayName())
}

// addHandoffs adds the tools of the agent's hand-offs to its tools.
func (e *engine) addHandoffs() error {
	e.agent.Handoffs = slices.Clone(e.agent.Handoffs)
	e.handoffs = make(map[string]*agent.Handoff, len(e.agent.Handoffs))
	for i := range e.agent.Handoffs {
		h := &e.agent.Handoffs[i]
		t, err := h.Tool()
		if err != nil {
			return fmt.Errorf("runner: agent %q: %w", e.agent.DisplayName(), err)
		}
		e.agent.Tools = append(e.agent.Tools, t)
		e.handoffs[t.Name()] = h
	}
	return nil
}

func (e *engine) mostHandoffs() int { return orDefault(e.runner.Limits.Handoffs, defaultHandoffs) }

// handoffResult returns the result of a call that hands the conversation over. before is
// the name of the agent to which an earlier call of the same answer hands over.
func (e *engine) handoffResult(c loop.Call, before string) event.Body {
	if before != "" {
		return finished(c, llm.Parts{llm.Text{Text: fmt.Sprintf("Another call of the same reply hands the conversation over to the agent %q. This call changed nothing.", before)}})
	}
	to := e.handoffs[c.Call.Name].Agent.DisplayName()
	b := finished(c, llm.Parts{llm.Text{Text: fmt.Sprintf("The conversation is handed over to the agent %q, which goes on from here.", to)}})
	b.Handoff = to
	return b
}

// handedTo returns the name of the agent to which a finished call of the answer hands over.
func (e *engine) handedTo() string {
	if e.handoffs == nil {
		return ""
	}
	s := e.recorder.snapshot()
	return s.HandsTo()
}

// handOff gives the conversation to the agent that the result of a call names. In a process
// with other agents, the call's tool may lead elsewhere now, or be gone.
func (e *engine) handOff(ctx context.Context, a loop.HandOff) error {
	to, err := reach(e.first, a.To)
	if err != nil {
		return fmt.Errorf("runner: %w", err)
	}
	filter := e.filterFor(to)
	if h := e.handoffs[a.Call.Call.Name]; h != nil && h.Agent == to {
		filter = h.Filter
	}
	return e.handOver(ctx, to, filter, event.HandedOff{Turn: a.Turn, Call: a.Call.Ref})
}

// filterFor returns the Filter of the last hand-off to an agent, or nil.
func (e *engine) filterFor(to *agent.Agent) (filter func([]llm.Message) []llm.Message) {
	for _, h := range e.agent.Handoffs {
		if h.Agent == to {
			filter = h.Filter
		}
	}
	return filter
}

// handOffTo gives the conversation to an agent that a function of the program has named.
func (e *engine) handOffTo(ctx context.Context, turn int, name string) error {
	s := e.recorder.snapshot()
	if stop, over := s.TooManyHandoffs(e.mostHandoffs()); over {
		e.limits.Outside = &stop // the run stops, or finishes with the answer that it has
		return nil
	}
	to, err := reach(e.first, name)
	if err != nil {
		return err
	}
	return e.handOver(ctx, to, e.filterFor(to), event.HandedOff{Turn: turn})
}

// mustAnswer reports whether the agent makes the last turn itself. Otherwise a function that
// hands over in each turn would never end.
func (e *engine) mustAnswer(s *loop.State) bool {
	_, over := s.TooManyHandoffs(e.mostHandoffs())
	return over && s.LastTurn
}

// handOver records a hand-off, and goes on as the other agent.
func (e *engine) handOver(ctx context.Context, to *agent.Agent, filter func([]llm.Message) []llm.Message, b event.HandedOff) error {
	s := e.recorder.snapshot()
	b.From, b.To = e.agent.DisplayName(), to.DisplayName()
	if filter != nil {
		history := slices.Clone(s.Messages) // functions like slices.DeleteFunc work in place
		seen, err := safely(ctx, e.logger, "Filter", func(context.Context) ([]llm.Message, error) { return filter(history), nil })
		switch all := len(s.Messages); {
		case err != nil:
		case len(seen) == 0:
			err = errors.New("it returned no message")
		default:
			b.Before, b.History = all, loop.Align(s.Messages, seen)
			if len(b.History) == 1 && b.History[0].Count == all {
				b.Before, b.History = 0, nil
			}
			err = loop.CheckHandedOff(s, b)
		}
		if err != nil {
			return e.handOffFailed(ctx, b, err)
		}
	}
	if err := e.recorder.record(true, b); err != nil {
		return err
	}
	e.logger.Info("handed over", "to", b.To, "turn", b.Turn)
	if err := e.become(to); err != nil {
		return err
	}
	e.setLogger(e.newLogger(s.Run, s.ID))
	e.limitAgent()
	return nil
}

// handOffFailed ends the hand-off whose Filter failed: the agent keeps the conversation, and
// later runs do not fail again. The model reads the text, because the history has the hand-off.
func (e *engine) handOffFailed(ctx context.Context, b event.HandedOff, cause error) error {
	err := fmt.Errorf("turn %d: hand-off to %q: Filter: %w", b.Turn, b.To, cause)
	if b.Call == "" || ctx.Err() != nil { // the program hands over again; or the Filter was cut short
		return err
	}
	b.Before, b.History = 0, nil
	b.Failure = fmt.Sprintf("The conversation was not handed over to the agent %q, because of an error of the program. You still have it.", b.To)
	if rerr := e.recorder.record(true, b); rerr != nil {
		return fmt.Errorf("%w; %w", err, rerr)
	}
	return err
}
