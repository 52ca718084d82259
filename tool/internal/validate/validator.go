package validate

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"

	sj "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// SchemaURL is the pretended address of a schema. The address must not be a file: error
// texts would show paths of this machine, and relative references could reach files.
const SchemaURL = "tool:///schema"

// A Validator validates arguments against a schema. A Validator is safe for concurrent
// use.
type Validator struct {
	Doc      *tree.Value           // source of compiled, for explanations
	Formats  map[string]TextFormat // formats of Go types; nil for a schema from elsewhere
	compiled compiled              // zero for a schema from elsewhere
	pool     *pool                 // nil for a schema of a Go type
	acceptor *acceptor             // nil for an unusual schema
}

// compiled is a schema of the library, together with its unions.
type compiled struct {
	schema *sj.Schema
	unions unions
}

// A TextFormat is the text format of a Go type.
type TextFormat struct {
	Read func(string) error
	Any  func(any) error // replaces Read for formats that also apply to other values
	Must string          // text for the model; "" means the text of the error
}

func (f TextFormat) validate(v any) error {
	if f.Any != nil {
		return f.Any(v)
	}
	s, ok := v.(string)
	if !ok {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			panic(&TypePanic{p, debug.Stack()})
		}
	}()
	return f.Read(s)
}

// A TypePanic carries a panic of a type's UnmarshalText through the library.
type TypePanic struct {
	Value any
	Stack []byte
}

func (p *TypePanic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Compile compiles a schema. formats is nil for a schema from elsewhere. In such a
// schema "format" is asserted only if the draft requires this, and a pattern that Go
// does not understand matches everything, because otherwise the whole tool would be
// lost. Compile loads nothing besides doc.
func Compile(doc *tree.Value, formats map[string]TextFormat) (*Validator, error) {
	v := &Validator{Doc: doc, Formats: formats, acceptor: newAcceptor(doc, formats)}
	if formats == nil {
		return v, v.newPool()
	}
	var err error
	v.compiled, err = compileSchema(doc, formats, nil)
	return v, err
}

func compileSchema(doc *tree.Value, formats map[string]TextFormat, f *fuel) (made compiled, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("schema: cannot be compiled: %v", p)
		}
	}()
	ks, ps := &keywords{fuel: f}, &patterns{left: maxPatterns, done: map[string]sj.Regexp{}}
	c := sj.NewCompiler()
	c.DefaultDraft(sj.Draft2020)
	c.UseLoader(sj.SchemeURLLoader{})
	c.UseRegexpEngine(ps.compile)
	if formats != nil {
		c.AssertFormat()
		c.AssertContent()
		c.UseRegexpEngine(StrictPattern)
	}
	for name, f := range formats {
		c.RegisterFormat(&sj.Format{Name: name, Validate: f.validate})
	}
	c.AssertVocabs()
	c.RegisterVocabulary(ks.vocabulary())
	if err := c.AddResource(SchemaURL, doc.Any()); err != nil {
		return made, fmt.Errorf("schema: %w", err)
	}
	made.schema, err = c.Compile(SchemaURL)
	if err := ps.err(); err != nil {
		return made, err
	}
	if err != nil {
		return made, CompileError(doc, err)
	}
	ks.relax()
	ks.install()
	made.unions = ks.unions
	return made, nil
}

// CompileError describes the first problem of a schema in one line.
func CompileError(doc *tree.Value, err error) error {
	invalid, ok := errors.AsType[*sj.SchemaValidationError](err)
	if !ok {
		return fmt.Errorf("schema: %w", err)
	}
	tree, ok := errors.AsType[*sj.ValidationError](invalid.Err)
	if !ok {
		return fmt.Errorf("schema: %w", err)
	}
	ex := &Explainer{Validator: &Validator{}, Args: doc}
	ex.explain(tree)
	if len(ex.Found.Problems) == 0 {
		return fmt.Errorf("schema: %w", err)
	}
	slices.SortFunc(ex.Found.Problems, compareProblems)
	return errors.New("schema: " + strings.TrimPrefix(ex.Found.Problems[0].Line(), "- "))
}

