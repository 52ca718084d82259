package main

import (
	"context"
	"encoding/json"
	"io"
)

// floorItem is an item of the Responses API, in either direction.
type floorItem struct {
	Type      string          `json:"type"`
	Role      string          `json:"role,omitempty"`
	Content   json.RawMessage `json:"content,omitempty"`
	CallID    string          `json:"call_id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Arguments string          `json:"arguments,omitempty"`
	Output    string          `json:"output,omitempty"`
}

type floorDefinition struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      bool            `json:"strict"`
}

type floorItems struct {
	Model string            `json:"model"`
	Store bool              `json:"store"`
	Input []floorItem       `json:"input"`
	Tools []floorDefinition `json:"tools"`
}

// respond asks a server on the Responses API.
func (f *floorLoop) respond(ctx context.Context, history []floorMessage) (m floorMessage, err error) {
	tools := []floorDefinition{{"function", toolName, toolAbout, json.RawMessage(toolSchema), false}}
	body, err := json.Marshal(floorItems{Model: modelName, Input: floorInput(history), Tools: tools})
	if err != nil {
		return m, err
	}
	resp, err := post(ctx, f.task, "/responses", body)
	if err != nil {
		return m, err
	}
	defer resp.Body.Close()
	whole, err := io.ReadAll(resp.Body)
	if err != nil {
		return m, err
	}
	var doc struct {
		Output []floorItem `json:"output"`
	}
	if err := json.Unmarshal(whole, &doc); err != nil {
		return m, err
	}
	return floorAnswer(doc.Output)
}

func floorInput(history []floorMessage) (items []floorItem) {
	for _, m := range history {
		if m.Role == "tool" {
			items = append(items, floorItem{Type: "function_call_output", CallID: m.ToolCallID, Output: m.Content})
			continue
		}
		if m.Content != "" {
			content, _ := json.Marshal(m.Content) // a string always marshals
			items = append(items, floorItem{Type: "message", Role: m.Role, Content: content})
		}
		for _, call := range m.ToolCalls {
			items = append(items, floorItem{Type: "function_call", CallID: call.ID, Name: call.Function.Name, Arguments: call.Function.Arguments})
		}
	}
	return items
}

func floorAnswer(items []floorItem) (m floorMessage, err error) {
	m.Role = "assistant"
	for _, item := range items {
		switch item.Type {
		case "function_call":
			m.ToolCalls = append(m.ToolCalls, floorCall{ID: item.CallID, Type: "function", Function: floorFunction{item.Name, item.Arguments}})
		case "message":
			var parts []struct {
				Text string `json:"text"`
			}
			if err := json.Unmarshal(item.Content, &parts); err != nil {
				return m, err
			}
			for _, part := range parts {
				m.Content += part.Text
			}
		}
	}
	return m, nil
}
