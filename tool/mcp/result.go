package mcp

import (
	"encoding/json"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type wireResult struct {
	Content           []json.RawMessage `json:"content"`
	StructuredContent json.RawMessage   `json:"structuredContent"`
	IsError           bool              `json:"isError"`

	Meta map[string]json.RawMessage `json:"_meta"`
}

type wireContent struct {
	Type string `json:"type"`
	Text string `json:"text"`
	Data []byte `json:"data"`
	MIME string `json:"mimeType"`
}

// result makes parts of what a server answered.
func result(text json.RawMessage) (llm.Parts, error) {
	var w wireResult
	if err := json.Unmarshal(text, &w); err != nil {
		return nil, tool.Fail(tool.Failed, "The server's answer cannot be read.", err)
	}
	var parts llm.Parts
	for _, raw := range w.Content {
		var c wireContent
		if err := json.Unmarshal(raw, &c); err != nil {
			continue
		}
		switch c.Type {
		case "text":
			parts = append(parts, llm.Text{Text: c.Text})
		case "image":
			parts = append(parts, llm.Image{Data: c.Data, MediaType: c.MIME})
		}
	}
	if len(parts) == 0 && len(w.StructuredContent) > 0 {
		parts = llm.Parts{llm.Text{Text: string(w.StructuredContent)}}
	}
	if w.IsError {
		var b strings.Builder
		for _, p := range parts {
			if t, ok := p.(llm.Text); ok {
				b.WriteString(t.Text)
			}
		}
		return nil, &tool.Error{Failure: failureOf(w.Meta), Message: b.String()}
	}
	return parts, nil
}
