package queue

import (
	"context"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A generate is a function as an [llm.Model].
type generate func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error)

func (g generate) Generate(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
	return g(ctx, req, sink)
}

// stoppable returns a model that refuses requests after the end of stop. So a run
// stops between two turns: no call is interrupted, and all calls of the last answer
// run.
func stoppable(stop context.Context, model llm.Model) llm.Model {
	return generate(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(stop, func() { cancel(context.Cause(stop)) })()
		if stop.Err() != nil {
			return nil, context.Cause(stop)
		}
		return model.Generate(ctx, req, sink)
	})
}

// agentUntil returns the agent with a stoppable model. Handoff targets keep their
// models.
func (w Workers) agentUntil(stop context.Context) *agent.Agent {
	a := *w.Agent
	if w.Runner.Model != nil {
		a.Model = w.Runner.Model
	}
	if a.Model != nil { // the runner reports a missing model
		a.Model = stoppable(stop, a.Model)
	}
	return &a
}
