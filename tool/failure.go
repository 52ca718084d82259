package tool

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// A Failure says why a call has no result. The names are stable: they stand in
// events and may be compared with.
type Failure string

// The failures. Each has one text for the model; see [Fail].
const (
	UnknownTool      Failure = "unknown_tool"      // no tool has that name
	InvalidJSON      Failure = "invalid_json"      // the arguments are no acceptable JSON object
	InvalidArguments Failure = "invalid_arguments" // they don't fit the schema or the Go type, or the tool said Retry
	TimedOut         Failure = "timed_out"         // the tool passed its deadline; it may have had an effect
	Panicked         Failure = "panicked"          // the tool's function panicked or ended its goroutine
	Failed           Failure = "failed"            // the tool's function returned an error
	Denied           Failure = "denied"            // a person or a policy refused the call; it did not run
	NotRun           Failure = "not_run"           // the call was not run: the run ended before, its reply was cut off, or no call of the tool was asked for
	OutcomeUnknown   Failure = "outcome_unknown"   // it was started, and nobody knows how it ended
)

// maxOwnMessage bounds it where a function wrote it as an [Error] of its own: the
// output of a compiler, say, or what another program answered.
const maxOwnMessage = 16 << 10

// An Error is a failed tool call: what the model reads of it, and what the
// program knows of it. It is found by [errors.AsType], and errors.Is sees the
// cause through it.
type Error struct {
	Failure Failure
	// Message is what the model reads: valid UTF-8, credentials in URLs cut, at
	// most about 1 KB, without Go names, paths or the text of a panic. A function
	// that returns an Error of its own says up to 16 KB.
	Message string
	// Err is the cause, for the program. Nil where there is none beyond the
	// failure itself.
	Err error
	// Stack is the stack of a panic, for the log; nil otherwise.
	Stack []byte
}

