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
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// A Tool is something that a model can call: a name, a description, a schema of
// its arguments, and a Go function. Make one with [New] or [NewRaw].
//
// A Tool is a small value that may be copied and used by any number of
// goroutines at once, provided that its function may. The zero Tool is none;
// see [Tool.IsZero].
type Tool struct{ spec *spec }

type spec struct {
	def         llm.ToolDef
	notStrict   error // why def has no strict form
	fingerprint string
	schema      *schema
	run         function

	timeout    time.Duration
	slots      chan struct{} // a token for each call that runs; nil: no bound
	alone      bool
	idempotent bool
	maxResult  int
	unchecked  bool // a schema that does not compile is allowed
	approval   func(context.Context, json.RawMessage) (bool, error)
	judged     reflect.Type // what approval decodes the arguments into; nil: nothing
	reconcile  func(context.Context, Call, json.RawMessage) (any, bool, error)
}

// function is a tool's function. name is what the model calls the tool, which
// may be renamed later than the function is made.
type function func(ctx context.Context, name string, args json.RawMessage) (any, error)

// New makes a tool of a Go function.
//
// name matches ^[a-zA-Z0-9_-]{1,64}$. The schema of the arguments is reflected
// from In, a struct (or a pointer to one, or a map with string keys); see the
// package documentation for what of Go it understands. A default in a tag is
// told to the model and never applied. What cannot be expressed is an error
// here that names the Go field, never one at a call. So is a description of the
// schema in the struct tags that does not compile.
//
// fn sees only arguments that fit the schema. Numbers in fields of type any are
// decoded as [json.Number], so that none loses digits. What it returns is
// rendered for the model: text (a string, a []byte or [json.RawMessage] of JSON)
// and [llm.Part] and [llm.Parts] as they are, an [io.Reader] as the text that it
// holds (it is read, and closed if it is an [io.Closer], before the call ends),
// anything else as JSON. An error in a result is its text there, unless it has a
// MarshalJSON, a MarshalText or json tags. A type that JSON has no form for, such as
// a channel, a function or a map whose keys are structs, is an error here, wherever
// in Out it stands. A password in a URL of a result, as in postgres://ann:s3cret@db,
// is replaced by [redacted] with its user; see the package comment. An error that fn
// returns is a failed call whose text the model reads; [Retry], [Abort] and [Hide]
// say otherwise.
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
	sch.decode = func(args json.RawMessage) error { return decode(args, new(In)) }
	return newTool(name, description, reflect.TypeFor[In](), sch, func(ctx context.Context, name string, args json.RawMessage) (any, error) {
		var in In
		if err := decode(args, &in); err != nil {
			return nil, decodeFailure(name, err)
		}
		return fn(ctx, in)
	}, opts)
}

// NewRaw makes a tool of a JSON Schema and a function that takes the arguments
// as JSON: for tools that are described elsewhere. The schema must be one of an
// object; "type" and "properties" are added where it lacks them. "$schema",
// "$id", "$comment" and "title" are not sent to the model, nor are combinations
// at its top (oneOf, anyOf, allOf, not, enum), which providers refuse: arguments
// are still held to them, and the properties of allOf are sent. A default is told in
// the description and never applied. A reference at its top is shown as what it leads
// to. No schema or null is one without properties. Keywords are validated as draft 2020-12 says, or the
// draft that "$schema" names; without one, tuples and exclusive bounds may be
// written as older drafts have them. "nullable": true, of OpenAPI, is read as the
// type or null. Expressions are those of ECMA-262; one that Go cannot read, such
// as a lookahead, forbids nothing. No reference leaves the schema.
//
// What is no JSON Schema is repaired where its meaning is plain: "int" and "dict" as
// types, "any", true as "required" of a property, "required" among the properties,
// null for a keyword, [] for {}, a bound in a string, a reference to a definition that
// stands elsewhere. [Tool.SchemaRepairs] tells it. Anything else is an error that
// names the place; see [AllowUnchecked]. An empty "enum" is always an error.
//
// fn sees only arguments that fit the schema. Where it admits properties that it
// does not name, as it does without "additionalProperties": false, there may be
// some that differ from a named one in case alone. [json.Unmarshal] into a struct
// matches names in any case and takes the last: {"amount":10,"AMOUNT":99999} would
// pass a maximum of "amount" and be decoded as 99999. Close such a schema, decode
// into a map, or use [New], which refuses these names. Out is rendered as by [New].
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
	strict, notStrict := sch.strict()
	s := &spec{
		def:       llm.ToolDef{Name: name, Description: strings.ToValidUTF8(description, "\uFFFD"), Schema: sch.wire, Strict: strict},
		notStrict: notStrict,
		schema:    sch,
		run:       run,
		maxResult: defaultMaxResult,
	}
	for _, opt := range opts {
		if opt == nil {
			return Tool{}, constructError(name, errors.New("an option is nil"))
		}
		if err := opt(s); err != nil {
			return Tool{}, constructError(name, err)
		}
	}
	if err := s.checkJudged(in); err != nil {
		return Tool{}, constructError(name, err)
	}
	if err := s.checkUnchecked(); err != nil {
		return Tool{}, constructError(name, err)
	}
	s.mark()
	return Tool{s}, nil
}

