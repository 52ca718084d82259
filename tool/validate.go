package tool

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	sj "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// schemaURL is where a schema pretends to be. It must not be a file: paths of
// this machine would show in error texts, and relative references would reach it.
const schemaURL = "tool:///schema"

// A validator holds arguments to a schema. It is safe for concurrent use.
type validator struct {
	doc      *value                // what was compiled, to explain problems from
	formats  map[string]textFormat // of Go types; nil for a schema that is not ours
	compiled compiled              // zero for a schema that is not ours
	metered  *shelf                // nil for a schema of ours
}

// compiled is a schema as the library has it, and what it does not know of it.
type compiled struct {
	schema *sj.Schema
	unions unions
}

// A textFormat is text that a Go type reads.
type textFormat struct {
	read func(string) error
	any  func(any) error // in the place of read: of values that are no text, too
	must string          // what the model is told; empty: the error's text
}

func (f textFormat) validate(v any) error {
	if f.any != nil {
		return f.any(v)
	}
	s, ok := v.(string)
	if !ok {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			panic(&typePanic{p, debug.Stack()})
		}
	}()
	return f.read(s)
}

// A typePanic is that of a type's UnmarshalText, on its way through the library.
type typePanic struct {
	value any
	stack []byte
}

func (p *typePanic) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// compile readies a schema. formats is nil for a schema that is not ours: there
// "format" is asserted only where its draft says so, and a regular expression
// that Go does not understand allows everything, since otherwise a whole tool
// would be lost to it. Nothing outside of doc is loaded.
func compile(doc *value, formats map[string]textFormat) (*validator, error) {
	v := &validator{doc: doc, formats: formats}
	if formats == nil {
		return v, v.meter()
	}
	var err error
	v.compiled, err = compileSchema(doc, formats, nil)
	return v, err
}

func compileSchema(doc *value, formats map[string]textFormat, f *fuel) (made compiled, err error) {
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
		c.UseRegexpEngine(strictPattern)
	}
	for name, f := range formats {
		c.RegisterFormat(&sj.Format{Name: name, Validate: f.validate})
	}
	c.AssertVocabs()
	c.RegisterVocabulary(ks.vocabulary())
	if err := c.AddResource(schemaURL, doc.any()); err != nil {
		return made, fmt.Errorf("schema: %w", err)
	}
	made.schema, err = c.Compile(schemaURL)
	if err := ps.err(); err != nil {
		return made, err
	}
	if err != nil {
		return made, compileError(doc, err)
	}
	ks.forgive()
	ks.install()
	made.unions = ks.unions
	return made, nil
}

// compileError says in one line what is wrong with a schema.
func compileError(doc *value, err error) error {
	invalid, ok := errors.AsType[*sj.SchemaValidationError](err)
	if !ok {
		return fmt.Errorf("schema: %w", err)
	}
	tree, ok := errors.AsType[*sj.ValidationError](invalid.Err)
	if !ok {
		return fmt.Errorf("schema: %w", err)
	}
	ex := &explainer{validator: &validator{}, args: doc}
	ex.explain(tree)
	if len(ex.problems) == 0 {
		return fmt.Errorf("schema: %w", err)
	}
	slices.SortFunc(ex.problems, compareProblems)
	return errors.New("schema: " + strings.TrimPrefix(ex.problems[0].line(), "- "))
}

// check repairs args and returns what is wrong with the rest. An error means
// that it cannot be told.
func (v *validator) check(args *value, done *repairs) (found findings, err error) {
	defer func() {
		if p := recover(); p != nil {
			found, err = findings{}, notChecked(p)
		}
	}()
	made, f := v.compiled, (*fuel)(nil)
	if v.metered != nil {
		m, err := v.borrow(args)
		defer v.metered.putBack(m)
		if err != nil {
			return findings{}, err
		}
		made, f = m.compiled, &m.fuel
	}
	newRepairer(done, args, made.unions).repair(args, made.schema)
	plain := args.any()
	if f != nil {
		f.locate(plain, 0)
	}
	err = made.schema.Validate(plain)
	if err == nil {
		return findings{}, nil
	}
	invalid, ok := errors.AsType[*sj.ValidationError](err)
	if !ok {
		return findings{}, err
	}
	ex := &explainer{validator: v, args: args}
	ex.explain(invalid)
	if len(ex.problems) == 0 {
		ex.add(nil, "does not match the schema")
	}
	return ex.findings, nil
}

