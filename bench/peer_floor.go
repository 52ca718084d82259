package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/sync/errgroup"
)

// floor is the loop that a careful engineer writes by hand with net/http, encoding/json
// and an errgroup: small structs, nothing cached, no checks beyond the decoding.
var floor = peer{"floor", func(t task) (run, error) { return prepareFloor(t, nil) }}

// floorValidate is floor that also validates arguments.
var floorValidate = peer{"floor+validate", func(t task) (run, error) {
	validate, err := compileArguments()
	if err != nil {
		return nil, err
	}
	return prepareFloor(t, validate)
}}

type floorMessage struct {
	Role       string      `json:"role"`
	Content    string      `json:"content"`
	ToolCalls  []floorCall `json:"tool_calls,omitempty"`
	ToolCallID string      `json:"tool_call_id,omitempty"`
}

type floorCall struct {
	Index    int           `json:"index,omitempty"` // in streams
	ID       string        `json:"id"`
	Type     string        `json:"type"`
	Function floorFunction `json:"function"`
}

type floorFunction struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type floorTool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	} `json:"function"`
}

type floorRequest struct {
	Model    string         `json:"model"`
	Messages []floorMessage `json:"messages"`
	Tools    []floorTool    `json:"tools"`
	Stream   bool           `json:"stream,omitempty"`
}

type floorResponse struct {
	Choices []struct {
		Message floorMessage `json:"message"`
		Delta   floorMessage `json:"delta"`
	} `json:"choices"`
}

// A floorLoop is the agent.
type floorLoop struct {
	task     // embedded: the agent has only this task
	tools    []floorTool
	validate func(arguments string) error // nil: none
}

// An ask returns the next answer of the model.
type ask func(ctx context.Context, history []floorMessage) (floorMessage, error)

func prepareFloor(t task, validate func(string) error) (run, error) {
	f := &floorLoop{task: t, tools: floorTools(), validate: validate}
	next := f.chat
	switch {
	case t.memory:
		next = f.scripted
	case t.responses:
		next = f.respond
	}
	return func(ctx context.Context) (string, error) { return f.run(ctx, next) }, nil
}

func floorTools() []floorTool {
	t := floorTool{Type: "function"}
	t.Function.Name, t.Function.Description, t.Function.Parameters = toolName, toolAbout, json.RawMessage(toolSchema)
	return []floorTool{t}
}

var errTurns = errors.New("too many turns")

func (f *floorLoop) run(ctx context.Context, next ask) (string, error) {
	history := []floorMessage{{Role: "system", Content: system}, {Role: "user", Content: question}}
	for range f.maxTurns() {
		answer, err := next(ctx, history)
		if err != nil || len(answer.ToolCalls) == 0 {
			return answer.Content, err
		}
		history = append(history, answer)
		results := make([]string, len(answer.ToolCalls))
		group, ctx := errgroup.WithContext(ctx)
		for i, call := range answer.ToolCalls {
			group.Go(func() (err error) {
				results[i], err = f.callTool(ctx, call.Function)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return "", err
		}
		for i, call := range answer.ToolCalls {
			history = append(history, floorMessage{Role: "tool", Content: results[i], ToolCallID: call.ID})
		}
	}
	return "", errTurns
}

func (f *floorLoop) callTool(ctx context.Context, call floorFunction) (string, error) {
	if call.Name != toolName {
		return "", fmt.Errorf("no tool %q", call.Name)
	}
	if f.validate != nil {
		if err := f.validate(call.Arguments); err != nil {
			return "", err
		}
	}
	var args weatherArgs
	if err := json.Unmarshal([]byte(call.Arguments), &args); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	return f.call(args.City, args.Unit)
}

// chat asks a server on Chat Completions.
func (f *floorLoop) chat(ctx context.Context, history []floorMessage) (m floorMessage, err error) {
	body, err := json.Marshal(floorRequest{modelName, history, f.tools, f.stream})
	if err != nil {
		return m, err
	}
	return answer(ctx, f.task, body, nil)
}

// answer sends a request to Chat Completions and reads the answer. readStream
// explains usual.
func answer(ctx context.Context, t task, body []byte, usual func([]byte) ([]byte, bool)) (m floorMessage, err error) {
	resp, err := post(ctx, t, "/chat/completions", body)
	if err != nil {
		return m, err
	}
	defer resp.Body.Close()
	if t.stream {
		return readStream(resp.Body, usual)
	}
	whole, err := io.ReadAll(resp.Body)
	if err != nil {
		return m, err
	}
	var r floorResponse
	if err := json.Unmarshal(whole, &r); err != nil {
		return m, err
	}
	if len(r.Choices) == 0 {
		return m, errors.New("no choice")
	}
	return r.Choices[0].Message, nil
}

// post returns a response of status 200.
func post(ctx context.Context, t task, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.baseURL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer sk-test")
	resp, err := t.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		why, _ := io.ReadAll(resp.Body)
		return nil, fmt.Errorf("%s: %s", resp.Status, why)
	}
	return resp, nil
}

// scripted is the model in memory.
func (f *floorLoop) scripted(_ context.Context, history []floorMessage) (floorMessage, error) {
	turn := (len(history) - 2) / (f.calls + 1)
	if turn == f.turns {
		return floorMessage{Role: "assistant", Content: f.finalText()}, nil
	}
	m := floorMessage{Role: "assistant", ToolCalls: make([]floorCall, f.calls)}
	for i := range m.ToolCalls {
		m.ToolCalls[i] = floorCall{ID: callID(turn, i), Type: "function", Function: floorFunction{toolName, callArgs(turn, i)}}
	}
	return m, nil
}

// compileArguments returns a validator of arguments.
func compileArguments() (func(string) error, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(toolSchema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("arguments.json", doc); err != nil {
		return nil, err
	}
	schema, err := c.Compile("arguments.json")
	if err != nil {
		return nil, err
	}
	return func(arguments string) error {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(arguments))
		if err != nil {
			return err
		}
		return schema.Validate(v)
	}, nil
}
