package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// An agEvent is an event of AG-UI 1.0. Members without a value are left out, because the
// protocol forbids null.
type agEvent struct {
	Type            string          `json:"type"`
	ThreadID        string          `json:"threadId,omitempty"`
	RunID           string          `json:"runId,omitempty"`
	ProtocolVersion string          `json:"protocolVersion,omitempty"`
	StepName        string          `json:"stepName,omitempty"`
	MessageID       string          `json:"messageId,omitempty"`
	Role            string          `json:"role,omitempty"`
	Delta           string          `json:"delta,omitempty"`
	ToolCallID      string          `json:"toolCallId,omitempty"`
	ToolCallName    string          `json:"toolCallName,omitempty"`
	ParentMessageID string          `json:"parentMessageId,omitempty"`
	Content         *string         `json:"content,omitempty"`
	Messages        any             `json:"messages,omitempty"`
	Name            string          `json:"name,omitempty"`
	Value           json.RawMessage `json:"value,omitempty"`
	Message         string          `json:"message,omitempty"`
	Code            string          `json:"code,omitempty"`
	Result          json.RawMessage `json:"result,omitempty"`
	Outcome         *agOutcome      `json:"outcome,omitempty"`
	Usage           []agUsage       `json:"usage,omitempty"`
	HelperID        string          `json:"subagentRunId,omitempty"`
	OuterHelper     string          `json:"parentSubagentRunId,omitempty"`
	HelperCall      string          `json:"parentToolCallId,omitempty"`
}

type agOutcome struct {
	Type       string        `json:"type"`
	Interrupts []agInterrupt `json:"interrupts,omitempty"`
	Pending    []string      `json:"pendingToolCallIds,omitempty"`
}

type agInterrupt struct {
	ID             string          `json:"id"`
	Reason         string          `json:"reason"`
	Message        string          `json:"message,omitempty"`
	ToolCallID     string          `json:"toolCallId,omitempty"`
	ResponseSchema json.RawMessage `json:"responseSchema,omitempty"`
}

type agUsage struct {
	InputTokens  int64 `json:"inputTokens"`
	OutputTokens int64 `json:"outputTokens"`
	TotalTokens  int64 `json:"totalTokens"`
}

// answerSchema is the form of an answer to an interrupt.
const answerSchema = `{"type":"object","properties":{"approved":{"type":"boolean"},"reason":{"type":"string"},"arguments":{"type":"object"},"always":{"enum":["tool","arguments"]}},"required":["approved"]}`

// An agWriter writes the events of AG-UI.
type agWriter struct {
	*eventStream // embedded: flush and beat are the same
	chat         *Chat
	thread, run  string

	steps  int
	step   string
	parent string            // the message of the step that has its calls
	open   map[string]bool   // calls whose arguments are not whole
	told   map[string]bool   // calls whose arguments are whole
	alias  map[string]string // names of calls that the model makes anew
	output json.RawMessage

	helpers map[event.CallRef]bool // by the call: whether the run of the helper is open
	begun   []event.CallRef        // the keys, in the order of their begin
}

func newAGWriter(c *Chat, w http.ResponseWriter, thread, run string) *agWriter {
	return &agWriter{
		eventStream: newEventStream(w), chat: c, thread: thread, run: run,
		open: map[string]bool{}, told: map[string]bool{}, alias: map[string]string{}, helpers: map[event.CallRef]bool{},
	}
}

// begin begins the run. A returning page gets the messages so far, in place of the
// older messages.
func (a *agWriter) begin(before []*agMessage) error {
	if err := a.data(agEvent{Type: "RUN_STARTED", ThreadID: a.thread, RunID: a.run, ProtocolVersion: "1.0"}); err != nil || before == nil {
		return err
	}
	return a.data(agEvent{Type: "MESSAGES_SNAPSHOT", Messages: before})
}

func (a *agWriter) send(events ...agEvent) error {
	for _, e := range events {
		if err := a.data(e); err != nil {
			return err
		}
	}
	return nil
}

func (a *agWriter) custom(name string, value json.RawMessage) error {
	return a.send(agEvent{Type: "CUSTOM", Name: "toolloop." + name, Value: value})
}

func (a *agWriter) write(p piece) error {
	switch p.kind {
	case aStep:
		a.steps++
		a.step, a.parent = fmt.Sprintf("turn %d", p.seq), fmt.Sprintf("%s.s%d", p.to, p.seq)
		return a.send(agEvent{Type: "STEP_STARTED", StepName: a.step})
	case aStepEnd:
		if a.step == "" { // it began before this stream
			return nil
		}
		name := a.step
		a.step = ""
		return a.send(agEvent{Type: "STEP_FINISHED", StepName: name})
	case aText, aThought, aTextEnd:
		return a.text(p)
	case aFile:
		value, _ := json.Marshal(map[string]string{"url": p.text, "mediaType": p.name}) // strings
		return a.custom("file", value)
	case aRestart:
		return a.custom("restart", json.RawMessage("{}"))
	case aPartial:
		return a.custom("partial", json.RawMessage(fmt.Sprintf(`{"stepName":"turn %d","messageId":%q}`, p.seq, p.id)))
	case aSaid:
		value, _ := json.Marshal(map[string]string{"id": p.id, "text": p.text}) // strings
		return a.custom("said", value)
	case aHandoff:
		value, _ := json.Marshal(map[string]string{"agent": p.name}) // strings
		return a.custom("handoff", value)
	case aProgress:
		return a.custom("progress", p.data)
	case anOutput:
		a.output = p.data
		return nil
	case aHelperText, aHelperEnd:
		return a.helperPiece(p)
	case anEnd:
		return a.end(p)
	}
	return a.call(p)
}

