package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// celsius is the result of the tool. A model cannot guess it.
const celsius = 27

var weatherResult = fmt.Sprintf(`{"celsius":%d}`, celsius)

// toolResults checks the round trip: a call of the model, and its result.
func toolResults(ctx context.Context, t *trial) (string, error) {
	req := llm.Request{
		Messages: user(weatherQuestion), Tools: []llm.ToolDef{weather}, Settings: llm.Settings{ToolChoice: llm.ToolRequired},
	}
	resp, err := t.ask(ctx, req)
	if err := called(resp, err, weather.Name); err != nil {
		return "", err
	}
	req.ToolChoice = ""
	req.Messages = append(req.Messages, resp.Message)
	for _, c := range resp.Message.Calls() {
		req.Messages = append(req.Messages, result(c, llm.Text{Text: weatherResult}))
	}
	return "", says(t.ask(ctx, req))
}

// result returns the message with the result of a call.
func result(c llm.ToolCall, parts ...llm.Part) llm.Message {
	return llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: c.ID, Name: c.Name, Parts: parts}}}
}

// says returns err, or describes an answer without the temperature.
func says(resp *llm.Response, err error) error {
	return mentions(resp, err, fmt.Sprint(celsius))
}

// foreign is a call of another provider's model: its id is longer than OpenAI
// accepts, there is no text beside it, and its reasoning is unknown.
var foreign = llm.ToolCall{ID: "functions.get_weather:0|" + strings.Repeat("x", 32), Name: weather.Name, Arguments: `{"city":"Lisbon"}`}

// answered is a conversation up to the result of that call.
func answered() []llm.Message {
	return append(user(weatherQuestion), llm.Assistant("", foreign), result(foreign, llm.Text{Text: weatherResult}))
}

// callsOfOthers makes the provider continue a conversation of another provider.
func callsOfOthers(ctx context.Context, t *trial) (string, error) {
	return "", says(t.ask(ctx, llm.Request{Messages: answered(), Tools: []llm.ToolDef{weather}}))
}

func userAfterResults(ctx context.Context, t *trial) (string, error) {
	_, err := t.ask(ctx, llm.Request{
		Messages: append(answered(), user("Never mind. Say hello in one word.")...), Tools: []llm.ToolDef{weather},
	})
	return "", err
}

func resultsWithoutTools(ctx context.Context, t *trial) (string, error) {
	return "", says(t.ask(ctx, llm.Request{Messages: answered()}))
}

// imageOfTool checks a tool result with a picture.
func imageOfTool(ctx context.Context, t *trial) (string, error) {
	camera := llm.ToolDef{Name: "take_picture", Description: "Takes a picture.", Schema: json.RawMessage(`{"type":"object","properties":{}}`)}
	call := llm.ToolCall{ID: "call00001", Name: camera.Name, Arguments: `{}`}
	resp, err := t.ask(ctx, llm.Request{
		Messages: append(user("Take a picture. Which colour is it? Answer with one word."), llm.Assistant("", call), result(call, picture(blue))),
		Tools:    []llm.ToolDef{camera},
	})
	return "", mentions(resp, err, "blue")
}
