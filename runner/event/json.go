package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// head has the members that every event has in its JSON.
type head struct {
	Seq  int64     `json:"seq,omitempty"`
	Time time.Time `json:"time"`
	Type string    `json:"type"`
}

// Type returns the "type" in the event's JSON, for example "tool_call_started",
// and "" for the zero Event.
func (e Event) Type() string {
	switch e.Body.(type) {
	case RunStarted:
		return "run_started"
	case UserMessaged:
		return "user_messaged"
	case TurnPrepared:
		return "turn_prepared"
	case ModelAnswered:
		return "model_answered"
	case ToolCallStarted:
		return "tool_call_started"
	case ToolCallFinished:
		return "tool_call_finished"
	case ApprovalAsked:
		return "approval_asked"
	case ApprovalDecided:
		return "approval_decided"
	case InDoubtDecided:
		return "in_doubt_decided"
	case RunPaused:
		return "run_paused"
	case OutputRejected:
		return "output_rejected"
	case LimitReached:
		return "limit_reached"
	case RunFinished:
		return "run_finished"
	case RunFailed:
		return "run_failed"
	case TextDelta:
		return "text_delta"
	case ReasoningDelta:
		return "reasoning_delta"
	case CallDelta:
		return "call_delta"
	case ToolProgress:
		return "tool_progress"
	case Restarted:
		return "restarted"
	case Notice:
		return "notice"
	}
	return ""
}

// MarshalJSON implements [json.Marshaler]. An event without a body is an error.
func (e Event) MarshalJSON() ([]byte, error) {
	kind := e.Type()
	if kind == "" {
		return nil, fmt.Errorf("event: %T is not an event", e.Body)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(head{Seq: e.Seq, Time: e.Time, Type: kind}); err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	b.Truncate(b.Len() - len("}\n"))
	at := b.Len()
	if err := enc.Encode(e.Body); err != nil {
		return nil, fmt.Errorf("event: %s: %w", kind, err)
	}
	b.Truncate(b.Len() - len("\n"))
	b.Bytes()[at] = ',' // the brace that opened the body; every body has a member
	return b.Bytes(), nil
}

// UnmarshalJSON implements [json.Unmarshaler]. An unknown type is an error, because
// unknown events cannot rebuild a session.
func (e *Event) UnmarshalJSON(data []byte) error {
	var h head
	if err := json.Unmarshal(data, &h); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	body, err := readBody(h.Type, data)
	if err != nil {
		return fmt.Errorf("event: %s: %w", h.Type, err)
	}
	*e = Event{Seq: h.Seq, Time: h.Time, Body: body}
	return nil
}

func readBody(kind string, data []byte) (Body, error) {
	switch kind {
	case "run_started":
		return decode[RunStarted](data)
	case "user_messaged":
		return decode[UserMessaged](data)
	case "turn_prepared":
		return decode[TurnPrepared](data)
	case "model_answered":
		return decode[ModelAnswered](data)
	case "tool_call_started":
		return decode[ToolCallStarted](data)
	case "tool_call_finished":
		return decode[ToolCallFinished](data)
	case "approval_asked":
		return decode[ApprovalAsked](data)
	case "approval_decided":
		return decode[ApprovalDecided](data)
	case "in_doubt_decided":
		return decode[InDoubtDecided](data)
	case "run_paused":
		return decode[RunPaused](data)
	case "output_rejected":
		return decode[OutputRejected](data)
	case "limit_reached":
		return decode[LimitReached](data)
	case "run_finished":
		return decode[RunFinished](data)
	case "run_failed":
		return decode[RunFailed](data)
	case "text_delta":
		return decode[TextDelta](data)
	case "reasoning_delta":
		return decode[ReasoningDelta](data)
	case "call_delta":
		return decode[CallDelta](data)
	case "tool_progress":
		return decode[ToolProgress](data)
	case "restarted":
		return decode[Restarted](data)
	case "notice":
		return decode[Notice](data)
	}
	return nil, fmt.Errorf("unknown type %q, perhaps of a newer version", kind)
}

func decode[B Body](data []byte) (Body, error) {
	var b B
	if err := json.Unmarshal(data, &b); err != nil {
		return nil, err
	}
	return b, nil
}
