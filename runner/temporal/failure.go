package temporal

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// Kinds of failures. Each stands for a type or a value of package runner.
const (
	kindFinish   = "finish"
	kindOutput   = "output"
	kindCheck    = "check"
	kindAPI      = "api"
	kindAbort    = "abort"
	kindNoInput  = "no_input"
	kindDecision = "decision"
	kindOnce     = "once"
)

// failure returns an error as data, without secrets. nil is no failure.
func (a *activities) failure(err error) *flow.Failure {
	if err == nil {
		return nil
	}
	f := &flow.Failure{Text: a.redact(err.Error())}
	switch {
	case errors.Is(err, context.Canceled):
		f.Cause = flow.CauseCanceled
	case errors.Is(err, context.DeadlineExceeded):
		f.Cause = flow.CauseDeadline
	}
	f.Kind, f.Data = a.kindOf(err)
	return f
}

// kindOf returns the kind and the members of an error.
func (a *activities) kindOf(err error) (string, json.RawMessage) {
	if e, ok := errors.AsType[*runner.LimitError](err); ok {
		return flow.KindLimit, data(e)
	}
	if e, ok := errors.AsType[*runner.FinishError](err); ok {
		short := *e
		short.Refusal = a.redact(e.Refusal)
		return kindFinish, data(short)
	}
	if e, ok := errors.AsType[*runner.OutputError](err); ok {
		short := *e
		short.Problem = a.redact(e.Problem)
		return kindOutput, data(short)
	}
	if e, ok := errors.AsType[*runner.CheckError](err); ok {
		short := *e
		short.Reason = a.redact(e.Reason)
		return kindCheck, data(short)
	}
	if e, ok := errors.AsType[*runner.OnceError](err); ok {
		short := *e
		short.Failed = a.redact(e.Failed)
		return kindOnce, data(short)
	}
	if e, ok := errors.AsType[*runner.DecisionError](err); ok {
		d := decisionData{Call: e.Call, Reason: a.redact(e.Reason), Decided: e.Decided, Known: e.Known}
		if e.Err != nil {
			d.Refusal = a.redact(e.Err.Error())
		}
		return kindDecision, data(d)
	}
	if e, ok := errors.AsType[*llm.APIError](err); ok {
		plain := *e
		plain.Err, plain.Message = nil, a.redact(e.Message)
		return kindAPI, data(plain)
	}
	switch {
	case tool.IsAbort(err):
		return kindAbort, nil
	case errors.Is(err, runner.ErrPaused):
		return flow.KindPaused, nil
	case errors.Is(err, runner.ErrNoInput):
		return kindNoInput, nil
	}
	return "", nil
}

// decisionData has the members of a runner.DecisionError. Refusal is the text of its Err: the
// client may not have the type.
type decisionData struct {
	Call    event.CallRef
	Reason  string
	Refusal string           `json:",omitempty"`
	Decided *runner.Decision `json:",omitempty"`
	Known   bool             `json:",omitempty"`
}

// decisionError returns the error of data.
func decisionError(data json.RawMessage) error {
	var d decisionData
	_ = json.Unmarshal(data, &d) // what is there counts
	e := &runner.DecisionError{Call: d.Call, Reason: d.Reason, Decided: d.Decided, Known: d.Known}
	if d.Refusal != "" {
		e.Err = errors.New(d.Refusal)
	}
	return e
}

func data(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil // only without the members
	}
	return raw
}

// maxText bounds a text of an error, in bytes: the server refuses a large result of an activity,
// and a program's error can have any length. The log has the whole text.
const maxText = 4 << 10

// redact removes secrets and bounds the length. If Redact panics, nothing is told.
func (a *activities) redact(s string) (safe string) {
	defer func() { safe = clip.Bytes(safe, maxText) }()
	if a.worker.Runner.Redact == nil {
		return s
	}
	defer func() {
		if recover() != nil {
			safe = "(withheld: Redact panicked)"
		}
	}()
	return a.worker.Runner.Redact(s)
}

// A remoteError is an error of a run on a worker, with the text and the types of the worker.
type remoteError struct {
	text   string
	causes []error
}

func (e *remoteError) Error() string { return e.text }

func (e *remoteError) Unwrap() []error { return e.causes }

// errorOf returns the error of a failure, or nil.
func errorOf(f *flow.Failure) error {
	if f == nil {
		return nil
	}
	e := &remoteError{text: f.Text}
	if err := typed(f); err != nil {
		e.causes = append(e.causes, err)
	}
	switch f.Cause {
	case flow.CauseCanceled:
		e.causes = append(e.causes, context.Canceled)
	case flow.CauseDeadline:
		e.causes = append(e.causes, context.DeadlineExceeded)
	}
	return e
}

// typed returns the error of the kind, or nil.
func typed(f *flow.Failure) error {
	switch f.Kind {
	case flow.KindLimit:
		return filled(f.Data, new(runner.LimitError))
	case kindFinish:
		return filled(f.Data, new(runner.FinishError))
	case kindOutput:
		return filled(f.Data, new(runner.OutputError))
	case kindCheck:
		return filled(f.Data, new(runner.CheckError))
	case kindOnce:
		return filled(f.Data, new(runner.OnceError))
	case kindDecision:
		return decisionError(f.Data)
	case kindAPI:
		return filled(f.Data, new(llm.APIError))
	case kindAbort:
		return tool.Abort(errors.New(f.Text))
	case flow.KindPaused:
		return runner.ErrPaused
	case kindNoInput:
		return runner.ErrNoInput
	}
	return nil
}

// filled returns e with the members of data. An error of a newer worker may have more.
func filled(data json.RawMessage, e error) error {
	_ = json.Unmarshal(data, e) // what is there counts
	return e
}
