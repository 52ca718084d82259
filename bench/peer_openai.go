package main

import (
	"context"
	"encoding/json"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
	"golang.org/x/sync/errgroup"
)

// openaiGo is a hand-written loop on OpenAI's own library. It validates nothing.
var openaiGo = peer{"openai-go", func(t task) (run, error) {
	if t.memory {
		return nil, errNoForm
	}
	o := &openaiGoLoop{task: t, client: openai.NewClient(option.WithBaseURL(t.baseURL), option.WithAPIKey("sk-test"), option.WithHTTPClient(t.client))}
	if err := json.Unmarshal([]byte(toolSchema), &o.schema); err != nil {
		return nil, err
	}
	if t.responses {
		return o.runResponses, nil
	}
	return o.runChat, nil
}}

type openaiGoLoop struct {
	task   // embedded: the agent has only this task
	client openai.Client
	schema map[string]any
}

func (o *openaiGoLoop) runChat(ctx context.Context) (string, error) {
	params := openai.ChatCompletionNewParams{
		Model:    modelName,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage(system), openai.UserMessage(question)},
		Tools: []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: toolName, Description: openai.String(toolAbout), Parameters: o.schema,
		})},
	}
	for range o.maxTurns() {
		answer, err := o.next(ctx, params)
		if err != nil {
			return "", err
		}
		if len(answer.ToolCalls) == 0 {
			return answer.Content, nil
		}
		arguments := make([]string, len(answer.ToolCalls))
		for i, call := range answer.ToolCalls {
			arguments[i] = call.Function.Arguments
		}
		results, err := o.callEach(arguments)
		if err != nil {
			return "", err
		}
		params.Messages = append(params.Messages, answer.ToParam())
		for i, call := range answer.ToolCalls {
			params.Messages = append(params.Messages, openai.ToolMessage(results[i], call.ID))
		}
	}
	return "", errTurns
}

func (o *openaiGoLoop) next(ctx context.Context, params openai.ChatCompletionNewParams) (*openai.ChatCompletionMessage, error) {
	if !o.stream {
		completion, err := o.client.Chat.Completions.New(ctx, params)
		if err != nil {
			return nil, err
		}
		return &completion.Choices[0].Message, nil
	}
	stream := o.client.Chat.Completions.NewStreaming(ctx, params)
	defer stream.Close()
	var all openai.ChatCompletionAccumulator
	for stream.Next() {
		all.AddChunk(stream.Current())
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	return &all.Choices[0].Message, nil
}

// callEach calls the tool once for each arguments, at the same time.
func (t task) callEach(arguments []string) ([]string, error) {
	results := make([]string, len(arguments))
	var group errgroup.Group
	for i, args := range arguments {
		group.Go(func() (err error) {
			results[i], err = t.callWith(args)
			return err
		})
	}
	return results, group.Wait()
}

func (o *openaiGoLoop) runResponses(ctx context.Context) (string, error) {
	items := responses.ResponseInputParam{
		responses.ResponseInputItemParamOfMessage(system, responses.EasyInputMessageRoleSystem),
		responses.ResponseInputItemParamOfMessage(question, responses.EasyInputMessageRoleUser),
	}
	weather := responses.ToolParamOfFunction(toolName, o.schema, false)
	weather.OfFunction.Description = openai.String(toolAbout)
	for range o.maxTurns() {
		answer, err := o.client.Responses.New(ctx, responses.ResponseNewParams{
			Model: modelName, Store: openai.Bool(false), Tools: []responses.ToolUnionParam{weather},
			Input: responses.ResponseNewParamsInputUnion{OfInputItemList: items},
		})
		if err != nil {
			return "", err
		}
		var ids, arguments []string
		for _, item := range answer.Output {
			if item.Type == "function_call" {
				call := item.AsFunctionCall()
				ids, arguments = append(ids, call.CallID), append(arguments, call.Arguments)
				items = append(items, responses.ResponseInputItemParamOfFunctionCall(call.Arguments, call.CallID, call.Name))
			}
		}
		if len(ids) == 0 {
			return answer.OutputText(), nil
		}
		results, err := o.callEach(arguments)
		if err != nil {
			return "", err
		}
		for i, id := range ids {
			output := responses.ResponseInputItemParamOfFunctionCallOutput(results[i])
			output.OfFunctionCallOutput.CallID = openai.String(id)
			items = append(items, output)
		}
	}
	return "", errTurns
}
