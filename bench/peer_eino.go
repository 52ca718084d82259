package main

import (
	"context"
	"errors"
	"io"
	"strings"

	einoopenai "github.com/cloudwego/eino-ext/components/model/openai"
	"github.com/cloudwego/eino/components/model"
	"github.com/cloudwego/eino/components/tool"
	"github.com/cloudwego/eino/components/tool/utils"
	"github.com/cloudwego/eino/compose"
	"github.com/cloudwego/eino/flow/agent/react"
	"github.com/cloudwego/eino/schema"
)

// eino is the ReAct agent of eino with its model for OpenAI. It validates nothing.
var eino = peer{"eino", func(t task) (run, error) {
	if t.responses {
		return nil, errNoForm
	}
	ctx := context.Background()
	var chat model.ToolCallingChatModel = einoModel{t}
	if !t.memory {
		var err error
		chat, err = einoopenai.NewChatModel(ctx, &einoopenai.ChatModelConfig{APIKey: "sk-test", BaseURL: t.baseURL, Model: modelName, HTTPClient: t.client})
		if err != nil {
			return nil, err
		}
	}
	weather, err := utils.InferTool(toolName, toolAbout, func(_ context.Context, in weatherArgs) (string, error) { return t.call(in.City, in.Unit) })
	if err != nil {
		return nil, err
	}
	a, err := react.NewAgent(ctx, &react.AgentConfig{
		ToolCallingModel: chat,
		ToolsConfig:      compose.ToolsNodeConfig{Tools: []tool.BaseTool{weather}},
		MaxStep:          3 * t.maxTurns(),
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (string, error) {
		messages := []*schema.Message{schema.SystemMessage(system), schema.UserMessage(question)}
		if t.stream {
			return einoStream(ctx, a, messages)
		}
		answer, err := a.Generate(ctx, messages)
		if err != nil {
			return "", err
		}
		return answer.Content, nil
	}, nil
}}

func einoStream(ctx context.Context, a *react.Agent, messages []*schema.Message) (string, error) {
	stream, err := a.Stream(ctx, messages)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	var text strings.Builder
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return text.String(), nil
		}
		if err != nil {
			return "", err
		}
		text.WriteString(piece.Content)
	}
}

// einoModel is the model in memory.
type einoModel struct {
	task // embedded: the model answers from the numbers of the task
}

func (m einoModel) Generate(_ context.Context, messages []*schema.Message, _ ...model.Option) (*schema.Message, error) {
	turn := (len(messages) - 2) / (m.calls + 1)
	if turn == m.turns {
		return schema.AssistantMessage(m.finalText(), nil), nil
	}
	calls := make([]schema.ToolCall, m.calls)
	for i := range calls {
		calls[i] = schema.ToolCall{ID: callID(turn, i), Type: "function", Function: schema.FunctionCall{Name: toolName, Arguments: callArgs(turn, i)}}
	}
	return schema.AssistantMessage("", calls), nil
}

func (einoModel) Stream(context.Context, []*schema.Message, ...model.Option) (*schema.StreamReader[*schema.Message], error) {
	return nil, errNoForm
}

func (m einoModel) WithTools([]*schema.ToolInfo) (model.ToolCallingChatModel, error) { return m, nil }
