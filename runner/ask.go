package runner

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// ask sends the turn's request and records the answer. A final answer and the
// end of the run are one append: no crash can come between.
func (e *engine) ask(ctx context.Context, turn int) error {
	resp, err := e.generate(ctx, turn)
	if err != nil {
		return err
	}
	resp.Message.Role = llm.RoleAssistant
	answered := event.ModelAnswered{
		Turn: turn, Message: resp.Message, Finish: resp.Finish, Usage: resp.Usage, RawUsage: resp.RawUsage,
		LogProbs: resp.LogProbs, Model: resp.Model, ID: resp.ID, RequestID: resp.RequestID, Extra: resp.Extra,
	}
	e.logger.Debug("model answered", "turn", turn, "model", resp.Model, "request_id", resp.RequestID,
		"finish", resp.Finish.Raw, "calls", len(resp.Message.Calls()),
		"input_tokens", resp.Usage.InputTokens, "output_tokens", resp.Usage.OutputTokens)
	if loop.Decide(answered.Message, answered.Finish, e.state.Choice) != loop.Final {
		return e.commit(false, answered)
	}
	usage := e.state.Usage.Add(answered.Usage)
	err = e.commit(true, answered, event.RunFinished{Run: e.state.Run, Turns: turn, Usage: usage})
	if err == nil {
		e.logger.Info("run finished", "turns", turn, "input_tokens", usage.InputTokens, "output_tokens", usage.OutputTokens)
	}
	return err
}

func (e *engine) generate(ctx context.Context, turn int) (*llm.Response, error) {
	e.logger.Debug("model asked", "turn", turn, "messages", len(e.state.Messages))
	// The consumer may leave at a delta: the context is then the only way to
	// tell the model.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req := e.request()
	resp, err := outside(ctx, e, "model", func(ctx context.Context, h here) (*llm.Response, error) {
		return e.model.Generate(ctx, req, func(d llm.Delta) {
			h(func() { // the consumer's code runs on the consumer's goroutine
				if !e.show(e.ephemeralEvent(e.ephemeral(turn, d))) {
					cancel(errLeft)
				}
			})
		})
	})
	switch {
	case ctx.Err() != nil: // an answer that came all the same was not asked for any more
		return nil, causeOf(ctx)
	case err != nil:
		return nil, fmt.Errorf("turn %d: %w", turn, err)
	case resp == nil:
		return nil, fmt.Errorf("turn %d: the model returned neither an answer nor an error", turn)
	}
	return resp, nil
}

func (e *engine) request() *llm.Request {
	req := &llm.Request{
		Instructions: e.state.Instructions,
		Messages:     e.history(),
		Tools:        e.defs,
		Output:       e.agent.Output,
		Stream:       e.stream,
		Settings:     e.agent.Settings,
		Memo:         e.memo,
	}
	req.ToolChoice = e.choice()
	return req
}

// choice is the tool choice of the next request. A choice that forces a call ends with
// the first allowed call: otherwise the model could never answer.
func (e *engine) choice() llm.ToolChoice {
	c := e.agent.Settings.ToolChoice
	if loop.Forced(c) && e.state.Chosen {
		return ""
	}
	return c
}

// heldTo is the tool choice that the runner enforces for the next answer. It does not
// enforce "required" if the request offers no tool of ours, or hosted tools: an answer
// does not show every call that a provider ran.
func (e *engine) heldTo() llm.ToolChoice {
	c := e.choice()
	if c == llm.ToolAuto || c == llm.ToolRequired && (len(e.defs) == 0 || len(e.agent.Settings.HostedTools) > 0) {
		return ""
	}
	return c
}

// ephemeral makes an event of what is seen while the model answers.
func (e *engine) ephemeral(turn int, d llm.Delta) event.Body {
	switch d := d.(type) {
	case llm.TextDelta:
		return event.TextDelta(d)
	case llm.ReasoningDelta:
		return event.ReasoningDelta(d)
	case llm.CallDelta:
		return event.CallDelta{Call: event.NewCallRef(e.state.Run, turn, d.Index), Name: d.Name, Arguments: d.Arguments}
	case llm.Restarted:
		b := event.Restarted{Turn: turn}
		if d.Err != nil {
			b.Error = e.redact(d.Err)
		}
		e.logger.Warn("request repeated", "turn", turn, "error", b.Error)
		return b
	case llm.Notice:
		b := event.Notice{Text: e.redactText(d.Text)}
		e.logger.Warn("notice", "turn", turn, "text", b.Text)
		return b
	}
	return event.Notice{Text: fmt.Sprintf("unknown delta %T", d)}
}