// Accept returns the canonical text of arguments that fit the schema as they are. If ok is
// false, nothing is known of the arguments, and [Validator.Check] decides.
func (v *Validator) Accept(arguments string) (canonical []byte, ok bool) {
	return v.acceptor.accept(arguments)
}

// Check repairs args and returns the remaining problems. An error means that the
// validation did not finish.
func (v *Validator) Check(args *tree.Value, done *tree.Repairs) (found Findings, err error) {
	defer func() {
		if p := recover(); p != nil {
			found, err = Findings{}, notChecked(p)
		}
	}()
	made, f := v.compiled, (*fuel)(nil)
	if v.pool != nil {
		m, err := v.acquire(args)
		defer v.pool.putBack(m)
		if err != nil {
			return Findings{}, err
		}
		made, f = m.compiled, &m.fuel
	}
	newRepairer(done, args, made.unions).repair(args, made.schema)
	plain := args.Any()
	if f != nil {
		f.locate(plain, 0)
	}
	err = made.schema.Validate(plain)
	if err == nil {
		return Findings{}, nil
	}
	invalid, ok := errors.AsType[*sj.ValidationError](err)
	if !ok {
		return Findings{}, err
	}
	ex := &Explainer{Validator: v, Args: args}
	ex.explain(invalid)
	if len(ex.Found.Problems) == 0 {
		ex.Add(nil, "does not match the schema")
	}
	return ex.Found, nil
}

func notChecked(p any) error {
	if err, ok := p.(error); ok {
		if _, ours := errors.AsType[*TypePanic](err); ours || errors.Is(err, ErrTooComplex) {
			return err
		}
	}
	return fmt.Errorf("schema: the validator panicked: %v", p)
}

// An Explainer turns a validation error into problems. An Explainer reads the typed
// kinds of the library, not the texts, which repeat whole values in random order.
type Explainer struct {
	Validator *Validator // source of the schemas; nil if only Add is used
	Args      *tree.Value
	Found     Findings
	seen      int
	enums     map[*tree.Value]string // texts of enums, by their first value
	merges    map[unionTag][]*tree.Value
}

// Findings are the problems of arguments, and the number of further problems without
// details.
type Findings struct {
	Problems []Problem
	more     int
}

// MaxCauses bounds the visited part of an error tree. Nested unions can make the tree
// huge.
const MaxCauses = 1_000

func (ex *Explainer) Add(path []string, text string) {
	ex.Found.Problems = append(ex.Found.Problems, Problem{Path: slices.Clone(path), Text: text})
}

// addEach adds a problem for each name, up to the number of shown problems. There may be as
// many names as the arguments have values.
func (ex *Explainer) addEach(path, names []string, about func(string) Problem) {
	shown := least(names, maxProblems)
	for _, name := range shown {
		p := about(name)
		p.Path = slices.Clone(path)
		ex.Found.Problems = append(ex.Found.Problems, p)
	}
	ex.Found.more += len(names) - len(shown)
}

// least returns the n smallest names in order.
func least(names []string, n int) []string {
	var first []string
	for _, name := range names {
		if i, _ := slices.BinarySearch(first, name); i < n {
			first = slices.Insert(first, i, name)
			first = first[:min(n, len(first))]
		}
	}
	return first
}

func (ex *Explainer) explain(e *sj.ValidationError) {
	if ex.seen++; ex.seen > MaxCauses {
		return
	}
	at, schema := e.InstanceLocation, ex.schemaAt(e.SchemaURL)
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.AllOf, *kind.Reference:
		for _, cause := range e.Causes {
			ex.explain(cause)
		}
	case *kind.AnyOf:
		ex.union(at, e)
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			ex.Add(at, "matches more than one of its allowed forms; it must match exactly one")
			return
		}
		ex.union(at, e)
	case *kind.Required:
		ex.addEach(at, k.Missing, func(name string) Problem {
			return missing(name, func() *tree.Value { return ex.resolve(schema.Get("properties").Get(name)) })
		})
	case *kind.AdditionalProperties:
		ex.addEach(at, k.Properties, func(name string) Problem { return unknown(name, schema.Get("properties")) })
	case *kind.PropertyNames:
		// The library reports a wrong place here, so only the name is used.
		ex.Add(nil, "property name "+tree.Quote(k.Property)+" is not allowed")
	case *kind.Dependency:
		ex.Add(at, needs(k.Prop, k.Missing))
	case *kind.DependentRequired:
		ex.Add(at, needs(k.Prop, k.Missing))
	default:
		if other := otherVariantOf(k); other != nil {
			ex.noVariant(at, e.SchemaURL, []tagErrors{{other.tag: other.not}})
			return
		}
		p := ex.expected(e.ErrorKind, schema, ex.argumentAt(at))
		p.Path = slices.Clone(at)
		ex.Found.Problems = append(ex.Found.Problems, p)
	}
}