// Error returns the failure and its cause, credentials in URLs cut.
func (e *Error) Error() string {
	if e.Err != nil {
		return string(e.Failure) + ": " + tree.SafeText(e.Err.Error(), tree.MaxMessage)
	}
	return string(e.Failure) + ": " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Fail returns the failure of a call with the text that the model reads. What
// detail is depends on the failure, and it may be empty in each:
//
//   - UnknownTool: the name that was called (see [Unknown]);
//   - TimedOut: the time that the tool had, for example "30s";
//   - Failed: what went wrong;
//   - InvalidJSON, InvalidArguments, Denied, NotRun: the reason;
//   - Panicked, OutcomeUnknown: not used.
//
// cause is kept for the program and never shown to the model; it may be nil.
func Fail(f Failure, detail string, cause error) *Error {
	detail = tree.SafeText(detail, tree.MaxMessage-256) // room for the sentence around it
	return &Error{Failure: f, Message: failureText(f, detail), Err: cause}
}

// failureText is the table of what a model reads of each failure.
func failureText(f Failure, detail string) string {
	switch f {
	case UnknownTool:
		return "There is no tool named " + tree.Quote(detail) + ". Call only tools that you were offered."
	case InvalidJSON:
		return "The call was rejected: " + orElse(detail, "its arguments are not a JSON object") + ".\n" +
			"Send the call again with its arguments as one complete JSON object."
	case InvalidArguments:
		return orElse(detail, "The arguments do not fit the tool.") + "\nSend the call again with corrected arguments."
	case TimedOut:
		return "The tool did not finish " + within(detail) + " and was given up. " +
			"It may have had an effect all the same: check before you call it again."
	case Panicked:
		return "The tool broke down because of an internal fault, which is not yours. " +
			"The same call is likely to break down again."
	case Denied:
		return "The call was denied" + because(detail) + ". It did not run. " +
			"Do not repeat it: go on without it, or ask the user."
	case NotRun:
		return "The call did not run" + because(detail) + ". It had no effect: call again if it is still needed."
	case OutcomeUnknown:
		return "It is not known whether the call took effect: it was started, and its end was never recorded. " +
			"Check before you call it again."
	}
	return orElse(detail, "The tool failed and gave no reason.")
}

func orElse(s, other string) string {
	if strings.TrimSpace(s) == "" {
		return other
	}
	return s
}

func within(d string) string {
	if d == "" {
		return "in time"
	}
	return "within " + d
}

func because(reason string) string {
	reason = strings.TrimRight(strings.TrimSpace(reason), ".")
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// Unknown is the failure of a call to a tool that was not offered. Its text
// names the one that was probably meant and as many of those offered, in their
// order, as fit.
func Unknown(name string, offered ...string) *Error {
	var b strings.Builder
	b.WriteString("There is no tool named " + tree.Quote(name) + ".")
	if meant := tree.Closest(name, offered); meant != "" {
		b.WriteString(" Did you mean " + tree.Quote(meant) + "?")
	}
	if len(offered) == 0 {
		b.WriteString(" No tools are offered: answer without one.")
	} else {
		b.WriteString(" The tools are: " + tree.List(offered, tree.MaxMessage-b.Len()-64) + ".")
	}
	return &Error{Failure: UnknownTool, Message: b.String()}
}

// Retry is the error of a tool that wants to be called again in another way:
// the model reads the hint and is asked to send the call again. It is reported
// as InvalidArguments, and counts like arguments that do not fit the schema.
func Retry(hint string) error { return &retryError{hint} }

// Abort is the error of a tool that ends the run with err, which errors.Is and
// errors.As find in the run's error. A nil err ends it with an error that says
// only this.
func Abort(err error) error {
	return &abortError{cmp.Or(err, errAborted)}
}

// Hide is the error of a tool whose text the model must not read: it is told
// only that the tool failed. The program still finds err, and so does whoever
// reads the event (its Error, redacted as all texts are). Hide(nil) is an error
// that hides nothing.
func Hide(err error) error { return &hiddenError{cmp.Or(err, errHidden)} }

// IsAbort reports whether err is, or wraps, an [Abort].
func IsAbort(err error) bool {
	_, ok := errors.AsType[*abortError](err)
	return ok
}

var (
	errAborted = errors.New("the tool ended the run")
	errHidden  = errors.New("the tool failed")
)

type (
	retryError  struct{ hint string }
	abortError  struct{ err error }
	hiddenError struct{ err error }
)

func (e *retryError) Error() string { return "retry: " + tree.Cut(e.hint, maxOwnMessage) }

func (e *abortError) Error() string { return e.err.Error() }

func (e *abortError) Unwrap() error { return e.err }

func (e *hiddenError) Error() string { return e.err.Error() }

func (e *hiddenError) Unwrap() error { return e.err }

// failed makes an Error of what a tool's function returned.
func failed(err error) *Error {
	if e, ok := err.(*Error); ok && e != nil { //nolint:errorlint // one further down speaks of another call
		own := *e
		own.Message = tree.SafeText(orElse(own.Message, failureText(own.Failure, "")), maxOwnMessage)
		return &own
	}
	if IsAbort(err) {
		return Fail(Failed, "The tool ended the run.", err)
	}
	if _, ok := errors.AsType[*hiddenError](err); ok {
		return Fail(Failed, "The tool failed. The reason is not for you to see; the same call may fail again.", err)
	}
	if r, ok := errors.AsType[*retryError](err); ok {
		return Fail(InvalidArguments, r.hint, err)
	}
	return Fail(Failed, err.Error(), err)
}

// panicked makes an Error of a panic. The model learns nothing of its value.
func panicked(v any, stack []byte) *Error {
	text, ok := v.(string)
	if !ok {
		text = fmt.Sprint(v) // which survives a panic of its own methods
	}
	cause, _ := v.(error)
	e := Fail(Panicked, "", &panicError{"panic: " + tree.Cut(text, maxOwnMessage), cause})
	e.Stack = stack
	return e
}

// A panicError is the value of a panic; its cause is nil if that is no error.
type panicError struct {
	text  string
	cause error
}

func (e *panicError) Error() string { return e.text }

func (e *panicError) Unwrap() error { return e.cause }
