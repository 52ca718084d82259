package tool

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// A Tool is a function that a model can call: a name, a description, a schema of the
// arguments, and a Go function. Make a Tool with [New] or [NewRaw].
//
// A Tool is a small value. A Tool may be copied and is safe for concurrent use if its
// function is. The zero Tool cannot be called; see [Tool.IsZero].
type Tool struct{ spec *spec }

type spec struct {
	def         llm.ToolDef // without Strict; see schema.strict
	fingerprint string
	schema      *schema
	run         function

	timeout      time.Duration
	slots        chan struct{} // one token for each running call; nil means no bound
	alone        bool
	idempotent   bool
	polling      bool
	final        bool
	maxResult    int           // 0: the default
	external     bool          // the tool has no function
	results      *Form         // of an external tool; nil: any
	lateWithin   time.Duration // 0: no end
	lateText     string        // for the model, after lateWithin
	askWithin    time.Duration // for an approval; 0: no end
	askText      string        // for the model, after askWithin
	unchecked    bool          // AllowUnchecked was given
	approval     func(context.Context, json.RawMessage) (bool, error)
	approvalType reflect.Type // type that approval decodes the arguments into; nil without such a policy
	reconcile    func(context.Context, Call, json.RawMessage) (any, bool, error)
}

// A function runs the tool. name is the name under which the model called the tool. A
// tool may be renamed after its function was made.
type function func(ctx context.Context, name string, args json.RawMessage) (any, error)

// New makes a tool from a Go function. Most programs use New.
//
// name must match ^[a-zA-Z0-9_-]{1,64}$. The schema of the arguments is reflected from
// In: a struct, a pointer to a struct, or a map with string keys. The package
// documentation lists the supported types. The model reads a default of a tag, but the
// default is never applied. If the schema cannot express a type or a tag, New returns an
// error that names the Go field. Calls never fail for this reason.
//
// fn runs only with arguments that fit the schema. Numbers in fields of type any are
// decoded as [json.Number], so that no digits are lost.
//
// The result of fn is rendered for the model:
//
//   - A string, a []byte or [json.RawMessage] of JSON, an [llm.Part] and [llm.Parts] are
//     used as they are.
//   - An [io.Reader] is read, and closed if the reader is an [io.Closer], before the call
//     ends.
//   - Every other value is written as JSON. An error inside a result is written as its
//     text, unless the error has a MarshalJSON, a MarshalText or json tags. New refuses
//     types without a form in JSON, such as channels, functions and maps with struct
//     keys, anywhere in Out.
//
// In a URL with a password, such as postgres://ann:s3cret@db, the user and the password
// are replaced by [redacted]; see the package documentation.
//
// If fn returns an error, the call failed, and the model reads the text of the error.
// [Retry], [Abort], [Hide] and [Later] change this.
func New[In, Out any](name, description string, fn func(context.Context, In) (Out, error), opts ...Option) (Tool, error) {
	if fn == nil {
		return Tool{}, constructError(name, errors.New("the function is nil"))
	}
	sch, err := schemaFor(reflect.TypeFor[In]())
	if err == nil {
		err = checkResult(reflect.TypeFor[Out]())
	}
	if err != nil {
		return Tool{}, constructError(name, err)
	}
	read := decoderOf(reflect.TypeFor[In]())
	sch.decode = func(args json.RawMessage) error { return read(args, new(In)) }
	return newTool(name, description, reflect.TypeFor[In](), sch, func(ctx context.Context, name string, args json.RawMessage) (any, error) {
		var in In
		if err := read(args, &in); err != nil {
			return nil, decodeFailure(callOf(name), err)
		}
		return fn(ctx, in)
	}, opts)
}

// NewRaw makes a tool from a JSON Schema and a function that takes the arguments as
// JSON. NewRaw is for tools that are described elsewhere. Out is rendered as by [New].
//
// The schema must describe an object. Missing "type" and "properties" are added at the
// top. An empty schema and null describe an object without properties. Keywords are
// validated by draft 2020-12 or by the draft that "$schema" names. Without "$schema",
// tuples and exclusive bounds may have the form of older drafts. "nullable": true of
// OpenAPI means the type or null. Patterns are those of ECMA-262; a pattern that Go
// cannot compile, such as a lookahead, is not checked. References cannot leave the
// schema.
//
// The model does not see "$schema", "$id", "$comment" and "title". Providers refuse
// combinations at the top (oneOf, anyOf, allOf, not, enum), so these are not sent,
// except for the properties of allOf. Arguments are still validated against all of them.
// The model reads a default in the description, but the default is never applied. A
// reference at the top is replaced by its target.
//
// Common mistakes are repaired if their meaning is clear: "int" and "dict" as types,
// "any", "required": true of a property, "required" among the properties, null for a
// keyword, [] for {}, a bound in a string, a reference to a definition that is
// elsewhere. [Tool.SchemaRepairs] lists the repairs. Further mistakes are errors with
// the place; see [AllowUnchecked]. An empty "enum" is always an error.
//
// fn runs only with arguments that fit the schema. A schema without
// "additionalProperties": false admits further properties, also with names that
// differ from a declared name only in case. [json.Unmarshal] into a struct matches
// names in any case, and the last value wins: {"amount":10,"AMOUNT":99999} passes a
// maximum of "amount" and is decoded as 99999. Close the schema, decode into a map,
// or use [New], which refuses these names.
func NewRaw[Out any](name, description string, schema json.RawMessage, fn func(context.Context, json.RawMessage) (Out, error), opts ...Option) (Tool, error) {
	if fn == nil {
		return Tool{}, constructError(name, errors.New("the function is nil"))
	}
	sch, err := rawSchema(schema)
	if err == nil {
		err = checkResult(reflect.TypeFor[Out]())
	}
	if err != nil {
		return Tool{}, constructError(name, err)
	}
	return newTool(name, description, nil, sch, func(ctx context.Context, _ string, args json.RawMessage) (any, error) {
		return fn(ctx, slices.Clone(args))
	}, opts)
}

