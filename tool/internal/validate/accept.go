package validate

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// Nearly all arguments are right as they are, and nearly all schemas use few keywords. The
// general path builds two trees of small values for such arguments, one to repair and one
// for the library, and costs more than the rest of a turn. An acceptor therefore reads
// right arguments in one pass over their text, without a tree, and writes the canonical
// text as it reads.
//
// An acceptor only accepts. At the first doubt it gives up, and the general path reads the
// arguments from their begin: at a keyword that is not listed in [acceptor.keyword], at
// anything that needs a repair or a refusal, at an unusual number. So no text for a model
// depends on an acceptor. Tests hold that both paths agree on every input.
//
// Results are never kept. Every argument is validated against every keyword.

// An acceptor is a schema that was compiled to accept. The nil acceptor gives up.
type acceptor struct {
	doc   *tree.Value
	root  *rule
	refs  map[string]*rule // by the text of the reference
	names bool             // formats are only names, as in a schema from elsewhere

	formats  map[string]TextFormat // of Go types; nil for a schema from elsewhere
	patterns int                   // the size of the patterns so far
}

// A rule is a schema.
type rule struct {
	unusual bool // the general path decides
	weight  int  // bounds the fuel that the general path would use for one value
	applied int  // schemas that the general path applies to one value
	ref     *rule

	forms    forms
	texts    map[string]bool // canonical texts of enum and const; nil admits all
	bounds   []bound
	length   span      // of strings, in runes
	texted   *textRule // of strings; nil admits all
	items    *rule
	count    span // of items
	members  span // number of members
	named    []named
	required uint64 // bits of named
	others   *rule  // members that are not named; nil forbids them
	anyOf    []*rule
}

// named is a declared property.
type named struct {
	text string // the name as JSON
	rule *rule
}

// A span is a range of sizes, with both ends.
type span struct{ least, most int }

func (s span) has(n int) bool { return s.least <= n && n <= s.most }

var anySize = span{0, int(^uint(0) >> 1)}

// forms is a set of types.
type forms uint8

const (
	nullForm forms = 1 << iota
	booleanForm
	integerForm
	fractionForm // a number that is not whole
	stringForm
	arrayForm
	objectForm

	allForms   = nullForm | booleanForm | integerForm | fractionForm | stringForm | arrayForm | objectForm
	nestedForm = arrayForm | objectForm
)

var formsByName = map[string]forms{
	"null": nullForm, "boolean": booleanForm, "integer": integerForm, "number": integerForm | fractionForm,
	"string": stringForm, "array": arrayForm, "object": objectForm,
}

// A bound is a limit of numbers. A number fits if it is beyond the limit, or equal to an
// inclusive limit.
type bound struct {
	upper     bool
	exclusive bool
	whole     bool // exact is the limit
	exact     int64
	near      float64 // nearest to the limit
}

// admits reports whether a number certainly fits. Two different numbers can have the same
// nearest float64; admits then reports false.
func (b bound) admits(text string, whole bool) bool {
	if n, err := strconv.ParseInt(text, 10, 64); whole && b.whole && err == nil {
		return n == b.exact && !b.exclusive || n != b.exact && n < b.exact == b.upper
	}
	x, err := strconv.ParseFloat(text, 64)
	return err == nil && (b.upper && x < b.near || !b.upper && x > b.near)
}

// maxNamed bounds the declared properties of an object: one bit each.
const maxNamed = 64

// knownDrafts lists the values of "$schema" under which the keywords of a rule have one
// meaning.
var knownDrafts = []string{
	"https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2019-09/schema",
	"http://json-schema.org/draft-07/schema", "http://json-schema.org/draft-06/schema",
}

// newAcceptor returns nil for a schema that is unusual as a whole.
func newAcceptor(doc *tree.Value, formats map[string]TextFormat) *acceptor {
	a := &acceptor{doc: doc, refs: map[string]*rule{}, names: formats == nil && !doc.Has("$schema"), formats: formats}
	if draft := doc.Get("$schema"); draft != nil && !slices.Contains(knownDrafts, strings.TrimSuffix(draft.Str(), "#")) {
		return nil
	}
	a.root = a.rule(doc)
	if a.root.unusual {
		return nil
	}
	return a
}

