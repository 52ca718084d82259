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
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// SchemaURL is where a schema pretends to be. It must not be a file: paths of
// this machine would show in error texts, and relative references would reach it.
const SchemaURL = "tool:///schema"

// A Validator holds arguments to a schema. It is safe for concurrent use.
type Validator struct {
	Doc      *tree.Value           // what was compiled, to explain problems from
	Formats  map[string]TextFormat // of Go types; nil for a schema that is not ours
	compiled compiled              // zero for a schema that is not ours
	metered  *shelf                // nil for a schema of ours
}

// compiled is a schema as the library has it, and what it does not know of it.
type compiled struct {
	schema *sj.Schema
	unions unions
}

// A TextFormat is text that a Go type reads.
type TextFormat struct {
	Read func(string) error
	Any  func(any) error // in the place of read: of values that are no text, too
	Must string          // what the model is told; empty: the error's text
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

// A TypePanic is that of a type's UnmarshalText, on its way through the library.
type TypePanic struct {
	Value any
	Stack []byte
}

func (p *TypePanic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Compile readies a schema. formats is nil for a schema that is not ours: there
// "format" is asserted only where its draft says so, and a regular expression
// that Go does not understand allows everything, since otherwise a whole tool
// would be lost to it. Nothing outside of doc is loaded.
func Compile(doc *tree.Value, formats map[string]TextFormat) (*Validator, error) {
	v := &Validator{Doc: doc, Formats: formats}
	if formats == nil {
		return v, v.meter()
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
	ks.forgive()
	ks.install()
	made.unions = ks.unions
	return made, nil
}

// CompileError says in one line what is wrong with a schema.
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
	if len(ex.Problems) == 0 {
		return fmt.Errorf("schema: %w", err)
	}
	slices.SortFunc(ex.Problems, compareProblems)
	return errors.New("schema: " + strings.TrimPrefix(ex.Problems[0].Line(), "- "))
}

// Check repairs args and returns what is wrong with the rest. An error means
// that it cannot be told.
func (v *Validator) Check(args *tree.Value, done *tree.Repairs) (found Findings, err error) {
	defer func() {
		if p := recover(); p != nil {
			found, err = Findings{}, notChecked(p)
		}
	}()
	made, f := v.compiled, (*fuel)(nil)
	if v.metered != nil {
		m, err := v.borrow(args)
		defer v.metered.putBack(m)
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
	if len(ex.Problems) == 0 {
		ex.Add(nil, "does not match the schema")
	}
	return ex.Findings, nil
}

func notChecked(p any) error {
	if err, ok := p.(error); ok {
		if _, ours := errors.AsType[*TypePanic](err); ours || errors.Is(err, ErrTooComplex) {
			return err
		}
	}
	return fmt.Errorf("schema: the validator panicked: %v", p)
}

// An Explainer makes problems of a validation error. It reads the typed kinds,
// never their texts: those repeat whole values, in random order.
type Explainer struct {
	*Validator
	Args *tree.Value
	Findings
	seen   int
	enums  map[*tree.Value]string // what was said of lists, by their first value
	merges map[unionTag][]*tree.Value
}

// Findings are what is wrong with arguments: problems, and how many more there
// are that nobody looked into.
type Findings struct {
	Problems []Problem
	more     int
}

// MaxCauses bounds how much of an error tree is looked at; unions in one
// another can make it huge.
const MaxCauses = 1_000

func (ex *Explainer) Add(path []string, text string) {
	ex.Problems = append(ex.Problems, Problem{Path: slices.Clone(path), Text: text})
}

// each adds a problem for every name, up to as many as are shown at all: there
// may be as many names as arguments have values.
func (ex *Explainer) each(path, names []string, about func(string) Problem) {
	shown := least(names, maxProblems)
	for _, name := range shown {
		p := about(name)
		p.Path = slices.Clone(path)
		ex.Problems = append(ex.Problems, p)
	}
	ex.more += len(names) - len(shown)
}

// least returns the first n of names, sorted.
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
	at, schema := e.InstanceLocation, ex.node(e.SchemaURL)
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
		ex.each(at, k.Missing, func(name string) Problem {
			return missing(name, func() *tree.Value { return ex.resolve(schema.Get("properties").Get(name)) })
		})
	case *kind.AdditionalProperties:
		ex.each(at, k.Properties, func(name string) Problem { return unknown(name, schema.Get("properties")) })
	case *kind.PropertyNames:
		// The library gives a wrong place for this one; the name has to do.
		ex.Add(nil, "property name "+tree.Quote(k.Property)+" is not allowed")
	case *kind.Dependency:
		ex.Add(at, needs(k.Prop, k.Missing))
	case *kind.DependentRequired:
		ex.Add(at, needs(k.Prop, k.Missing))
	default:
		if other := otherVariantOf(k); other != nil {
			ex.noVariant(at, e.SchemaURL, []tagErrors{{other.tag: other.notAllowed}})
			return
		}
		p := ex.expected(e.ErrorKind, schema, ex.find(at))
		p.Path = slices.Clone(at)
		ex.Problems = append(ex.Problems, p)
	}
}

func needs(name string, missing []string) string {
	slices.Sort(missing)
	return "property " + tree.Quote(name) + " also needs " + tree.List(missing, tree.MaxEcho)
}

// expected says what a single value should have been.
func (ex *Explainer) expected(k sj.ErrorKind, schema, got *tree.Value) Problem {
	keyword := func(name string) string { return tree.Clip(schema.Bound(name), tree.MaxEcho) }
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
		must = "must match the regular expression " + tree.Clip(k.Want, tree.MaxEcho)
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
		return Problem{Text: counted(k)}
	}
	return Problem{Text: must + "; got " + Describe(got)}
}