func notChecked(p any) error {
	if err, ok := p.(error); ok {
		if _, ours := errors.AsType[*typePanic](err); ours || errors.Is(err, errTooComplex) {
			return err
		}
	}
	return fmt.Errorf("schema: the validator panicked: %v", p)
}

// An explainer makes problems of a validation error. It reads the typed kinds,
// never their texts: those repeat whole values, in random order.
type explainer struct {
	*validator
	args *value
	findings
	seen   int
	enums  map[*value]string // what was said of lists, by their first value
	merges map[unionTag][]*value
}

// findings are what is wrong with arguments: problems, and how many more there
// are that nobody looked into.
type findings struct {
	problems []problem
	more     int
}

// maxCauses bounds how much of an error tree is looked at; unions in one
// another can make it huge.
const maxCauses = 1_000

func (ex *explainer) add(path []string, text string) {
	ex.problems = append(ex.problems, problem{path: slices.Clone(path), text: text})
}

// each adds a problem for every name, up to as many as are shown at all: there
// may be as many names as arguments have values.
func (ex *explainer) each(path, names []string, about func(string) problem) {
	shown := least(names, maxProblems)
	for _, name := range shown {
		p := about(name)
		p.path = slices.Clone(path)
		ex.problems = append(ex.problems, p)
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

func (ex *explainer) explain(e *sj.ValidationError) {
	if ex.seen++; ex.seen > maxCauses {
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
			ex.add(at, "matches more than one of its allowed forms; it must match exactly one")
			return
		}
		ex.union(at, e)
	case *kind.Required:
		ex.each(at, k.Missing, func(name string) problem {
			return missing(name, func() *value { return ex.resolve(schema.get("properties").get(name)) })
		})
	case *kind.AdditionalProperties:
		ex.each(at, k.Properties, func(name string) problem { return unknown(name, schema.get("properties")) })
	case *kind.PropertyNames:
		// The library gives a wrong place for this one; the name has to do.
		ex.add(nil, "property name "+quote(k.Property)+" is not allowed")
	case *kind.Dependency:
		ex.add(at, needs(k.Prop, k.Missing))
	case *kind.DependentRequired:
		ex.add(at, needs(k.Prop, k.Missing))
	default:
		if other := otherVariantOf(k); other != nil {
			ex.noVariant(at, e.SchemaURL, []tagErrors{{other.tag: other.notAllowed}})
			return
		}
		p := ex.expected(e.ErrorKind, schema, ex.find(at))
		p.path = slices.Clone(at)
		ex.problems = append(ex.problems, p)
	}
}

func needs(name string, missing []string) string {
	slices.Sort(missing)
	return "property " + quote(name) + " also needs " + list(missing, maxEcho)
}

// expected says what a single value should have been.
func (ex *explainer) expected(k sj.ErrorKind, schema, got *value) problem {
	keyword := func(name string) string { return clip(schema.bound(name), maxEcho) }
	must := ""
	switch k := k.(type) {
	case *kind.Type:
		return ex.mustBe(k.Want, got)
	case *kind.Enum:
		return ex.oneOf(ex.withoutNull(wanted(schema, "enum", k.Want)), got)
	case *kind.Const:
		return ex.oneOf([]*value{wanted(schema, "const", k.Want)}, got)
	case *kind.Format:
		if e, ok := errors.AsType[*notAllowed](k.Err); ok {
			return ex.oneOf(ex.allowed(schema.get(e.keyword), e.keyword), got)
		}
		must = ex.mustRead(k)
	case *kind.Pattern:
		must = "must match the regular expression " + clip(k.Want, maxEcho)
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
		return problem{text: "is not allowed"}
	case *kind.Contains:
		must = "must contain an item of the required form"
	default:
		return problem{text: counted(k)}
	}
	return problem{text: must + "; got " + describe(got)}
}

func counted(k sj.ErrorKind) string {
	switch k := k.(type) {
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %s; got %d", count(k.Want, "character"), k.Got)
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %s; got %d", count(k.Want, "character"), k.Got)
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %s; got %d", count(k.Want, "item"), k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %s; got %d", count(k.Want, "item"), k.Got)
	case *kind.AdditionalItems:
		return fmt.Sprintf("has %s too many", count(k.Count, "item"))
	case *kind.MinProperties:
		return fmt.Sprintf("must have at least %s; got %d", count(k.Want, "property"), k.Got)
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %s; got %d", count(k.Want, "property"), k.Got)
	case *kind.UniqueItems:
		return fmt.Sprintf("items %d and %d are equal; items must be unique", k.Duplicates[0], k.Duplicates[1])
	case *kind.MinContains:
		return fmt.Sprintf("must contain at least %s of the required form; got %d", count(k.Want, "item"), len(k.Got))
	case *kind.MaxContains:
		return fmt.Sprintf("must contain at most %s of the required form; got %d", count(k.Want, "item"), len(k.Got))
	}
	return "does not match the schema"
}

