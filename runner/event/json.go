package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// head has the members common to the JSON of all events.
type head struct {
	Seq  int64     `json:"seq,omitempty"`
	Time time.Time `json:"time"`
	Path CallRef   `json:"path,omitempty"`
	Type string    `json:"type"`
}

// A kind is a type of Body with its name, the "type" in the event's JSON.
type kind struct {
	name   string
	body   reflect.Type
	decode func(data []byte) (Body, error)
}

// The kinds by their names, and the names by the types of their bodies.
var kinds, kindNames = index(
	row[RunStarted]("run_started"),
	row[UserMessaged]("user_messaged"),
	row[TurnPrepared]("turn_prepared"),
	row[ModelAnswered]("model_answered"),
	row[AnswerStreamed]("answer_streamed"),
	row[ToolCallStarted]("tool_call_started"),
	row[ToolCallDeferred]("tool_call_deferred"),
	row[ToolCallFinished]("tool_call_finished"),
	row[ApprovalAsked]("approval_asked"),
	row[ApprovalDecided]("approval_decided"),
	row[StandingRevoked]("standing_revoked"),
	row[InDoubtDecided]("in_doubt_decided"),
	row[RunPaused]("run_paused"),
	row[OutputRejected]("output_rejected"),
	row[LimitReached]("limit_reached"),
	row[StallDetected]("stall_detected"),
	row[Compacted]("compacted"),
	row[Checked]("checked"),
	row[HandedOff]("handed_off"),
	row[RunFinished]("run_finished"),
	row[RunFailed]("run_failed"),
	row[TextDelta]("text_delta"),
	row[PartialOutput]("partial_output"),
	row[ReasoningDelta]("reasoning_delta"),
	row[CallDelta]("call_delta"),
	row[ToolProgress]("tool_progress"),
	row[Restarted]("restarted"),
	row[Notice]("notice"),
)

func row[B Body](name string) kind {
	return kind{name: name, body: reflect.TypeFor[B](), decode: decode[B]}
}

func decode[B Body](data []byte) (Body, error) {
	var b B
	if err := json.Unmarshal(data, &b); err != nil {
		return nil, err
	}
	return b, nil
}

func index(rows ...kind) (map[string]kind, map[reflect.Type]string) {
	byName, names := map[string]kind{}, map[reflect.Type]string{}
	for _, k := range rows {
		byName[k.name], names[k.body] = k, k.name
	}
	return byName, names
}

// Type returns the "type" in the event's JSON, for example "tool_call_started",
// and "" for the zero Event.
func (e Event) Type() string { return kindNames[reflect.TypeOf(e.Body)] }

// MarshalJSON implements [json.Marshaler]. An event without a body is an error.
func (e Event) MarshalJSON() ([]byte, error) {
	if data := e.write(); data != nil {
		return data, nil
	}
	return e.marshal()
}

// marshal is MarshalJSON for every event, and returns the same text as [Event.write].
func (e Event) marshal() ([]byte, error) {
	kind := e.Type()
	if kind == "" {
		return nil, fmt.Errorf("event: %T is not an event", e.Body)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(head{Seq: e.Seq, Time: e.Time, Path: e.Path, Type: kind}); err != nil {
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
	if e.read(data) {
		return nil
	}
	return e.unmarshal(data)
}

// unmarshal is UnmarshalJSON for every text.
func (e *Event) unmarshal(data []byte) error {
	var h head
	if err := json.Unmarshal(data, &h); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	k, known := kinds[h.Type]
	if !known {
		return fmt.Errorf("event: %s: unknown type %q, perhaps of a newer version", h.Type, h.Type)
	}
	body, err := k.decode(data)
	if err != nil {
		return fmt.Errorf("event: %s: %w", h.Type, err)
	}
	*e = Event{Seq: h.Seq, Time: h.Time, Path: h.Path, Body: body}
	return nil
}