func needs(name string, missing []string) string {
	slices.Sort(missing)
	return "property " + tree.Quote(name) + " also needs " + tree.List(missing, tree.MaxEcho)
}

// expected says what a single value must be.
func (ex *Explainer) expected(k sj.ErrorKind, schema, got *tree.Value) Problem {
	keyword := func(name string) string { return clip.Runes(schema.Bound(name), tree.MaxEcho) }
	must := ""
	switch k := k.(type) {
	case *kind.Type:
		return ex.mustBe(k.Want, got)
	case *kind.Enum:
		return ex.oneOf(ex.withoutNull(wanted(schema, "enum", k.Want)), got)
	case *kind.Const:
		return ex.oneOf([]*tree.Value{wanted(schema, "const", k.Want)}, got)
	case *kind.Format:
		if e, ok := errors.AsType[*notAllowed](k.Err); ok {
			return ex.oneOf(ex.allowed(schema.Get(e.keyword), e.keyword), got)
		}
		must = ex.mustRead(k)
	case *kind.Pattern:
		must = "must match the regular expression " + clip.Runes(k.Want, tree.MaxEcho)
	case *kind.Minimum:
		must = "must be >= " + keyword("minimum")
	case *kind.Maximum:
		must = "must be <= " + keyword("maximum")
	case *kind.ExclusiveMinimum:
		must = "must be > " + keyword("exclusiveMinimum")
	case *kind.ExclusiveMaximum:
		must = "must be < " + keyword("exclusiveMaximum")
	case *kind.MultipleOf:
		must = "must be a multiple of " + keyword("multipleOf")
	case *kind.ContentEncoding:
		must = "must be a string in " + k.Want
	case *kind.Not:
		must = "has a form that is not allowed"
	case *kind.FalseSchema:
		return Problem{Text: "is not allowed"}
	case *kind.Contains:
		must = "must contain an item of the required form"
	default:
		return Problem{Text: wrongCount(k)}
	}
	return Problem{Text: must + "; got " + Describe(got)}
}

func wrongCount(k sj.ErrorKind) string {
	switch k := k.(type) {
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %s; got %d", Count(k.Want, "character"), k.Got)
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %s; got %d", Count(k.Want, "character"), k.Got)
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %s; got %d", Count(k.Want, "item"), k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %s; got %d", Count(k.Want, "item"), k.Got)
	case *kind.AdditionalItems:
		return fmt.Sprintf("has %s too many", Count(k.Count, "item"))
	case *kind.MinProperties:
		return fmt.Sprintf("must have at least %s; got %d", Count(k.Want, "property"), k.Got)
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %s; got %d", Count(k.Want, "property"), k.Got)
	case *kind.UniqueItems:
		return fmt.Sprintf("items %d and %d are equal; items must be unique", k.Duplicates[0], k.Duplicates[1])
	case *kind.MinContains:
		return fmt.Sprintf("must contain at least %s of the required form; got %d", Count(k.Want, "item"), len(k.Got))
	case *kind.MaxContains:
		return fmt.Sprintf("must contain at most %s of the required form; got %d", Count(k.Want, "item"), len(k.Got))
	}
	return "does not match the schema"
}

func (ex *Explainer) mustBe(want []string, got *tree.Value) Problem {
	if ex.Validator.Formats != nil && len(want) > 1 {
		want = slices.DeleteFunc(slices.Clone(want), func(s string) bool { return s == "null" })
	}
	return Problem{
		Text: "must be " + strings.Join(want, " or ") + ", got " + Describe(got),
		hint: func() string { return unquoted(got, want) },
	}
}