func (ex *explainer) mustBe(want []string, got *value) problem {
	if ex.formats != nil && len(want) > 1 {
		want = slices.DeleteFunc(slices.Clone(want), func(s string) bool { return s == "null" })
	}
	return problem{
		text: "must be " + strings.Join(want, " or ") + ", got " + describe(got),
		hint: func() string { return unquoted(got, want) },
	}
}

// oneOf says which values are allowed; many values can have failed by one list.
func (ex *explainer) oneOf(enum []*value, got *value) problem {
	if len(enum) == 0 {
		return notOneOf(mustBeOneOf(enum), enum, got)
	}
	must, said := ex.enums[enum[0]]
	if !said {
		if ex.enums == nil {
			ex.enums = map[*value]string{}
		}
		must = mustBeOneOf(enum)
		ex.enums[enum[0]] = must
	}
	return notOneOf(must, enum, got)
}

// allowed returns the values of "enum" or "const".
func (ex *explainer) allowed(v *value, keyword string) []*value {
	if keyword == "const" || v == nil {
		return []*value{v}
	}
	return ex.withoutNull(v)
}

func (ex *explainer) withoutNull(enum *value) []*value {
	if ex.formats == nil {
		return enum.items
	}
	return slices.DeleteFunc(slices.Clone(enum.items), func(v *value) bool { return v.form == nullForm })
}

// wanted returns what a keyword says, and what the library says it does where
// the schema is not ours to read, as that of schemas is.
func wanted(schema *value, keyword string, want any) *value {
	if v := schema.get(keyword); v != nil {
		return v
	}
	return known(want)
}

// known returns a value of the library's as one of ours.
func known(plain any) *value {
	raw, err := json.Marshal(plain)
	if err != nil {
		return object()
	}
	v, err := parse(string(raw), reflectedLimits)
	if err != nil {
		return object()
	}
	return v
}

func (ex *explainer) mustRead(k *kind.Format) string {
	f, ours := ex.formats[k.Want]
	switch {
	case ours && f.must != "":
		return "must be " + f.must
	case ours:
		return "is not accepted" + reason(k.Err)
	}
	if must, ok := formatTexts[k.Want]; ok {
		return "must be " + must
	}
	return "must be a valid " + k.Want
}

const dateTimeText = "an RFC 3339 date-time with zone, e.g. 2024-01-31T15:04:05Z"

var formatTexts = map[string]string{
	"date-time": dateTimeText,
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
func (ex *explainer) find(path []string) *value { return descend(ex.args, path) }

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// node returns the schema at a location that the library names.
func (ex *explainer) node(location string) *value {
	_, fragment, _ := strings.Cut(location, "#")
	fragment, err := url.PathUnescape(fragment)
	if err != nil || fragment == "" {
		return ex.doc
	}
	var path []string
	for step := range strings.SplitSeq(strings.TrimPrefix(fragment, "/"), "/") {
		path = append(path, unescape.Replace(step))
	}
	return descend(ex.doc, path)
}

// resolve follows references within the schema, so that a property can be
// described by what it refers to.
func (ex *explainer) resolve(schema *value) *value {
	for range 8 {
		ref := schema.get("$ref").str()
		if !strings.HasPrefix(ref, "#/") {
			break
		}
		schema = ex.node(ref)
	}
	return schema
}

func descend(v *value, path []string) *value {
	for _, step := range path {
		if v != nil && v.form == arrayForm {
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v.items) {
				return nil
			}
			v = v.items[i]
			continue
		}
		v = v.get(step)
	}
	return v
}
