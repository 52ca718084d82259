package event

import (
	"encoding/json"
	"reflect"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// Public returns the event as a browser or a customer may see it. The JSON of an Event
// holds everything that the store needs: the instructions of the agent, the ids that make
// the idempotency keys, and the provider's own data. Public leaves out
//
//   - instructions: those of the agent, messages with the role system or developer, and the
//     messages that the runner or the program writes to the model;
//   - keys, fingerprints, hashes, handles of deferred calls and the provider's ids of answers;
//   - the names of persons who asked or decided, and what they said about a decision, but for
//     the reason of a denial, which the model reads;
//   - Extra, raw usage, log probabilities, and parts of unknown kinds;
//   - the causes of failed calls for people (ToolCallFinished.Error), and the whole text of a
//     result of which the model got the beginning (ToolCallFinished.Whole).
//
// What remains is the conversation: messages, calls with their arguments and results,
// reasoning, answers, usage and cost, and the errors of runs. redact changes each text that
// remains, as runner.Runner.Redact does for results; nil changes nothing. JSON that redact
// breaks is left out. A secret that is cut into two deltas (or two AnswerStreamed) is in no
// single text, so redact does not find it: leave out these events where that matters. A text that a check of the agent
// replaces is still in the event before Checked.
//
// The type of the event, Seq, Time and Path stay. The public event is for display: a session
// cannot be rebuilt from public events.
func (e Event) Public(redact func(string) string) Event {
	if redact == nil {
		redact = func(s string) string { return s }
	}
	e.Body = publicBody(e.Body, redact)
	return e
}

// publicBody copies the members that are public, by name. A new member is therefore
// withheld until somebody adds it here and in the table of the test.
func publicBody(body Body, redact func(string) string) Body {
	switch b := body.(type) {
	case RunStarted:
		return RunStarted{Version: b.Version, Run: b.Run, Agent: b.Agent}
	case UserMessaged:
		return UserMessaged{Message: publicMessage(b.Message, redact), Said: b.Said, AtEnd: b.AtEnd}
	case TurnPrepared:
		return TurnPrepared{Turn: b.Turn, Agent: b.Agent}
	case ModelAnswered:
		return ModelAnswered{Turn: b.Turn, Message: publicMessage(b.Message, redact), Finish: b.Finish, Usage: b.Usage, Model: b.Model, Cost: b.Cost, Work: b.Work}
	case AnswerStreamed:
		return AnswerStreamed{Turn: b.Turn, Text: redact(b.Text), Reasoning: redact(b.Reasoning), Again: b.Again}
	case OutputRejected:
		return OutputRejected{Turn: b.Turn, Reason: b.Reason, Message: llm.Message{Role: b.Message.Role}}
	case LimitReached:
		return LimitReached{Limit: b.Limit, Max: b.Max, Cost: b.Cost}
	case StallDetected:
		return StallDetected{Turn: b.Turn, Message: llm.Message{Role: b.Message.Role}}
	case Compacted:
		return publicCompacted(b)
	case Checked:
		out := Checked{Turn: b.Turn, Check: b.Check, Stage: b.Stage, Call: b.Call, At: b.At, Verdict: b.Verdict, Usage: b.Usage, Cost: b.Cost, Work: b.Work}
		if b.Verdict == "replace" { // otherwise Text is for the model
			out.Text = redact(b.Text)
		}
		return out
	case HandedOff:
		return HandedOff{Turn: b.Turn, From: b.From, To: b.To, Call: b.Call, Failure: redact(b.Failure)}
	case RunPaused:
		return b
	case RunFinished:
		return RunFinished{Run: b.Run, Turns: b.Turns, Usage: b.Usage, Output: publicJSON(b.Output, redact), Repairs: publicTexts(b.Repairs, redact), Stopped: b.Stopped, Text: redact(b.Text)}
	case RunFailed:
		return RunFailed{Run: b.Run, Turns: b.Turns, Usage: b.Usage, Error: redact(b.Error)}
	}
	if b := publicCall(body, redact); b != nil {
		return b
	}
	if b := publicDelta(body, redact); b != nil {
		return b
	}
	if body == nil {
		return nil
	}
	empty, _ := reflect.Zero(reflect.TypeOf(body)).Interface().(Body)
	return empty
}

// publicCall is publicBody for the events of calls.
func publicCall(body Body, redact func(string) string) Body {
	switch b := body.(type) {
	case ToolCallStarted:
		return ToolCallStarted{Call: b.Call, ID: b.ID, Name: b.Name, Arguments: redact(b.Arguments), Repairs: publicTexts(b.Repairs, redact), Helper: b.Helper}
	case ToolCallDeferred:
		return ToolCallDeferred{Call: b.Call, Name: b.Name, Until: b.Until, Began: b.Began}
	case ToolCallFinished:
		result, _ := publicPart(b.Result, redact).(llm.ToolResult)
		return ToolCallFinished{Call: b.Call, Result: result, Failure: b.Failure, Rejected: b.Rejected, Began: b.Began, Handoff: b.Handoff}
	case ApprovalAsked:
		return ApprovalAsked{Call: b.Call, ID: b.ID, Name: b.Name, Arguments: redact(b.Arguments), Repairs: publicTexts(b.Repairs, redact), Until: b.Until}
	case ApprovalDecided:
		return ApprovalDecided{Call: b.Call, Approved: b.Approved, Reason: redact(b.Reason), Arguments: redact(b.Arguments), Repairs: publicTexts(b.Repairs, redact), Always: b.Always, Standing: b.Standing}
	case StandingRevoked:
		return StandingRevoked{Standing: b.Standing}
	case InDoubtDecided:
		return InDoubtDecided{Call: b.Call, Decision: b.Decision, By: b.By}
	}
	return nil
}

// publicDelta is publicBody for the events without a Seq.
func publicDelta(body Body, redact func(string) string) Body {
	switch b := body.(type) {
	case TextDelta:
		return TextDelta{Text: redact(b.Text)}
	case ReasoningDelta:
		return ReasoningDelta{Text: redact(b.Text)}
	case CallDelta:
		return CallDelta{Call: b.Call, Name: b.Name, Arguments: redact(b.Arguments)}
	case PartialOutput:
		return PartialOutput{Value: publicJSON(b.Value, redact)}
	case ToolProgress:
		return ToolProgress{Call: b.Call, Name: b.Name, Done: b.Done, Total: b.Total, Message: redact(b.Message)}
	case Restarted:
		return Restarted{Turn: b.Turn, Error: redact(b.Error)}
	case Notice:
		return Notice{Text: redact(b.Text)}
	}
	return nil
}

// publicCompacted keeps the positions: a summary is written for the model.
func publicCompacted(b Compacted) Compacted {
	out := Compacted{Turn: b.Turn, Before: b.Before, Usage: b.Usage, Cost: b.Cost}
	for _, s := range b.History {
		s := Stretch{From: s.From, Count: s.Count, Message: s.Message}
		if s.Message != nil {
			s.Message = &llm.Message{Role: s.Message.Role}
		}
		out.History = append(out.History, s)
	}
	return out
}

func publicTexts(all []string, redact func(string) string) (out []string) {
	for _, s := range all {
		out = append(out, redact(s))
	}
	return out
}

// publicJSON returns nil if the redacted text is no JSON.
func publicJSON(text json.RawMessage, redact func(string) string) json.RawMessage {
	if out := json.RawMessage(redact(string(text))); json.Valid(out) {
		return out
	}
	return nil
}

func publicMessage(m llm.Message, redact func(string) string) llm.Message {
	out := llm.Message{Role: m.Role}
	if m.Role == llm.RoleSystem || m.Role == llm.RoleDeveloper {
		return out
	}
	out.Parts = publicParts(m.Parts, redact)
	return out
}

func publicParts(parts llm.Parts, redact func(string) string) (out llm.Parts) {
	for _, p := range parts {
		if p = publicPart(p, redact); p != nil {
			out = append(out, p)
		}
	}
	return out
}

// publicPart returns nil for a part of an unknown kind.
func publicPart(p llm.Part, redact func(string) string) llm.Part {
	switch p := p.(type) {
	case llm.Text:
		return llm.Text{Text: redact(p.Text)}
	case llm.Reasoning:
		return llm.Reasoning{Text: redact(p.Text), Field: p.Field}
	case llm.Refusal:
		return llm.Refusal{Text: redact(p.Text)}
	case llm.Image:
		return llm.Image{URL: redact(p.URL), Data: p.Data, MediaType: p.MediaType, Detail: p.Detail}
	case llm.Audio:
		return llm.Audio{Data: p.Data, Format: p.Format, Transcript: redact(p.Transcript)}
	case llm.File:
		return llm.File{Name: redact(p.Name), Data: p.Data, MediaType: p.MediaType}
	case llm.ToolCall:
		return llm.ToolCall{ID: p.ID, Name: p.Name, Arguments: redact(p.Arguments)}
	case llm.ToolResult:
		return llm.ToolResult{CallID: p.CallID, Name: p.Name, Parts: publicParts(p.Parts, redact), IsError: p.IsError}
	}
	return nil
}