func counted(k sj.ErrorKind) string {
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
	if ex.Formats != nil && len(want) > 1 {
		want = slices.DeleteFunc(slices.Clone(want), func(s string) bool { return s == "null" })
	}
	return Problem{
		Text: "must be " + strings.Join(want, " or ") + ", got " + Describe(got),
		hint: func() string { return unquoted(got, want) },
	}
}

// oneOf says which values are allowed; many values can have failed by one list.
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
	if ex.Formats == nil {
		return enum.Items
	}
	return slices.DeleteFunc(slices.Clone(enum.Items), func(v *tree.Value) bool { return v.Form == tree.NullForm })
}

// wanted returns what a keyword says, and what the library says it does where
// the schema is not ours to read, as that of schemas is.
func wanted(schema *tree.Value, keyword string, want any) *tree.Value {
	if v := schema.Get(keyword); v != nil {
		return v
	}
	return known(want)
}

// known returns a value of the library's as one of ours.
func known(plain any) *tree.Value {
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
	f, ours := ex.Formats[k.Want]
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

// find returns the argument at a place.
func (ex *Explainer) find(path []string) *tree.Value { return tree.Descend(ex.Args, path) }

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// node returns the schema at a location that the library names.
func (ex *Explainer) node(location string) *tree.Value {
	_, fragment, _ := strings.Cut(location, "#")
	fragment, err := url.PathUnescape(fragment)
	if err != nil || fragment == "" {
		return ex.Doc
	}
	var path []string
	for step := range strings.SplitSeq(strings.TrimPrefix(fragment, "/"), "/") {
		path = append(path, unescape.Replace(step))
	}
	return tree.Descend(ex.Doc, path)
}

// resolve follows references within the schema, so that a property can be
// described by what it refers to.
func (ex *Explainer) resolve(schema *tree.Value) *tree.Value {
	for range 8 {
		ref := schema.Get("$ref").Str()
		if !strings.HasPrefix(ref, "#/") {
			break
		}
		schema = ex.node(ref)
	}
	return schema
}
