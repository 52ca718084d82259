package runner

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A safe text may leave the run: a literal of this package, or a text of the redactor.
// The type keeps the texts of tools, models and people out of [failed], so only the
// redactor makes failures of such texts.
type safe string

// finished returns the event of a call that ended with parts. Only the redactor and
// builtinResult have parts that may leave the run.
func finished(c loop.Call, parts llm.Parts) event.ToolCallFinished {
	return event.ToolCallFinished{
		Call:   c.Ref,
		Result: llm.ToolResult{CallID: c.Call.ID, Name: c.Call.Name, Parts: parts},
	}
}

// failed returns the event of a call without a result of its own. The model reads the
// message; cause is for the program.
func failed(c loop.Call, f tool.Failure, message, cause safe) event.ToolCallFinished {
	b := finished(c, llm.Parts{llm.Text{Text: string(message)}})
	b.Result.IsError = true
	b.Failure, b.Error = string(f), string(cause)
	b.Rejected = f == tool.UnknownTool || f == tool.InvalidJSON || f == tool.InvalidArguments
	return b
}

// notRun returns the event of a call that did not run, for a reason of the runner.
func notRun(c loop.Call, reason safe) event.ToolCallFinished {
	return failed(c, tool.NotRun, safe(tool.Fail(tool.NotRun, string(reason), nil).Message), "")
}

// neverFinished returns the event of an open call that never gets a result of its own.
// Its text says whether the call can have had an effect. A wrong "did not run" would
// make the model repeat a payment, so every start without a recorded end counts as a
// possible effect.
func neverFinished(c loop.Call) event.ToolCallFinished {
	switch {
	case c.Nested != nil:
		text := safe("The helper was interrupted before its answer. What it has done until then stays done.")
		if names := unknownCalls(c.Nested); names != "" { // of tools of the program
			text += safe(" " + names)
		}
		return failed(c, tool.OutcomeUnknown, text, "")
	case c.Status == loop.Late:
		return failed(c, tool.OutcomeUnknown, "The call was started, and its result had not come when the conversation went on. "+
			"It may have its effect all the same: check before you call it again.", "")
	case c.Status == loop.Started, c.MayHaveRun:
		return failed(c, tool.OutcomeUnknown, safe(tool.Fail(tool.OutcomeUnknown, "", nil).Message), "")
	case c.Status == loop.Asked:
		return notRun(c, "nobody approved it before the conversation went on")
	case c.Status == loop.Cleared:
		return notRun(c, "the conversation went on before it began")
	}
	return notRun(c, "the run ended before it began")
}

// unknownCalls returns a sentence about the calls in a helper's run whose effect nobody knows,
// or "". A model that does not read of a payment pays again.
func unknownCalls(s *loop.State) string {
	var names []string
	for _, c := range s.OpenBelow() {
		if c.Nested == nil && (c.Status == loop.Started || c.Status == loop.Late || c.MayHaveRun) {
			names = append(names, c.Call.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "Nobody knows the outcome of its calls: " + strings.Join(names, ", ")
}

// placeholder is the result in the history of a call that has no result. In a session the
// call may still get one.
func (e *engine) placeholder(c loop.Call) llm.ToolResult {
	if e.session != "" {
		return openPlaceholder(c)
	}
	return neverFinished(c).Result
}

// closings returns the events of calls that must not run: the answer was cut off, the tool
// choice forbids them, a check refused them or stopped the run, or they exceed the limit.
func closings(a loop.Close, choice llm.ToolChoice) []event.Body {
	bodies := make([]event.Body, len(a.Calls))
	for i, c := range a.Calls {
		if a.OverLimit && !c.CutOff && !c.Forbidden {
			bodies[i] = notRun(c, "the calls of your reply exceed the number of calls that this run may make")
			continue
		}
		if c.Refused() != "" {
			bodies[i] = refused(c)
			continue
		}
		if !c.CutOff && !c.Forbidden { // a check stopped the run
			bodies[i] = notRun(c, "a check of the program ended the run")
			if c.MayHaveRun {
				bodies[i] = neverFinished(c)
			}
			continue
		}
		if c.CutOff {
			bodies[i] = notRun(c, "your reply was cut off by the limit on its length; "+
				"make the call again, with shorter arguments or fewer calls at once")
			continue
		}
		bodies[i] = forbidden(c, choice)
	}
	return bodies
}

// notRunText begins what the model reads about a refused call.
const notRunText = "The call did not run"

// refused returns the event of a call that a check of the agent refused. The text was
// redacted when the check said it.
func refused(c loop.Call) event.ToolCallFinished {
	if c.MayHaveRun {
		why := strings.TrimPrefix(c.Refused(), notRunText)
		return failed(c, tool.OutcomeUnknown, safe(tool.Fail(tool.OutcomeUnknown, "", nil).Message+" It was not run again"+why), "")
	}
	b := failed(c, tool.Denied, safe(c.Refused()), "")
	b.Rejected = true
	return b
}

// forbidden returns the event of a call that the tool choice forbids.
func forbidden(c loop.Call, choice llm.ToolChoice) event.ToolCallFinished {
	message := safe("The call did not run: no tool may be called in this turn. Answer without one.")
	if name, named := choice.Named(); named { // the name of a tool of the program
		message = safe(fmt.Sprintf("The call did not run: only the tool %q may be called in this turn. Call that tool.", name))
	}
	if _, names, among := choice.Among(); among {
		message = safe(fmt.Sprintf("The call did not run: only the tools %q may be called in this turn.", names))
	}
	b := failed(c, tool.NotRun, message, "")
	b.Rejected = true
	return b
}

// builtinResult returns the event of a call of a provider's own tool. The result is the
// arguments, letter for letter: the provider wrote the arguments, and runs the tool when
// it reads them.
func builtinResult(c loop.Call) event.ToolCallFinished {
	return finished(c, llm.Parts{llm.Text{Text: c.Call.Arguments}})
}

// checkResult returns why parts cannot be the result of a call. Empty means that the
// parts can be a result.
func checkResult(parts llm.Parts) (reason string) {
	for _, p := range parts {
		switch p := p.(type) {
		case llm.Image, llm.Audio, llm.File, llm.RawPart:
			continue
		case llm.Text:
			if p.Text != "" && utf8.ValidString(p.Text) {
				continue
			}
			return "a text of the result is empty or no UTF-8"
		}
		return fmt.Sprintf("a part of the result is a %T", p)
	}
	return ""
}
