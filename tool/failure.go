package tool

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// A Failure says why a call failed, did not run, or has an unknown outcome. The values
// are stable: events contain the values, and programs may compare them.
type Failure string

// The failures. Each failure has its own text for the model; see [Fail].
const (
	UnknownTool      Failure = "unknown_tool"      // no offered tool has the name
	InvalidJSON      Failure = "invalid_json"      // the arguments are not an acceptable JSON object
	InvalidArguments Failure = "invalid_arguments" // the arguments do not fit the schema or the Go type, or the tool returned Retry
	TimedOut         Failure = "timed_out"         // the tool passed its deadline and may have had an effect
	Panicked         Failure = "panicked"          // the tool's function panicked or ended its goroutine
	Failed           Failure = "failed"            // the tool's function returned an error
	Denied           Failure = "denied"            // a person or a policy refused the call; the call did not run
	NotRun           Failure = "not_run"           // the call did not run: the run had ended, the response was cut off, or the tool choice forbade the call
	OutcomeUnknown   Failure = "outcome_unknown"   // the call was started, and its end is unknown
	Deferred         Failure = "deferred"          // the result comes later, and the caller of the tool cannot wait; see Later
	Expired          Failure = "expired"           // what the call waited for did not come in time; see LateWithin
)

// maxOwnMessage bounds the message of an [Error] that a function returns, such as the
// output of a compiler or the response of another program.
const maxOwnMessage = 16 << 10

// An Error is a failed tool call, both for the model and for the program. Use
// [errors.AsType] to find an Error; errors.Is also finds the cause.
type Error struct {
	Failure Failure
	// Message is the text for the model: valid UTF-8 without credentials in URLs, Go
	// names, paths or the text of a panic. Message has at most about 1 KB, or 16 KB in
	// an Error that a function returns.
	Message string
	// Err is the cause, for the program. Nil means that the failure has no further
	// cause.
	Err error
	// Stack is the stack of a panic, for the log. Stack is nil for other failures.
	Stack []byte
}

// Error returns the failure and its cause, without credentials in URLs.
func (e *Error) Error() string {
	if e.Err != nil {
		return string(e.Failure) + ": " + tree.SafeText(e.Err.Error(), tree.MaxMessage)
	}
	return string(e.Failure) + ": " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Fail returns the failure of a call with the text that the model reads. The meaning of
// detail depends on the failure, and detail may always be empty:
//
//   - UnknownTool: the name that was called (see [Unknown]);
//   - TimedOut: the time limit of the tool, for example "30s";
//   - Failed: what went wrong;
//   - InvalidJSON, InvalidArguments, Denied, NotRun: the reason;
//   - Expired: the whole text;
//   - Panicked, OutcomeUnknown, Deferred: not used.
//
// cause is for the program and never shown to the model. cause may be nil.
func Fail(f Failure, detail string, cause error) *Error {
	detail = tree.SafeText(detail, tree.MaxMessage-256) // leaves room for the sentence around the detail
	return &Error{Failure: f, Message: failureText(f, detail), Err: cause}
}

// failureText returns the text of each failure for the model.
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
	case Deferred:
		return deferredText
	case Expired:
		return orElse(detail, "The result did not come in time. The call may have had its effect all the same: check before you call it again.")
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

// Unknown returns the failure of a call to a tool that was not offered. The text names
// the most similar offered tool, and as many of the offered tools as fit, in order.
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

// Retry returns an error for a tool's function that wants another call with different
// arguments. The model reads the hint and is asked to send the call again. The failure
// is InvalidArguments, and counts like arguments that do not fit the schema.
func Retry(hint string) error { return &retryError{hint} }

// Abort returns an error for a tool's function that ends the run with err. errors.Is and
// errors.As find err in the run's error. A nil err ends the run with a general error.
func Abort(err error) error {
	return &abortError{cmp.Or(err, errAborted)}
}

// Hide returns an error whose text the model must not read: the model reads only that
// the tool failed. The program still finds err, and the Error of the event
// ToolCallFinished has the text of err, redacted like all texts. Hide(nil) is a failure
// without a cause to hide.
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

func (e *retryError) Error() string { return "retry: " + clip.Cut(e.hint, maxOwnMessage) }

func (e *abortError) Error() string { return e.err.Error() }

func (e *abortError) Unwrap() error { return e.err }

func (e *hiddenError) Error() string { return e.err.Error() }

func (e *hiddenError) Unwrap() error { return e.err }

// failed makes an Error from the error of a tool's function.
func failed(err error) *Error {
	if e, ok := err.(*Error); ok && e != nil { //nolint:errorlint // a wrapped Error belongs to another call
		own := *e
		own.Message = tree.SafeText(orElse(own.Message, failureText(own.Failure, "")), maxOwnMessage)
		return &own
	}
	if _, later := IsLater(err); later {
		return Fail(Deferred, "", err)
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

// panicked makes an Error from a panic. The model sees nothing of the panic's value.
func panicked(v any, stack []byte) *Error {
	text, ok := v.(string)
	if !ok {
		text = fmt.Sprint(v) // fmt.Sprint survives a panic of v's own methods
	}
	cause, _ := v.(error)
	e := Fail(Panicked, "", &panicError{"panic: " + clip.Cut(text, maxOwnMessage), cause})
	e.Stack = stack
	return e
}

// A panicError is the value of a panic. cause is nil if the value is not an error.
type panicError struct {
	text  string
	cause error
}

func (e *panicError) Error() string { return e.text }

func (e *panicError) Unwrap() error { return e.cause }