func (a *agWriter) text(p piece) error {
	thought := p.kind == aThought || p.name == "reasoning"
	switch {
	case p.kind == aTextEnd && thought:
		return a.send(agEvent{Type: "REASONING_MESSAGE_END", MessageID: p.id}, agEvent{Type: "REASONING_END", MessageID: p.id})
	case p.kind == aTextEnd:
		return a.send(agEvent{Type: "TEXT_MESSAGE_END", MessageID: p.id})
	case thought && !p.begun:
		if err := a.send(agEvent{Type: "REASONING_START", MessageID: p.id}, agEvent{Type: "REASONING_MESSAGE_START", MessageID: p.id, Role: "reasoning"}); err != nil {
			return err
		}
	case !p.begun:
		a.parent = p.id
		if err := a.send(agEvent{Type: "TEXT_MESSAGE_START", MessageID: p.id, Role: "assistant"}); err != nil {
			return err
		}
	}
	if thought {
		return a.send(agEvent{Type: "REASONING_MESSAGE_CONTENT", MessageID: p.id, Delta: p.text})
	}
	return a.send(agEvent{Type: "TEXT_MESSAGE_CONTENT", MessageID: p.id, Delta: p.text})
}

// id returns the name of a call for the client.
func (a *agWriter) id(call string) string {
	if id := a.alias[call]; id != "" {
		return id
	}
	return call
}

// start begins a new call.
func (a *agWriter) start(p piece) error {
	id := a.id(p.id)
	if a.open[id] || a.told[id] {
		return nil
	}
	parent, helper := a.parent, ""
	if path := event.CallRef(p.id).Path(); path != "" {
		var err error
		if helper, err = a.helper(path, p.agent); err != nil {
			return err
		}
		parent = turnOf(p.id)
	}
	a.open[id] = true
	return a.send(agEvent{Type: "TOOL_CALL_START", ToolCallID: id, ToolCallName: p.name, ParentMessageID: parent, HelperID: helper})
}

// finish ends the arguments of a call.
func (a *agWriter) finish(id string) error {
	if !a.open[id] {
		return nil
	}
	delete(a.open, id)
	a.told[id] = true
	return a.send(agEvent{Type: "TOOL_CALL_END", ToolCallID: id})
}

func (a *agWriter) call(p piece) error {
	id := a.id(p.id)
	switch p.kind {
	case aCall:
		return a.start(p)
	case aCallText:
		return a.send(agEvent{Type: "TOOL_CALL_ARGS", ToolCallID: id, Delta: p.text})
	case aCallEnd:
		if a.told[id] || p.again {
			return nil
		}
		begun := a.open[id]
		if err := a.start(p); err != nil {
			return err
		}
		text := p.text
		if text == "" {
			text = "{}"
		}
		if !begun {
			if err := a.send(agEvent{Type: "TOOL_CALL_ARGS", ToolCallID: id, Delta: text}); err != nil {
				return err
			}
		}
		return a.finish(id)
	case aCallLost:
		if err := a.finish(id); err != nil {
			return err
		}
		a.alias[p.id] = id + "~"
		return a.result(id, "The model began anew and did not make this call.")
	case aResult:
		if err := a.finish(id); err != nil {
			return err
		}
		return a.result(id, p.text)
	}
	return nil
}

func (a *agWriter) result(id, text string) error {
	path := event.CallRef(id).Path()
	if !a.helpers[path] {
		path = ""
	}
	return a.send(agEvent{Type: "TOOL_CALL_RESULT", MessageID: id + ".result", ToolCallID: id, Role: "tool", Content: &text, HelperID: string(path)})
}

func (a *agWriter) end(p piece) error {
	if err := a.endHelpers(p.end == paused); err != nil {
		return err
	}
	e := agEvent{Type: "RUN_FINISHED", ThreadID: a.thread, RunID: a.run, Outcome: &agOutcome{Type: "success"}}
	if p.end == finished {
		e.Result = a.output
		var u agUsage
		if json.Unmarshal(p.data, &u) == nil {
			e.Usage = []agUsage{u}
		}
	}
	if len(p.questions) == 0 {
		for _, call := range p.late {
			e.Outcome.Pending = append(e.Outcome.Pending, a.id(call))
		}
	}
	for _, q := range p.questions {
		e.Outcome.Type = "interrupt"
		i := agInterrupt{
			ID: approvalID(q), Reason: "tool_call", ToolCallID: a.id(q.id), Message: "May " + q.name + " run?", ResponseSchema: json.RawMessage(answerSchema),
		}
		if q.doubt {
			i.Reason, i.Message = "tool_call_in_doubt", doubtReason
		}
		e.Outcome.Interrupts = append(e.Outcome.Interrupts, i)
	}
	return a.data(e)
}

func (a *agWriter) fail(err error) error {
	switch {
	case errors.Is(err, errStopped):
		if err := a.endHelpers(false); err != nil {
			return err
		}
		return a.data(agEvent{Type: "RUN_FINISHED", ThreadID: a.thread, RunID: a.run, Outcome: &agOutcome{Type: "cancelled"}})
	case errors.Is(err, runner.ErrDrained), errors.Is(err, errShutdown):
		return a.data(agEvent{Type: "RUN_ERROR", Message: "The server is restarting. Ask for the answer again.", Code: "restarting"})
	}
	text, code := a.chat.errorText(err)
	return a.data(agEvent{Type: "RUN_ERROR", Message: text, Code: code})
}
