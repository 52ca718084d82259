package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// compactFrom returns the number of tokens above which the history is compacted before a
// turn; 0 means never.
func (r *Runner) compactFrom() int64 {
	if r.Compact == nil {
		return 0
	}
	return r.Compact.Tokens
}

// afterFailure compacts the history if a request did not fit into the model's context. The
// run then goes on with the same turn. Any other error is returned.
func (e *engine) afterFailure(ctx context.Context, err error) error {
	refused, ok := errors.AsType[*llm.APIError](err)
	if e.runner.Compact == nil || !ok || refused.Kind != llm.KindContextOverflow || ctx.Err() != nil {
		return err
	}
	s := e.recorder.snapshot()
	if !s.CanCompact() { // the error of a tool, or the second of the turn
		return err
	}
	if cerr := e.compact(ctx, s.Turn, refused.Tokens); cerr != nil {
		return fmt.Errorf("%w; %w", err, cerr)
	}
	return nil
}

// compact shortens the history. refused are the tokens of a request that the provider
// refused; 0 if nobody knows, and before a turn.
func (e *engine) compact(ctx context.Context, turn int, refused int64) error {
	s, p := e.recorder.snapshot(), e.runner.Compact
	b := event.Compacted{Turn: turn, Before: len(s.Messages)}
	var spent aside
	h := &compact.History{
		Messages: s.Messages, Fixed: s.Fixed(), Written: s.Written(), Tokens: max(s.Estimate(e.limits.Overhead), refused),
		Ask: func(ctx context.Context, m llm.Model, req *llm.Request) (*llm.Response, error) {
			return e.askAside(ctx, m, req, &spent)
		},
	}
	if h.Goal = cmp.Or(p.Goal, p.Tokens/2); h.Goal == 0 || h.Goal >= h.Tokens {
		h.Goal = h.Tokens / 2
	}
	ctx, stop := e.untilDrained(ctx)
	defer stop()
	strategy := p.Strategy
	if strategy == nil {
		strategy = compact.Default()
	}
	messages, err := safely(ctx, e.logger, "Compact", func(ctx context.Context) ([]llm.Message, error) { return strategy(ctx, h) })
	b.Usage, b.Cost = spent.sum()
	if err == nil {
		b.History = loop.Align(s.Messages, messages)
		err = loop.CheckCompacted(s, b)
	}
	if errors.Is(err, loop.ErrNotSmaller) && refused == 0 {
		// Nothing can be removed. The request may fit all the same: Tokens is below the
		// context of the model. The event keeps the run from trying again in this turn.
		messages, b.History = s.Messages, loop.Align(s.Messages, s.Messages)
		err = loop.CheckCompacted(s, b)
	}
	if err != nil {
		err = fmt.Errorf("turn %d: compaction: %w", turn, err)
		if b.Usage == (llm.Usage{}) && b.Cost == 0 {
			return err
		}
		// A model was asked in vain. The event has its usage and keeps the history.
		b.History = loop.Align(s.Messages, s.Messages)
		return cmp.Or(e.recorder.record(true, b), err)
	}
	e.logger.Info("history compacted", "turn", turn, "before", b.Before, "after", len(messages))
	return e.recorder.record(true, b)
}

// askAside asks a model for a strategy or a check. The request is none of the run's turns,
// but its usage and cost are the run's.
func (e *engine) askAside(ctx context.Context, m llm.Model, req *llm.Request, spent *aside) (*llm.Response, error) {
	if m == nil {
		m = e.model
	}
	var part reservation
	if e.runner.Budget != nil {
		var over loop.StopAtLimit
		if part, over = e.runner.Budget.reserve(max(1, loop.EstimateMessages(req.Messages))); over.Limit != "" {
			return nil, &LimitError{Limit: over.Limit, Max: over.Max, Cost: over.Cost}
		}
	}
	resp, err := m.Generate(ctx, req, func(llm.Delta) {})
	if err == nil && resp == nil {
		err = errors.New("the model returned neither an answer nor an error")
	}
	if err != nil {
		if e.runner.Budget != nil {
			e.runner.Budget.settle(part, nil, 0)
		}
		return nil, e.outlasts(err)
	}
	cost, err := e.costOf(ctx, resp)
	if e.runner.Budget != nil {
		e.runner.Budget.settle(part, &resp.Usage, cost)
	}
	spent.add(resp.Usage, cost)
	return resp, err
}