// oneOf reports the allowed values. The text is cached, because many values may fail by
// one enum.
func (ex *Explainer) oneOf(enum []*tree.Value, got *tree.Value) Problem {
	if len(enum) == 0 {
		return notOneOf(MustBeOneOf(enum), enum, got)
	}
	must, said := ex.enums[enum[0]]
	if !said {
		if ex.enums == nil {
			ex.enums = map[*tree.Value]string{}
		}
		must = MustBeOneOf(enum)
		ex.enums[enum[0]] = must
	}
	return notOneOf(must, enum, got)
}

// allowed returns the values of "enum" or "const".
func (ex *Explainer) allowed(v *tree.Value, keyword string) []*tree.Value {
	if keyword == "const" || v == nil {
		return []*tree.Value{v}
	}
	return ex.withoutNull(v)
}

func (ex *Explainer) withoutNull(enum *tree.Value) []*tree.Value {
	if ex.Validator.Formats == nil {
		return enum.Items
	}
	return slices.DeleteFunc(slices.Clone(enum.Items), func(v *tree.Value) bool { return v.Form == tree.NullForm })
}

// wanted returns the value of a keyword. If the schema is not at hand, such as a
// meta-schema, wanted uses the value that the library reports.
func wanted(schema *tree.Value, keyword string, want any) *tree.Value {
	if v := schema.Get(keyword); v != nil {
		return v
	}
	return fromPlain(want)
}

// fromPlain converts a value of the library.
func fromPlain(plain any) *tree.Value {
	raw, err := json.Marshal(plain)
	if err != nil {
		return tree.Object()
	}
	v, err := tree.Parse(string(raw), tree.ReflectedLimits)
	if err != nil {
		return tree.Object()
	}
	return v
}

func (ex *Explainer) mustRead(k *kind.Format) string {
	f, ours := ex.Validator.Formats[k.Want]
	switch {
	case ours && f.Must != "":
		return "must be " + f.Must
	case ours:
		return "is not accepted" + Reason(k.Err)
	}
	if must, ok := FormatTexts[k.Want]; ok {
		return "must be " + must
	}
	return "must be a valid " + k.Want
}

const DateTimeText = "an RFC 3339 date-time with zone, e.g. 2024-01-31T15:04:05Z"

var FormatTexts = map[string]string{
	"date-time": DateTimeText,
	"date":      "a date such as 2024-01-31",
	"time":      "a time with zone such as 15:04:05Z",
	"duration":  "an ISO 8601 duration such as PT1H30M",
	"email":     "an e-mail address",
	"hostname":  "a host name",
	"ipv4":      "an IPv4 address such as 192.0.2.1",
	"ipv6":      "an IPv6 address such as 2001:db8::1",
	"uri":       "an absolute URI such as https://example.com/",
	"uuid":      "a UUID such as 123e4567-e89b-12d3-a456-426614174000",
	"regex":     "a regular expression",
}

// argumentAt returns the argument at a path.
func (ex *Explainer) argumentAt(path []string) *tree.Value { return tree.Descend(ex.Args, path) }

// schemaAt returns the schema at a location of the library.
func (ex *Explainer) schemaAt(location string) *tree.Value {
	_, fragment, _ := strings.Cut(location, "#")
	fragment, err := url.PathUnescape(fragment)
	if err != nil || fragment == "" {
		return ex.Validator.Doc
	}
	var path []string
	for step := range strings.SplitSeq(strings.TrimPrefix(fragment, "/"), "/") {
		path = append(path, tree.UnescapeStep.Replace(step))
	}
	return tree.Descend(ex.Validator.Doc, path)
}

// resolve follows references within the schema, so that the target describes the
// property.
func (ex *Explainer) resolve(schema *tree.Value) *tree.Value {
	for range 8 {
		ref := schema.Get("$ref").Str()
		if !strings.HasPrefix(ref, "#/") {
			break
		}
		schema = ex.schemaAt(ref)
	}
	return schema
}
