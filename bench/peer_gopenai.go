package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	gopenai "github.com/sashabaranov/go-openai"
	"golang.org/x/sync/errgroup"
)

// goOpenAI is a hand-written loop on go-openai. It validates nothing.
var goOpenAI = peer{"go-openai", func(t task) (run, error) {
	if t.memory || t.responses {
		return nil, errNoForm
	}
	config := gopenai.DefaultConfig("sk-test")
	config.BaseURL, config.HTTPClient = t.baseURL, t.client
	g := &goOpenAILoop{task: t, client: gopenai.NewClientWithConfig(config)}
	return g.run, nil
}}

type goOpenAILoop struct {
	task   // embedded: the agent has only this task
	client *gopenai.Client
}

func (g *goOpenAILoop) run(ctx context.Context) (string, error) {
	request := gopenai.ChatCompletionRequest{
		Model:    modelName,
		Messages: []gopenai.ChatCompletionMessage{{Role: "system", Content: system}, {Role: "user", Content: question}},
		Tools: []gopenai.Tool{{Type: gopenai.ToolTypeFunction, Function: &gopenai.FunctionDefinition{
			Name: toolName, Description: toolAbout, Parameters: json.RawMessage(toolSchema),
		}}},
	}
	for range g.maxTurns() {
		answer, err := g.next(ctx, request)
		if err != nil || len(answer.ToolCalls) == 0 {
			return answer.Content, err
		}
		request.Messages = append(request.Messages, answer)
		results := make([]gopenai.ChatCompletionMessage, len(answer.ToolCalls))
		var group errgroup.Group
		for i, call := range answer.ToolCalls {
			group.Go(func() error {
				text, err := g.callWith(call.Function.Arguments)
				results[i] = gopenai.ChatCompletionMessage{Role: "tool", Content: text, ToolCallID: call.ID}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return "", err
		}
		request.Messages = append(request.Messages, results...)
	}
	return "", errTurns
}

func (g *goOpenAILoop) next(ctx context.Context, request gopenai.ChatCompletionRequest) (m gopenai.ChatCompletionMessage, err error) {
	if g.stream {
		return g.nextStreamed(ctx, request)
	}
	response, err := g.client.CreateChatCompletion(ctx, request)
	if err != nil {
		return m, err
	}
	return response.Choices[0].Message, nil
}

func (g *goOpenAILoop) nextStreamed(ctx context.Context, request gopenai.ChatCompletionRequest) (m gopenai.ChatCompletionMessage, err error) {
	stream, err := g.client.CreateChatCompletionStream(ctx, request)
	if err != nil {
		return m, err
	}
	defer stream.Close()
	m.Role = gopenai.ChatMessageRoleAssistant
	var text strings.Builder
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			m.Content = text.String()
			return m, nil
		}
		if err != nil {
			return m, err
		}
		for _, choice := range chunk.Choices {
			text.WriteString(choice.Delta.Content)
			for _, call := range choice.Delta.ToolCalls {
				if *call.Index == len(m.ToolCalls) {
					m.ToolCalls = append(m.ToolCalls, call)
					continue
				}
				m.ToolCalls[*call.Index].Function.Arguments += call.Function.Arguments
			}
		}
	}
}

// callWith calls the tool with arguments as JSON.
func (t task) callWith(arguments string) (string, error) {
	var args weatherArgs
	if err := json.Unmarshal([]byte(arguments), &args); err != nil {
		return "", err
	}
	return t.call(args.City, args.Unit)
}