// checkUnchecked refuses a schema that does not compile unless that is allowed. What
// is shown of it is then what can be read.
func (s *spec) checkUnchecked() error {
	switch {
	case s.schema.unchecked == nil:
		return nil
	case !s.unchecked:
		return s.schema.unchecked
	}
	err := s.schema.cutUnread()
	s.def.Schema = s.schema.wire
	return err
}

// mark computes the fingerprint.
func (s *spec) mark() {
	h := sha256.New()
	for _, part := range []string{s.def.Name, s.def.Description, string(s.def.Schema)} {
		fmt.Fprintf(h, "%d:%s", len(part), part) // so that no two definitions are joined alike
	}
	s.fingerprint = hex.EncodeToString(h.Sum(nil)[:16])
}

func constructError(name string, err error) error {
	return fmt.Errorf("tool %s: %w", tree.Quote(name), err)
}

// Must returns t, and panics if err is not nil. It is for tools that are made
// when a program starts.
func Must(t Tool, err error) Tool {
	if err != nil {
		panic(err)
	}
	return t
}

// IsZero reports whether t was not made by [New] or [NewRaw].
func (t Tool) IsZero() bool { return t.spec == nil }

// Name returns the name of the tool; empty for the zero Tool.
func (t Tool) Name() string { return t.Def().Name }

// Def returns what a model is told about the tool. The schema is always that of
// an object, with "type" and "properties"; its bytes are the caller's.
func (t Tool) Def() llm.ToolDef {
	if t.spec == nil {
		return llm.ToolDef{}
	}
	def := t.spec.def
	def.Schema = slices.Clone(def.Schema)
	def.Strict = slices.Clone(def.Strict)
	return def
}

// RawSchema returns the schema as [NewRaw] was given it, byte for byte and without
// repairs, for those
// who take more of JSON Schema than providers do; nil for a tool of [New]. Its bytes
// are the caller's.
func (t Tool) RawSchema() json.RawMessage {
	if t.spec == nil {
		return nil
	}
	return slices.Clone(t.spec.schema.raw)
}

// NotStrict returns nil if [Tool.Def] has a strict form, else why it has none, in
// one line that names the place in the schema: an object with properties of any
// name, a value of any kind, allOf and other conditions, recursion or size
// beyond what providers take. Such a tool is sent with its plain schema.
//
// In the strict form a property that may be left out is null instead, and
// [Tool.Parse] leaves it out again. One that takes null, too, has no strict form, since
// the model could not say which it means, unless it is the same: where null is its
// default, and for the types of [New], in which a nil stands for both, but for
// [json.RawMessage] and types with an UnmarshalJSON.
func (t Tool) NotStrict() error {
	if t.spec == nil {
		return Unknown("")
	}
	if t.spec.notStrict == nil {
		return nil
	}
	return fmt.Errorf("tool %s has no strict form: %w", tree.Quote(t.spec.def.Name), t.spec.notStrict)
}

// Timeout returns the time that one call may take: 0 leaves it to the runner,
// -1 is no limit.
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

// Bounded reports whether calls of the tool need a slot; see [Concurrency].
func (t Tool) Bounded() bool { return t.spec != nil && t.spec.slots != nil }

// Unchecked says why the arguments of the tool are not held to its schema, which
// [AllowUnchecked] admits. Nil: they are.
func (t Tool) Unchecked() error {
	if t.spec == nil {
		return nil
	}
	return t.spec.schema.unchecked
}

// SchemaRepairs says what was repaired of a schema given to [NewRaw], one sentence
// each; nil if nothing was. The slice is the caller's.
func (t Tool) SchemaRepairs() []string {
	if t.spec == nil {
		return nil
	}
	return slices.Clone(t.spec.schema.repairs)
}

// Fingerprint is a digest of what a model is told about the tool: its name, its
// description and its schema. It is the same in every process; empty for the zero
// Tool.
func (t Tool) Fingerprint() string {
	if t.spec == nil {
		return ""
	}
	return t.spec.fingerprint
}

// Parse checks the arguments that a model wrote and returns the ones to call
// with: the same members in the same order, without white space, each string
// and whole number in one spelling (1.0 is 1).
//
// What the model plainly meant is repaired where nothing is lost by it, and each
// repair is told in a sentence: nothing or null is {}; one Markdown fence around
// everything is taken off; line breaks and other control characters in strings stand
// for themselves; a comma behind the last element and comments (//, /* */, #) are left
// out; a string in the place of an array or object that it holds, of a number ("3") or
// of a boolean ("true") becomes that; null for an optional property that does not admit
// it is left out. Nothing is guessed.
//
// An error is an *[Error] of InvalidJSON or InvalidArguments, whose Message
// tells the model all that is to be corrected. A panic of a type's own
// UnmarshalJSON or UnmarshalText is an *[Error] of Panicked.
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

// Call runs the function with arguments that [Tool.Parse] returned, on the
// caller's goroutine, and renders its result, which is never empty.
//
// An error is an *[Error]: a panic is recovered into one, and a cause of the
// function's own is found by errors.Is. [IsAbort] tells whether it ends the
// run. Call has no deadline but that of ctx, and cannot stop a function that
// ignores it. A function that calls runtime.Goexit (t.FailNow does) ends the
// caller's goroutine: an engine runs Call in one of its own.
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
	return render(CallFrom(ctx), out, t.spec.maxResult)
}
