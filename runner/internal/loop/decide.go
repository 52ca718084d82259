package loop

import (
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A Verdict classifies an answer of the model.
type Verdict int

// The verdicts. What the model wrote decides, and the finish reason only where
// it says that the answer is not whole: of a hundred real answers, two contradict
// "repeat until the finish reason is stop".
const (
	RunCalls Verdict = iota // its tool calls are run
	Final                   // it is the final answer
	CutOff                  // its calls were cut off: none is run, the model may try again
	Lost                    // it was to hold calls and holds none: the model may try again
	NoCall                  // the tool choice forces a call and there is none: the model may try again
	Empty                   // there is nothing in it: the model may try again
	Short                   // a final answer that was cut off: an error that keeps the text
	Filtered                // withheld by a filter: an error
	Refused                 // the model declined: an error
	Broken                  // the provider failed on the way: an error
)

// String returns the verdict's name in events and errors.
func (v Verdict) String() string {
	return [...]string{"calls", "final", "cut_off", "lost_calls", "no_call", "empty", "length", "content_filter", "refusal", "error"}[v]
}

// Decide judges an answer by the decision table (design D4) and by the tool choice of
// its turn.
func Decide(m llm.Message, f llm.Finish, choice llm.ToolChoice) Verdict {
	calls, content := contents(m)
	switch {
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
	return named || c == llm.ToolRequired
}

// permits reports whether a tool choice allows a call of the tool.
func permits(c llm.ToolChoice, tool string) bool {
	name, named := c.Named()
	return c != llm.ToolNone && (!named || name == tool)
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
