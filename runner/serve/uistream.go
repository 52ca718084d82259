package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/seed-916e8f6a/toolloop/runner"
)

// A uiChunk is a chunk of the AI SDK's UI message stream. The chunks here are known to the
// majors 6 and 7 of npm "ai", except reset-step.
type uiChunk struct {
	Type            string          `json:"type"`
	MessageID       string          `json:"messageId,omitempty"`
	ID              string          `json:"id,omitempty"`
	Delta           string          `json:"delta,omitempty"`
	ToolCallID      string          `json:"toolCallId,omitempty"`
	ToolName        string          `json:"toolName,omitempty"`
	Dynamic         bool            `json:"dynamic,omitempty"`
	InputTextDelta  string          `json:"inputTextDelta,omitempty"`
	Input           json.RawMessage `json:"input,omitempty"`
	Output          json.RawMessage `json:"output,omitempty"`
	ErrorText       string          `json:"errorText,omitempty"`
	ApprovalID      string          `json:"approvalId,omitempty"`
	Reason          string          `json:"reason,omitempty"`
	URL             string          `json:"url,omitempty"`
	MediaType       string          `json:"mediaType,omitempty"`
	Data            json.RawMessage `json:"data,omitempty"`
	Transient       bool            `json:"transient,omitempty"`
	FinishReason    string          `json:"finishReason,omitempty"`
	MessageMetadata json.RawMessage `json:"messageMetadata,omitempty"`
}

// A uiWriter writes the UI message stream.
type uiWriter struct {
	*eventStream // embedded: flush and beat are the same
	chat         *Chat
	message      string
}

func newUIWriter(c *Chat, w http.ResponseWriter) *uiWriter {
	w.Header().Set("X-Vercel-Ai-Ui-Message-Stream", "v1")
	return &uiWriter{eventStream: newEventStream(w), chat: c}
}

func (u *uiWriter) write(p piece) error {
	if u.message == "" {
		u.message = p.to
		if err := u.data(uiChunk{Type: "start", MessageID: p.to}); err != nil {
			return err
		}
	}
	for _, c := range u.chat.uiChunks(p) {
		if err := u.data(c); err != nil {
			return err
		}
	}
	if p.kind == anEnd {
		return u.line("data: ", []byte("[DONE]"))
	}
	return nil
}

func (u *uiWriter) fail(err error) error {
	if errors.Is(err, runner.ErrDrained) || errors.Is(err, errShutdown) {
		return errBroken
	}
	text, _ := u.chat.errorText(err)
	chunk := uiChunk{Type: "error", ErrorText: text}
	if errors.Is(err, errStopped) {
		chunk = uiChunk{Type: "abort", Reason: "stopped"}
	}
	if err := u.data(chunk); err != nil {
		return err
	}
	return u.line("data: ", []byte("[DONE]"))
}

// uiChunks returns the chunks of a piece.
func (c *Chat) uiChunks(p piece) []uiChunk {
	switch p.kind {
	case aStep:
		return []uiChunk{{Type: "start-step"}}
	case aStepEnd:
		return []uiChunk{{Type: "finish-step"}}
	case aText, aThought:
		return c.uiText(p)
	case aTextEnd:
		if p.name == "reasoning" {
			return []uiChunk{{Type: "reasoning-end", ID: p.id}}
		}
		return []uiChunk{{Type: "text-end", ID: p.id}}
	case aFile:
		return []uiChunk{{Type: "file", URL: p.text, MediaType: p.name}}
	case aRestart:
		if c.config.ResetStep {
			return []uiChunk{{Type: "reset-step"}}
		}
		return []uiChunk{{Type: "data-toolloop-restart", Data: json.RawMessage("{}")}}
	case aPartial:
		return []uiChunk{{Type: "data-toolloop-partial", Data: json.RawMessage(fmt.Sprintf(`{"step":%d}`, p.seq))}}
	case aSaid:
		data, _ := json.Marshal(map[string]string{"text": p.text}) // strings
		return []uiChunk{{Type: "data-toolloop-said", ID: p.id, Data: data}}
	case anOutput:
		return []uiChunk{{Type: "data-toolloop-output", Data: p.data}}
	case aHandoff:
		data, _ := json.Marshal(map[string]string{"agent": p.name}) // strings
		return []uiChunk{{Type: "data-toolloop-handoff", Data: data}}
	case aHelperText:
		data, _ := json.Marshal(map[string]string{"toolCallId": p.name, "agent": p.agent, "text": p.text}) // strings
		return []uiChunk{{Type: "data-toolloop-helper", ID: p.id, Data: data}}
	case anEnd:
		return []uiChunk{uiEnd(p)}
	}
	return c.uiCall(p)
}

func (c *Chat) uiText(p piece) []uiChunk {
	name := "text"
	if p.kind == aThought {
		name = "reasoning"
	}
	delta := uiChunk{Type: name + "-delta", ID: p.id, Delta: p.text}
	if p.begun {
		return []uiChunk{delta}
	}
	return []uiChunk{{Type: name + "-start", ID: p.id}, delta}
}

func uiEnd(p piece) uiChunk {
	chunk := uiChunk{Type: "finish", FinishReason: "stop"}
	switch {
	case p.end == paused:
		chunk.FinishReason = "tool-calls"
	case len(p.data) > 0:
		chunk.MessageMetadata = json.RawMessage(`{"usage":` + string(p.data) + `}`)
	}
	return chunk
}

// uiCall returns the chunks of a piece about a call.
func (c *Chat) uiCall(p piece) []uiChunk {
	chunk := uiChunk{ToolCallID: p.id}
	named := chunk
	named.ToolName, named.Dynamic = p.name, !c.config.NamedTools
	switch p.kind {
	case aCall:
		named.Type = "tool-input-start"
		return []uiChunk{named}
	case aCallText:
		chunk.Type, chunk.InputTextDelta = "tool-input-delta", p.text
	case aCallEnd:
		named.Type, named.Input = "tool-input-available", p.data
		return []uiChunk{named}
	case aCallLost:
		named.Type, named.Input, named.ErrorText = "tool-input-error", json.RawMessage("{}"), "The model began anew and did not make this call."
		return []uiChunk{named}
	case aQuestion:
		chunk.Type, chunk.ApprovalID = "tool-approval-request", approvalID(p)
		if p.doubt {
			data, _ := json.Marshal(map[string]string{"toolCallId": p.id, "approvalId": approvalID(p), "text": doubtReason}) // strings
			return []uiChunk{chunk, {Type: "data-toolloop-doubt", ID: p.id, Data: data}}
		}
	case aResult:
		switch {
		case p.denied:
			chunk.Type, chunk.Reason = "tool-output-denied", p.reason // an addition of ours, which clients ignore
		case p.isErr:
			chunk.Type, chunk.ErrorText = "tool-output-error", p.text
		default:
			chunk.Type, chunk.Output = "tool-output-available", p.data
		}
		if !c.config.NamedTools && !p.denied {
			chunk.Dynamic = true
		}
	case aProgress:
		return []uiChunk{{Type: "data-toolloop-progress", ID: p.id, Data: p.data, Transient: true}}
	default:
		return nil
	}
	return []uiChunk{chunk}
}

const doubtReason = "The call was interrupted, and nobody knows whether it took effect. Approval runs it again."