func anything() *rule {
	r := &rule{weight: 8, applied: 1, forms: allForms, length: anySize, count: anySize, members: anySize}
	r.items, r.others = r, r
	return r
}

// rule compiles a schema.
func (a *acceptor) rule(s *tree.Value) *rule {
	r := anything()
	if s.Form == tree.BooleanForm {
		r.unusual = s.Text != "true"
		return r
	}
	r.items, r.others = anything(), anything()
	for _, m := range s.Members {
		if !a.keyword(r, s, m.Name, m.Value) {
			r.unusual = true
			return r
		}
	}
	if !a.require(r, s.Get("required")) {
		r.unusual = true
	}
	r.weight += 3*len(r.named) + len(r.anyOf)
	return r
}

// keyword adds a keyword to a rule, and reports false for a keyword that is not known here.
func (a *acceptor) keyword(r *rule, s *tree.Value, name string, v *tree.Value) bool {
	switch name {
	case "type":
		return r.setForms(v)
	case "enum":
		return v.Form == tree.ArrayForm && r.admit(v.Items...)
	case "const":
		return r.admit(v)
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		return r.addBound(name, v)
	case "minLength":
		return size(v, &r.length.least)
	case "maxLength":
		return size(v, &r.length.most)
	case "minItems":
		return size(v, &r.count.least)
	case "maxItems":
		return size(v, &r.count.most)
	case "minProperties":
		return size(v, &r.members.least)
	case "maxProperties":
		return size(v, &r.members.most)
	case "items":
		r.items = a.rule(v)
		return tree.IsSchema(v)
	case "additionalProperties":
		if r.others = nil; v.Form != tree.BooleanForm || v.Text == "true" {
			r.others = a.rule(v)
		}
		return tree.IsSchema(v)
	case "properties":
		return a.addNamed(r, v)
	case "anyOf":
		return a.addBranches(r, v)
	case "allOf":
		return a.addBounds(r, v)
	case "$ref":
		return a.refer(r, s, v.Str())
	case "pattern":
		return a.addPattern(r, v)
	case "format":
		return a.addFormat(r, v)
	case "required": // see rule
		return true
	case "$schema", "$defs", "definitions":
		return s == a.doc
	}
	return saysNothing(name)
}

// saysNothing reports whether a keyword is only for people.
func saysNothing(name string) bool {
	switch name {
	case "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment":
		return true
	}
	return strings.HasPrefix(name, "x-")
}

func (r *rule) setForms(v *tree.Value) bool {
	names := v.Strings()
	if v.Form == tree.StringForm {
		names = []string{v.Text}
	}
	r.forms = 0
	for _, name := range names {
		r.forms |= formsByName[name]
	}
	return r.forms != 0 && !slices.ContainsFunc(names, func(name string) bool { return formsByName[name] == 0 })
}

// admit restricts a rule to scalar values. Equal numbers can have different texts; the rule
// then gives up.
func (r *rule) admit(values ...*tree.Value) bool {
	texts := make(map[string]bool, len(values))
	for _, v := range values {
		if v.Form == tree.ArrayForm || v.Form == tree.ObjectForm {
			return false
		}
		if text := string(v.JSON()); r.texts == nil || r.texts[text] {
			texts[text] = true
		}
	}
	r.texts = texts
	return true
}

func (r *rule) addBound(keyword string, v *tree.Value) bool {
	near, err := strconv.ParseFloat(v.Text, 64)
	if v.Form != tree.NumberForm || err != nil {
		return false
	}
	b := bound{near: near, upper: strings.HasSuffix(keyword, "aximum"), exclusive: strings.HasPrefix(keyword, "exclusive")}
	if n, err := strconv.ParseInt(v.Text, 10, 64); err == nil {
		b.whole, b.exact = true, n
	}
	r.bounds = append(r.bounds, b)
	return true
}

