package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"unicode"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// An Output is the form of an agent's final answer. Make an Output with [OutputOf]; use a
// literal for a schema that comes from elsewhere:
//
//	&agent.Output{Format: llm.OutputFormat{Schema: schema}}
//
// The schema of a literal must describe an object. A literal of the type "json_object"
// admits every object, and a literal of the type "text" admits every answer.
//
// The runner validates each final answer. An answer in a wrong form goes back to the
// model with the problems. An Output is safe for concurrent use; do not change an Output
// after the first run.
type Output struct {
	// Format is what a Model is asked for. Name and Description help the model and may be
	// changed. How the model is asked is a matter of the provider; see openai.Profile.
	Format llm.OutputFormat
	// Retries bounds the answers of a run that go back to the model, whatever the model
	// does between two answers. Zero means 2. -1 means that the first wrong answer ends
	// the run.
	Retries int

	form  tool.Form
	check func(context.Context, json.RawMessage) error
	err   error
	once  sync.Once // makes form and mark of a literal
	mark  string
}

// OutputOf returns the Output whose answers are values of the Go type T. The schema, the
// validation and the decoding follow the rules of [tool.New]. If T is not an object in
// JSON, such as a slice, the model writes an object with the member "value", and the
// result of the run is the value. T cannot be an interface: for one of several
// alternatives, use a struct with a pointer field for each alternative, and a check that
// counts the fields. If T has no schema, each run fails before its first request, with an
// error that names the Go field; see [Agent.Validate].
//
// The checks get each answer that fits the schema, in order. The model reads the text of
// their error, except after [tool.Hide], and corrects the answer. [tool.Abort] ends the run
// instead. A check may run for the runner's ToolTimeout, and runs again if the process dies
// before its outcome is recorded.
func OutputOf[T any](checks ...func(context.Context, T) error) *Output {
	o := &Output{Format: llm.OutputFormat{Name: nameOf(reflect.TypeFor[T]())}}
	if o.form, o.err = tool.FormOf[T](); o.err != nil {
		return o
	}
	shown, strict := o.form.Schema()
	o.Format.Schema = shown
	if strict != nil {
		o.Format.Schema, o.Format.Strict = strict, new(true)
	}
	o.check = func(ctx context.Context, document json.RawMessage) error {
		for _, check := range checks {
			var v T
			if err := rawjson.Decode(document, &v); err != nil {
				return err
			}
			if err := check(ctx, v); err != nil {
				return err
			}
		}
		return nil
	}
	return o
}

// nameOf returns the name of the format: letters, digits and _.
func nameOf(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name, _, _ := strings.Cut(t.Name(), "[") // type arguments are no part of the name
	var b strings.Builder
	for _, r := range name {
		if unicode.IsUpper(r) && b.Len() > 0 && b.String()[b.Len()-1] != '_' {
			b.WriteByte('_')
		}
		if r = unicode.ToLower(r); r < 128 {
			b.WriteRune(r)
		}
	}
	if b.Len() == 0 {
		return "output"
	}
	return b.String()
}

// Any reports whether every answer is a right answer: o is nil or of the type "text".
func (o *Output) Any() bool { return o == nil || o.Format.Type == "text" }

// Fingerprint returns a digest of the format, the same in every process.
func (o *Output) Fingerprint() string {
	if o.Any() || o.prepare() != nil {
		return ""
	}
	return o.mark
}

// prepare makes the form of a literal and the fingerprint.
func (o *Output) prepare() error {
	o.once.Do(func() {
		if o.err == nil && o.form == (tool.Form{}) {
			o.form, o.err = o.ownForm()
		}
		format, err := json.Marshal(o.Format)
		o.err = errors.Join(o.err, err)
		sum := sha256.Sum256(format)
		o.mark = hex.EncodeToString(sum[:8])
	})
	switch {
	case o.err != nil:
		return fmt.Errorf("output: %w", o.err)
	case o.Retries < -1:
		return fmt.Errorf("output: Retries is %d; -1 means none", o.Retries)
	}
	return nil
}

func (o *Output) ownForm() (tool.Form, error) {
	switch {
	case o.Format.Type == "json_object":
		return tool.FormRaw(nil)
	case o.Format.Type != "" && o.Format.Type != "json_schema":
		return tool.Form{}, fmt.Errorf("unknown type %q", o.Format.Type)
	case len(o.Format.Schema) == 0:
		return tool.Form{}, errors.New("there is no schema; use OutputOf")
	}
	return tool.FormRaw(o.Format.Schema)
}

// Partial returns the value in the beginning of an answer, whose open strings, arrays and
// objects the caller has closed. Nil means that the beginning has no value yet.
func (o *Output) Partial(document json.RawMessage) json.RawMessage {
	return o.form.Unwrap(document)
}

// Read validates an answer. value is the answer as canonical JSON; repairs describes each
// repair of the text in one sentence. A *[tool.Error] of [tool.InvalidJSON] or
// [tool.InvalidArguments] is about the form of the answer, and [tool.Denied] is the
// refusal of a check; both have the Message for the model. Any other error ends a run,
// such as a *[tool.Error] of [tool.Panicked]. Read returns when the checks return.
func (o *Output) Read(ctx context.Context, answer string) (value json.RawMessage, repairs []string, err error) {
	if err := o.prepare(); err != nil {
		return nil, nil, err
	}
	value, repairs, err = o.form.Parse(answer)
	if err != nil || o.check == nil {
		return value, repairs, err
	}
	defer func() {
		if v := recover(); v != nil {
			value, repairs = nil, nil
			err = &tool.Error{Failure: tool.Panicked, Message: "The check of the answer panicked.", Err: fmt.Errorf("panic: %v", v), Stack: debug.Stack()}
		}
	}()
	err = o.check(ctx, value)
	switch {
	case err == nil:
		return value, repairs, nil
	case tool.IsAbort(err), ctx.Err() != nil:
		return nil, nil, err
	}
	return nil, nil, o.form.Refused(err)
}
