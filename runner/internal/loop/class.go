package loop

import (
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A Class says what becomes of an answer of the model.
type Class int8

// The classes. The content of the answer decides. The finish reason decides only where
// the reason says that the answer is not whole, because two of a hundred real answers
// contradict the rule "repeat until the finish reason is stop".
const (
	RunCalls Class = iota // the tool calls run
	Final                 // the final answer
	CutOff                // the tool calls were cut off: none runs, and the model may try again
	Lost                  // the answer announces calls and has none: the model may try again
	NoCall                // the tool choice forces a call and the answer has none: the model may try again
	Empty                 // the answer has no content: the model may try again
	Short                 // a final answer that was cut off: an error that keeps the text
	Filtered              // a filter withheld the answer: an error
	Refused               // the model declined: an error
	Broken                // the provider failed during the answer: an error
	Misfit                // a final answer without the form of the agent; Classify does not know the form
)

// String returns the name of the class in events and errors.
func (c Class) String() string {
	return [...]string{"calls", "final", "cut_off", "lost_calls", "no_call", "empty", "length", "content_filter", "refusal", "error", event.MisfitOutput}[c]
}

// Classify classifies an answer by the decision table (design D4) and by the tool choice
// of its turn.
func Classify(m llm.Message, f llm.Finish, choice llm.ToolChoice) Class {
	calls, content := contents(m)
	switch {
	// A provider that failed or filtered may have lost a part of the calls, so none runs.
	case f.Reason == llm.FinishError:
		return Broken
	case f.Reason == llm.FinishContentFilter:
		return Filtered
	case f.Reason == llm.FinishLength && calls:
		return CutOff
	case calls:
		return RunCalls
	case m.Refusal() != "":
		return Refused
	case f.Reason == llm.FinishLength:
		return Short
	case !content:
		return Empty
	case f.Reason == llm.FinishToolCalls:
		return Lost
	case Forced(choice):
		return NoCall
	}
	return Final
}

// Forced reports whether a tool choice makes the model call a tool.
func Forced(c llm.ToolChoice) bool {
	_, named := c.Named()
	mode, _, _ := c.Among()
	return named || c == llm.ToolRequired || mode == llm.ToolRequired
}

// permits reports whether a tool choice allows a call of the tool.
func permits(c llm.ToolChoice, tool string) bool {
	if name, named := c.Named(); named {
		return name == tool
	}
	if _, names, among := c.Among(); among {
		return slices.Contains(names, tool)
	}
	return c != llm.ToolNone
}

// contents reports whether m holds calls, and whether m holds content. White
// space and reasoning do not count as content.
func contents(m llm.Message) (calls, content bool) {
	for _, p := range m.Parts {
		switch p := p.(type) {
		case llm.ToolCall:
			calls = true
		case llm.Text:
			content = content || strings.TrimSpace(p.Text) != ""
		case llm.Image, llm.Audio, llm.File, llm.RawPart:
			content = true
		}
	}
	return calls, content
}
