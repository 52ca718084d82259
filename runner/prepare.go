package runner

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// prepare fixes the instructions and the tools of a turn. If another process prepared the
// turn and got no answer, prepare records a second event only after a change.
func (e *engine) prepare(ctx context.Context, turn int) error {
	if err := e.listTools(ctx); err != nil {
		return fmt.Errorf("turn %d: %w", turn, err)
	}
	return e.prepareListed(ctx, turn) // its copy of the state is not on the stack while tools are listed
}

func (e *engine) prepareListed(ctx context.Context, turn int) error {
	s := e.recorder.snapshot()
	if !s.Prepared() {
		s.Land()
	}
	b := event.TurnPrepared{Turn: turn, Agent: e.agent.DisplayName(), Output: e.agent.Output.Fingerprint()}
	if e.runner.BeforeTurn != nil {
		to, err := e.change(ctx, &s, &b)
		if err == nil && to != "" {
			err = e.handOffTo(ctx, turn, to)
		}
		if err != nil {
			return fmt.Errorf("turn %d: BeforeTurn: %w", turn, err)
		}
		if to != "" {
			return nil // the turn is prepared for the other agent
		}
	} else if s.Prepared() {
		c := s.Change()
		b.Offer, b.Chosen, b.Changed = c.Offer, c.Chosen, c.Changed
	}
	again, changed := s.Prepared(), s.Change().Changed
	s.SetChange(b)
	s.Messages = append(s.Messages, b.Messages...)
	b.ToolChoice = e.enforcedChoice(&s)
	text, err := e.instructions(ctx, &s, turn)
	if err != nil {
		return fmt.Errorf("turn %d: instructions: %w", turn, err)
	}
	if text != s.Instructions {
		other := text // the text itself stays off the heap
		b.Instructions = &other
	}
	if !slices.Equal(e.offer.marks, s.Tools) {
		b.Tools = e.offer.marks
	}
	notices := e.notices(&s)
	same := again && b.Agent == s.Agent && b.Instructions == nil && b.Tools == nil && b.ToolChoice == s.Choice &&
		b.Output == s.Output && b.Changed == changed
	if !same {
		if err := e.recorder.record(false, b); err != nil {
			return err
		}
	}
	e.recorder.notify(notices) // behind the event of their turn
	return nil
}

func (e *engine) instructions(ctx context.Context, s *loop.State, turn int) (string, error) {
	if e.agent.Instruct == nil {
		return e.agent.Instructions, nil
	}
	info := e.info(s, turn)
	return callApart(ctx, e.logger, "Instruct", func(ctx context.Context) (string, error) { return e.agent.Instruct(ctx, info) })
}

// info describes the run for functions of the program.
func (e *engine) info(s *loop.State, turn int) agent.Info {
	info := agent.Info{Session: e.session, Agent: e.agent.DisplayName(), Run: s.Run, Turn: turn, Messages: slices.Clip(s.Messages), Usage: s.Usage}
	if e.offer != nil { // nil before the first listing, when only checks ask
		info.Tools = e.offer.names()
	}
	return info
}

// notices returns the notices about the tools of the next turn. The error of an optional
// toolset is a notice once while the error stays the same.
func (e *engine) notices(s *loop.State) (notices []string) {
	missing := e.offer.missing(e.redactor)
	for i, text := range missing {
		if text != "" && (i >= len(e.reported) || text != e.reported[i]) {
			notices = append(notices, text)
		}
	}
	e.reported = missing
	notices = append(notices, e.offer.changes(s, e.redactor)...)
	for _, text := range notices {
		e.logger.Warn("notice", "turn", s.Turn+1, "text", text)
	}
	return notices
}
