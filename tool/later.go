package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// Later returns an error for a tool's function whose effect has begun and whose result comes
// later, from outside of the run: a transfer that a bank confirms tomorrow, a job on another
// machine.
//
//	func pay(ctx context.Context, in Payment) (Receipt, error) {
//		id, err := bank.Transfer(in, tool.CallFrom(ctx).Key)
//		if err != nil {
//			return Receipt{}, err
//		}
//		return Receipt{}, tool.Later(id)
//	}
//
// handle is the tool's name for what the call waits for. The handle may be empty, and must
// not be a secret: it is stored in the session. The run does everything else, and then
// pauses; see runner.Pending.Result for the result. A [Reconcile] may return Later, too.
//
// Outside of a session nobody can hand in a result, so a run there ends with an error.
func Later(handle string) error { return &laterError{handle} }

// IsLater reports whether err is, or wraps, a [Later], and returns its handle.
func IsLater(err error) (handle string, later bool) {
	if e, ok := errors.AsType[*laterError](err); ok {
		return e.handle, true
	}
	return "", false
}

type laterError struct{ handle string }

func (e *laterError) Error() string {
	return "the result comes later: " + clip.Cut(e.handle, maxOwnMessage)
}

// deferredText is for callers that cannot wait, such as MCP clients. A runner waits.
const deferredText = "The call was started, and its result comes later. This caller cannot wait for the result: do not repeat the call."

// LateWithin sets how long a call waits for a result that comes later (see [Later] and
// [External]). When a run continues after that time, the run asks the [Reconcile] of the tool,
// if there is one: a result ends the call, and [Later] begins another wait. Otherwise the
// call ends as a failure, and the model reads text; if text is empty, the model reads that no
// result came in time. Without LateWithin, the call waits for ever.
//
// A result that comes after the time counts as long as no run has continued. A message that
// continues the run closes the call instead, and the model does not read text. The constructor
// refuses a time that is not positive.
func LateWithin(d time.Duration, text string) Option {
	return func(s *spec) error {
		if d <= 0 {
			return fmt.Errorf("late within %v: must be positive", d)
		}
		s.lateWithin, s.lateText = d, text
		return nil
	}
}

// LateWithin returns the time and the text of the option [LateWithin], or zero.
func (t Tool) LateWithin() (d time.Duration, text string) {
	if t.spec == nil {
		return 0, ""
	}
	return t.spec.lateWithin, t.spec.lateText
}

// External makes a tool without a function: a front end or another system executes the calls
// and hands in the results, as if a function had returned [Later]. The arguments are checked
// against In, by the rules of [New], and approval is possible. The call counts as started
// when the run has recorded it.
//
// Out is the form of the results: a result that does not fit is refused to the one that hands
// it in. A result of the type string, [json.RawMessage] or any has any form.
func External[In, Out any](name, description string, opts ...Option) (Tool, error) {
	form, err := resultForm[Out]()
	if err != nil {
		return Tool{}, constructError(name, err)
	}
	return New(name, description, func(context.Context, In) (Out, error) {
		var none Out
		return none, Later("")
	}, append(slices.Clip(opts), external(form))...)
}

// ExternalRaw is [External] for arguments that a JSON Schema describes, by the rules of
// [NewRaw].
func ExternalRaw[Out any](name, description string, schema json.RawMessage, opts ...Option) (Tool, error) {
	form, err := resultForm[Out]()
	if err != nil {
		return Tool{}, constructError(name, err)
	}
	return NewRaw(name, description, schema, func(context.Context, json.RawMessage) (Out, error) {
		var none Out
		return none, Later("")
	}, append(slices.Clip(opts), external(form))...)
}

func external(form *Form) Option {
	return func(s *spec) error {
		s.external, s.results = true, form
		return nil
	}
}

// resultForm returns nil for a type of any form.
func resultForm[Out any]() (*Form, error) {
	switch t := reflect.TypeFor[Out](); {
	case t.Kind() == reflect.Interface, t.Kind() == reflect.String, t == reflect.TypeFor[json.RawMessage]():
		return nil, nil
	}
	form, err := FormOf[Out]()
	if err != nil {
		return nil, fmt.Errorf("the result: %w", err)
	}
	return &form, nil
}

// External reports whether the tool was made by [External] or [ExternalRaw].
func (t Tool) External() bool { return t.spec != nil && t.spec.external }

// LateResult returns a result that was handed in for a call of the tool, as the model reads
// it: within [MaxResult] and without passwords of URLs. The error says why the result does
// not fit the form of the tool, or cannot be the result of a call.
func (t Tool) LateResult(ctx context.Context, parts llm.Parts) (llm.Parts, error) {
	if t.spec == nil {
		return nil, Unknown("")
	}
	if t.spec.results != nil {
		if len(parts) != 1 {
			return nil, errors.New("the result must be one text with JSON")
		}
		text, ok := parts[0].(llm.Text)
		if !ok {
			return nil, errors.New("the result must be a text with JSON")
		}
		if err := t.spec.results.fits(text.Text); err != nil {
			return nil, err
		}
	}
	c := CallFrom(ctx)
	return render(c, parts, t.spec.bound(c))
}

// handedIn is the wording for results that come from outside.
var handedIn = wording{
	mismatch:   "the result does not match its schema",
	tooComplex: "the result is too complex to check against its schema.",
	notChecked: "the result could not be checked against its schema.",
	unreadable: "does not have the form that the tool promises",
	misfit: func(detail string, cause error) *Error {
		return &Error{Failure: InvalidArguments, Message: tree.SafeText(detail, tree.MaxMessage), Err: cause}
	},
}

// fits checks the JSON of a program. Unlike the answer of a model, it is not repaired.
func (f Form) fits(text string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errors.New(panicked(v, nil).Error())
		}
	}()
	if !json.Valid([]byte(text)) {
		return errors.New("the result is not JSON")
	}
	v, err := tree.Parse(text, tree.ArgumentLimits)
	if err != nil {
		return fmt.Errorf("the JSON of the result: %w", err)
	}
	if f.spec.wrapped {
		bare := tree.Object()
		bare.Set("value", v)
		v = bare
	}
	done := new(tree.Repairs)
	if _, err := f.spec.schema.finish(handedIn, v, done); err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			return errors.New(e.Message)
		}
		return err
	}
	if all := done.List(); len(all) > 0 {
		return fmt.Errorf("the result does not match its schema: %s", strings.Join(all, "; "))
	}
	return nil
}
