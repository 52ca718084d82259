package main

import (
	"context"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// toolloop is this library with everything on: validation, repairs, limits, events.
var toolloop = peer{"toolloop", func(t task) (run, error) {
	config := openai.Config{BaseURL: t.baseURL, Key: "sk-test"} // with its own client, as users have it
	if t.responses {
		config.API = openai.APIResponses
	}
	model := config.Model(modelName)
	if t.memory {
		model = llm.ModelFunc(t.scripted)
	}
	weather, err := tool.New(toolName, toolAbout, func(_ context.Context, in weatherArgs) (string, error) {
		return t.call(in.City, in.Unit)
	})
	if err != nil {
		return nil, err
	}
	a := &agent.Agent{Instructions: system, Model: model, Tools: []tool.Tool{weather}}
	r := runner.Runner{MaxTurns: t.maxTurns()}
	if t.stream {
		return func(ctx context.Context) (string, error) { return streamed(ctx, r, a) }, nil
	}
	return func(ctx context.Context) (string, error) {
		result, err := r.Run(ctx, a, llm.User(question))
		return result.Text, err
	}, nil
}}

// streamed returns the text of the last answer, as a program that shows every piece.
func streamed(ctx context.Context, r runner.Runner, a *agent.Agent) (string, error) {
	var text []byte
	for e, err := range r.Stream(ctx, a, llm.User(question)) {
		if err != nil {
			return "", err
		}
		switch body := e.Body.(type) {
		case event.TurnPrepared:
			text = text[:0]
		case event.TextDelta:
			text = append(text, body.Text...)
		}
	}
	return string(text), nil
}

// scripted is the model in memory.
func (t task) scripted(_ context.Context, req *llm.Request, _ func(llm.Delta)) (*llm.Response, error) {
	turn := (len(req.Messages) - 1) / (t.calls + 1)
	if turn == t.turns {
		return &llm.Response{Message: llm.Assistant(t.finalText()), Finish: llm.FinishOf("stop", "")}, nil
	}
	calls := make(llm.Parts, t.calls)
	for i := range calls {
		calls[i] = llm.ToolCall{ID: callID(turn, i), Name: toolName, Arguments: callArgs(turn, i)}
	}
	return &llm.Response{Message: llm.Message{Role: llm.RoleAssistant, Parts: calls}, Finish: llm.FinishOf("tool_calls", "")}, nil
}
