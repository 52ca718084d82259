package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// ErrNoInput says that no messages were given and that the session has no unfinished
// run. Code that resumes sessions may treat the session as done.
var ErrNoInput = errors.New("runner: no messages were given, and no conversation waits for an answer")

// A LimitError says that a bound ended the run.
type LimitError struct {
	// Limit is "turns", "invalid_rounds", "run_time", "depth", "budget", or a field of
	// [Limits]: "tool_calls", "input_tokens", "output_tokens", "tokens", "request_tokens",
	// "cost", "work_time", "handoffs", or "stall" for Repeats.
	Limit string
	// Max is the bound: a count, or for "run_time" and "work_time" a [time.Duration].
	Max int64
	// Cost is the bound of "cost", and of a "budget" of costs. Max is then 0.
	Cost float64
}

const (
	runTime = "run_time"
	depth   = "depth"
	budget  = "budget"
)

// Error names the limit.
func (e *LimitError) Error() string {
	switch e.Limit {
	case loop.TurnLimit:
		return fmt.Sprintf("limit of %d turns reached (MaxTurns)", e.Max)
	case loop.InvalidLimit:
		return fmt.Sprintf("limit reached: in %d turns in a row every tool call was wrong (MaxInvalidRounds)", e.Max)
	case depth:
		return fmt.Sprintf("limit of %d runs inside one another reached (MaxDepth)", e.Max)
	case loop.WorkLimit:
		return fmt.Sprintf("limit of %v of work reached (Limits.WorkTime)", time.Duration(e.Max))
	case runTime:
		return fmt.Sprintf("limit of %v for a run reached (RunTimeout)", time.Duration(e.Max))
	}
	if e.Cost > 0 {
		if e.Limit == budget {
			return fmt.Sprintf("budget of %v (Budget.Cost) is used up", e.Cost)
		}
		return fmt.Sprintf("%s limit of %v reached (Limits.Cost)", e.Limit, e.Cost)
	}
	if text, ok := limitTexts[e.Limit]; ok {
		return fmt.Sprintf(text, e.Max)
	}
	return fmt.Sprintf("limit %s of %d reached", e.Limit, e.Max)
}

// limitTexts are the texts of the fields of [Limits], and of a [Budget].
var limitTexts = map[string]string{
	loop.CallLimit:    "limit of %d tool calls reached (Limits.ToolCalls)",
	loop.InputLimit:   "limit of %d input tokens reached (Limits.InputTokens)",
	loop.OutputLimit:  "limit of %d output tokens reached (Limits.OutputTokens)",
	loop.TokenLimit:   "limit of %d tokens reached (Limits.Tokens)",
	loop.RequestLimit: "the next request exceeds %d tokens (Limits.RequestTokens)",
	loop.HandoffLimit: "limit of %d hand-offs reached (Limits.Handoffs)",
	loop.StallLimit:   "the calls repeat without a new result, twice %d times (Limits.Repeats)",
	budget:            "budget of %d tokens is used up",
}

// Is reports true for [context.DeadlineExceeded] if Limit is "run_time".
func (e *LimitError) Is(target error) bool {
	return e.Limit == runTime && target == context.DeadlineExceeded
}

// A FinishError says that the end of the model's answer makes the answer unusable. The
// Result has the text so far.
type FinishError struct {
	// Reason is "length" (the answer was cut off), "content_filter", "refusal" or "error"
	// (the provider failed during the answer).
	//
	// For four more problems, the run first asks the model once more. If the second answer
	// has such a problem, too, Reason is "cut_off" (the tool calls were cut off), "empty",
	// "lost_calls" (the answer announced calls and has none) or "no_call" (the tool choice
	// demands a call).
	Reason string
	Finish llm.Finish
	// Refusal is the text of the model's refusal. Empty for other reasons.
	Refusal string
}

// Error returns the reason, with the provider's own word.
func (e *FinishError) Error() string {
	text := map[string]string{
		loop.Short.String():    "the answer was cut off by the limit on tokens",
		loop.CutOff.String():   "the tool calls were cut off by the limit on tokens",
		loop.Filtered.String(): "a content filter withheld the answer",
		loop.Refused.String():  "the model declined to answer",
		loop.Empty.String():    "the answer was empty",
		loop.Lost.String():     "the answer announced tool calls and held none",
		loop.NoCall.String():   "the model called no tool, but the tool choice requires a call",
		loop.Broken.String():   "the provider failed while the model answered",
	}[e.Reason]
	if e.Refusal != "" {
		text += ": " + safeText(e.Refusal)
	}
	switch {
	case e.Finish.Raw == "completed", e.Finish.Raw == "incomplete": // a status of the Responses API says less than our own word
		return fmt.Sprintf("%s (finish reason %q)", text, e.Finish.Reason)
	case e.Finish.Native != "":
		return fmt.Sprintf("%s (finish reason %q, %q)", text, e.Finish.Raw, e.Finish.Native)
	}
	return fmt.Sprintf("%s (finish reason %q)", text, e.Finish.Raw)
}

// errLeft is the cause of contexts when the consumer left its loop.
var errLeft = errors.New("runner: the consumer left the loop")

// errUnwound ends a run in which the loop body, a model, instructions, Decide or a
// journal panicked or called runtime.Goexit. The panic continues on the caller's
// goroutine.
var errUnwound = errors.New("runner: a function of the caller's panicked or ended its goroutine")

// failureOf returns the error of a run that the machine ends.
func (e *engine) failureOf(a loop.Fail) error {
	if a.Limit != "" {
		return &LimitError{Limit: a.Limit, Max: a.Max, Cost: a.Cost}
	}
	s := e.recorder.snapshot()
	if t := a.Trip; t != nil {
		return fmt.Errorf("turn %d: %w", max(s.Turn, 1), &CheckError{Check: t.Check, Stage: t.Stage, Reason: t.Reason})
	}
	if a.Reason == loop.Misfit {
		return fmt.Errorf("turn %d: %w", s.Turn, &OutputError{Problem: s.Problem, Refused: !s.Misfit})
	}
	return fmt.Errorf("turn %d: %w", s.Turn, &FinishError{Reason: a.Reason.String(), Finish: s.Finish, Refusal: s.Refusal})
}

// causeOf returns why ctx ended, or nil. The error has the cause's own words, and
// errors.Is finds context.Canceled or context.DeadlineExceeded.
func causeOf(ctx context.Context) error {
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(cause, ctx.Err()) || errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return fmt.Errorf("%w: %w", ctx.Err(), cause)
}