// addBounds adds an "allOf" that only has limits of numbers and formats, as for the types
// of Go.
func (a *acceptor) addBounds(r *rule, all *tree.Value) bool {
	for _, s := range all.Items {
		for _, m := range s.Members {
			limit := m.Name == "minimum" || m.Name == "maximum"
			if limit && !r.addBound(m.Name, m.Value) || !limit && (m.Name != "format" || !a.addFormat(r, m.Value)) {
				return false
			}
		}
		r.weight += 4
		r.applied++
	}
	return all.Form == tree.ArrayForm && len(all.Items) > 0
}

func size(v *tree.Value, to *int) bool {
	n, err := strconv.Atoi(v.Text)
	*to = n
	return v.Form == tree.NumberForm && err == nil && n >= 0
}

func (a *acceptor) addNamed(r *rule, properties *tree.Value) bool {
	if properties.Form != tree.ObjectForm || len(properties.Members) > maxNamed {
		return false
	}
	for _, m := range properties.Members {
		if !tree.IsSchema(m.Value) {
			return false
		}
		r.named = append(r.named, named{string(rawjson.AppendString(nil, m.Name)), a.rule(m.Value)})
	}
	return true
}

// require enters the required names, which must be declared.
func (a *acceptor) require(r *rule, names *tree.Value) bool {
	if names == nil {
		return true
	}
	for _, name := range names.Items {
		text := string(rawjson.AppendString(nil, name.Text))
		i := slices.IndexFunc(r.named, func(n named) bool { return n.text == text })
		if i < 0 || name.Form != tree.StringForm {
			return false
		}
		r.required |= 1 << i
	}
	return names.Form == tree.ArrayForm
}

// addBranches adds an "anyOf" of scalar values and at most one form of arrays or objects,
// so that no value is read in vain.
func (a *acceptor) addBranches(r *rule, branches *tree.Value) bool {
	var nested forms
	for _, s := range branches.Items {
		if s.Form != tree.ObjectForm || !s.Has("type") || s.Has("anyOf", "$ref") {
			return false
		}
		b := a.rule(s)
		if b.forms&nested != 0 {
			return false
		}
		nested |= b.forms & nestedForm
		r.anyOf = append(r.anyOf, b)
		r.weight += b.weight
		r.applied += b.applied
	}
	return branches.Form == tree.ArrayForm && len(r.anyOf) > 0
}

// refer makes a rule a reference to a definition. Drafts differ on keywords beside a
// reference, so only annotations may stand there.
func (a *acceptor) refer(r *rule, s *tree.Value, ref string) bool {
	path, local := tree.PathOf(ref)
	if !local || len(path) != 2 || path[0] != "$defs" && path[0] != "definitions" || strings.ContainsAny(ref, "%~") {
		return false
	}
	for _, m := range s.Members {
		if m.Name != "$ref" && !saysNothing(m.Name) {
			return false
		}
	}
	target := tree.Descend(a.doc, path)
	if s == a.doc || !tree.IsSchema(target) {
		return false
	}
	if a.refs[ref] == nil {
		known := new(rule)
		a.refs[ref] = known // before the target, which can contain the reference
		*known = *a.rule(target)
		known.weight += a.doc.Schemas() / 64
	}
	r.ref = a.refs[ref]
	return true
}

// accept returns the canonical text of arguments that are right as they are.
func (a *acceptor) accept(arguments string) ([]byte, bool) {
	if a == nil || len(arguments) > maxText {
		return nil, false
	}
	r := reader{src: arguments, out: make([]byte, 0, len(arguments)), left: maxAccepted}
	if r.space() != '{' || !r.value(a.root) {
		return nil, false
	}
	r.space()
	return r.out, r.pos == len(r.src)
}

// contains reports whether the canonical text that was written from begin is among texts.
func contains(texts map[string]bool, out []byte, begin int) bool {
	return texts == nil || texts[string(out[begin:])]
}

// repeated reports whether the last of names stands among them before.
func repeated(out []byte, names []span) bool {
	last := names[len(names)-1]
	for _, n := range names[:len(names)-1] {
		if bytes.Equal(out[n.least:n.most], out[last.least:last.most]) {
			return true
		}
	}
	return false
}