var (
	namePattern = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	errName     = errors.New("a name has 1 to 64 of the characters a-z A-Z 0-9 _ -")
)

func newTool(name, description string, in reflect.Type, sch *schema, run function, opts []Option) (Tool, error) {
	if !namePattern.MatchString(name) {
		return Tool{}, constructError(name, errName)
	}
	sch.strict = sync.OnceValues(sch.makeStrict)
	s := &spec{
		def:    llm.ToolDef{Name: name, Description: strings.ToValidUTF8(description, "\uFFFD"), Schema: sch.wire},
		schema: sch,
		run:    run,
	}
	for _, opt := range opts {
		if opt == nil {
			return Tool{}, constructError(name, errors.New("an option is nil"))
		}
		if err := opt(s); err != nil {
			return Tool{}, constructError(name, err)
		}
	}
	if err := s.checkApprovalType(in); err != nil {
		return Tool{}, constructError(name, err)
	}
	if err := s.checkUnchecked(); err != nil {
		return Tool{}, constructError(name, err)
	}
	s.setFingerprint()
	return Tool{s}, nil
}

// checkUnchecked refuses a schema that does not compile, unless AllowUnchecked was
// given. The model then sees only the readable parts of the schema.
func (s *spec) checkUnchecked() error {
	switch {
	case s.schema.unchecked == nil:
		return nil
	case !s.unchecked:
		return s.schema.unchecked
	}
	err := s.schema.dropUnreadable()
	s.def.Schema = s.schema.wire
	return err
}

// setFingerprint sets the fingerprint.
func (s *spec) setFingerprint() {
	h := sha256.New()
	for _, part := range []string{s.def.Name, s.def.Description, string(s.def.Schema)} {
		fmt.Fprintf(h, "%d:%s", len(part), part) // the length keeps different definitions apart
	}
	s.fingerprint = hex.EncodeToString(h.Sum(nil)[:16])
}

func constructError(name string, err error) error {
	return fmt.Errorf("tool %s: %w", tree.Quote(name), err)
}

// Must returns t, and panics if err is not nil. Must is for tools that are made when a
// program starts.
func Must(t Tool, err error) Tool {
	if err != nil {
		panic(err)
	}
	return t
}

// IsZero reports whether t was not made by [New] or [NewRaw].
func (t Tool) IsZero() bool { return t.spec == nil }

// Name returns the name of the tool, or "" for the zero Tool.
func (t Tool) Name() string {
	if t.spec == nil {
		return ""
	}
	return t.spec.def.Name
}

// Def returns the definition of the tool for a model. The schema always describes an
// object, with "type" and "properties". The first call builds the strict form. The
// caller owns the bytes.
func (t Tool) Def() llm.ToolDef {
	if t.spec == nil {
		return llm.ToolDef{}
	}
	def := t.spec.def
	def.Schema = slices.Clone(def.Schema)
	strict, _ := t.spec.schema.strict() // NotStrict reports the error
	def.Strict = slices.Clone(strict)
	return def
}

// RawSchema returns the schema exactly as given to [NewRaw], without repairs, for
// recipients that support more of JSON Schema than providers do. RawSchema returns nil
// for a tool of [New]. The caller owns the bytes.
func (t Tool) RawSchema() json.RawMessage {
	if t.spec == nil {
		return nil
	}
	return slices.Clone(t.spec.schema.raw)
}

// NotStrict returns nil if [Tool.Def] has a strict form. Otherwise, the error says why
// not, in one line that names the place in the schema: an object with arbitrary
// properties, a value of any type, allOf and other conditions, recursion, or a size
// beyond the limits of providers. Without a strict form, the plain schema is sent.
//
// In the strict form, null stands for an absent optional property, and [Tool.Parse]
// removes the null again. A property that also admits null has no strict form, because
// null would have two meanings. There are two exceptions. The first exception is a
// property whose default is null. The second exception is a tool that was made by [New]:
// there an absent property and null both become nil, so nothing is lost (except for a
// property of type [json.RawMessage], or of a type with an UnmarshalJSON).
func (t Tool) NotStrict() error {
	if t.spec == nil {
		return Unknown("")
	}
	if _, err := t.spec.schema.strict(); err != nil {
		return fmt.Errorf("tool %s has no strict form: %w", tree.Quote(t.spec.def.Name), err)
	}
	return nil
}

// Timeout returns the time limit of one call. Zero means the runner's default. -1 means
// no limit.
func (t Tool) Timeout() time.Duration {
	if t.spec == nil {
		return 0
	}
	return t.spec.timeout
}

// Alone reports whether calls of the tool run alone in their turn; see [Alone].
func (t Tool) Alone() bool { return t.spec != nil && t.spec.alone }

// Idempotent reports whether a call may be repeated; see [Idempotent].
func (t Tool) Idempotent() bool { return t.spec != nil && t.spec.idempotent }

// Final reports whether a successful result is the answer of the run; see [Final].
func (t Tool) Final() bool { return t.spec != nil && t.spec.final }

// Polling reports whether a call may be repeated with the same result; see [Polling].
func (t Tool) Polling() bool { return t.spec != nil && t.spec.polling }

// Bounded reports whether calls of the tool need a slot; see [Concurrency].
func (t Tool) Bounded() bool { return t.spec != nil && t.spec.slots != nil }

// Unchecked returns the reason why the arguments are not validated against the schema;
// see [AllowUnchecked]. Nil means that the arguments are validated.
func (t Tool) Unchecked() error {
	if t.spec == nil {
		return nil
	}
	return t.spec.schema.unchecked
}

// SchemaRepairs lists the repairs of a schema given to [NewRaw], one sentence each.
// Nil means no repair. The caller owns the slice.
func (t Tool) SchemaRepairs() []string {
	if t.spec == nil {
		return nil
	}
	return slices.Clone(t.spec.schema.repairs)
}

// Fingerprint returns a digest of the name, the description and the schema of the tool.
// The digest is the same in every process. Fingerprint returns "" for the zero Tool.
func (t Tool) Fingerprint() string {
	if t.spec == nil {
		return ""
	}
	return t.spec.fingerprint
}

// Parse validates the arguments that a model wrote and returns canonical arguments for
// [Tool.Call]: the same members in the same order, without white space, each string and
// each whole number in one spelling (1.0 becomes 1).
//
// Parse repairs common mistakes if their meaning is clear and nothing is lost:
//
//   - An empty text and null become {}.
//   - One Markdown fence around the arguments is removed.
//   - Line breaks and other control characters in strings are accepted.
//   - A trailing comma and comments (//, /* */, #) are removed.
//   - A string becomes the array, object, number ("3") or boolean ("true") that the
//     string contains, where the schema wants such a value.
//   - Null for an optional property that does not admit null is removed.
//
// repairs describes each repair in one sentence. Parse never guesses.
//
// The error is an *[Error] of InvalidJSON or InvalidArguments, whose Message lists
// everything that the model must correct. A panic of a type's own UnmarshalJSON or
// UnmarshalText is an *[Error] of Panicked.
func (t Tool) Parse(arguments string) (args json.RawMessage, repairs []string, err error) {
	if t.spec == nil {
		return nil, nil, Unknown("")
	}
	defer func() {
		if v := recover(); v != nil {
			args, repairs, err = nil, nil, panicked(v, debug.Stack())
		}
	}()
	return t.spec.schema.parse(t.spec.def.Name, arguments)
}

// Accept is [Tool.Parse] for arguments that are right as they are, which is the usual
// case. If ok is false, nothing is known of the arguments, and Parse decides. Accept runs
// no code of the program, so Accept needs no limit of time.
func (t Tool) Accept(arguments string) (args json.RawMessage, ok bool) {
	if t.spec == nil {
		return nil, false
	}
	return t.spec.schema.accept(arguments)
}

// Result returns a text as the result of a call of the tool, within [MaxResult]. The runner
// uses Result for the answer of an agent that works as a tool.
func (t Tool) Result(ctx context.Context, text string) (llm.Parts, error) {
	if t.spec == nil {
		return nil, Unknown("")
	}
	c := CallFrom(ctx)
	return render(c, text, t.spec.bound(c))
}

// Call runs the function with arguments that [Tool.Parse] returned, on the caller's
// goroutine, and renders the result, which is never empty.
//
// The error is an *[Error]. A panic becomes such an error, and errors.Is finds the
// function's own error. [IsAbort] reports whether the error ends the run. Call has no
// deadline besides that of ctx, and cannot stop a function that ignores ctx. A function
// that calls runtime.Goexit (as t.FailNow does) ends the caller's goroutine, so an
// engine should run Call in a goroutine of its own.
func (t Tool) Call(ctx context.Context, args json.RawMessage) (parts llm.Parts, err error) {
	if t.spec == nil {
		return nil, Unknown("")
	}
	defer func() {
		if v := recover(); v != nil {
			parts, err = nil, panicked(v, debug.Stack())
		}
	}()
	out, err := t.spec.run(ctx, t.spec.def.Name, args)
	if err != nil {
		return nil, failed(err)
	}
	c := CallFrom(ctx)
	return render(c, out, t.spec.bound(c))
}
