package forms

import (
	"errors"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// strictTypes returns the types of a schema, including null. Without "type", the types
// are inferred from the other keywords. Integers are dropped beside numbers.
func strictTypes(n *tree.Value) []string {
	var types []string
	switch t := n.Get("type"); {
	case t != nil && t.Form == tree.StringForm:
		types = []string{t.Text}
	case t != nil:
		types = t.Strings()
	case n.Has("enum", "const"):
		for _, v := range tree.EnumOf(n) {
			types = append(types, typeOf(v))
		}
	case n.Has("properties", "required"):
		types = []string{"object"}
	case n.Has("items"):
		types = []string{"array"}
	}
	var once []string
	for _, t := range types {
		if !slices.Contains(once, t) && !(t == "integer" && slices.Contains(types, "number")) {
			once = append(once, t)
		}
	}
	return once
}

func typeOf(v *tree.Value) string {
	if v.Form == tree.NumberForm && !strings.ContainsAny(v.Text, ".eE") {
		return "integer"
	}
	return string(v.Form)
}

// typed rewrites a schema without references and combinations. Several types become an
// anyOf, where each branch has the keywords of its type. One type and null need no
// anyOf.
func (s *strictBuilder) typed(n *tree.Value, types []string) (*tree.Value, error) {
	enum := n.Has("enum", "const")
	null := slices.Contains(types, "null") && (!enum || slices.ContainsFunc(tree.EnumOf(n), func(v *tree.Value) bool { return v.Form == tree.NullForm }))
	var forms []*tree.Value
	for _, typ := range types {
		made, err := s.ofType(n, typ, enum)
		if err != nil {
			return nil, err
		}
		if made != nil {
			forms = append(forms, made)
		}
	}
	switch {
	case len(forms) == 0 && null:
		return withDescription(n, tree.Object(tree.Member{Name: "type", Value: tree.Text("null")})), nil
	case len(forms) == 0:
		return nil, s.errorf("no value at all")
	case len(forms) == 1 && null:
		return withDescription(n, nullable(forms[0])), nil
	case len(forms) == 1:
		return withDescription(n, forms[0]), nil
	case null:
		forms = append(forms, tree.Object(tree.Member{Name: "type", Value: tree.Text("null")}))
	}
	return withDescription(n, anyOf(forms)), nil
}

// anyOf returns the anyOf of forms.
func anyOf(forms []*tree.Value) *tree.Value {
	made := tree.Object()
	for i := range forms {
		forms[i] = liftDescription(made, "", forms[i])
	}
	made.Set("anyOf", &tree.Value{Form: tree.ArrayForm, Items: forms})
	return made
}

// supportedKeywords lists the keywords that the form supports, by type.
var supportedKeywords = map[string][]string{
	"string":  {"pattern", "format"},
	"number":  {"multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
	"integer": {"multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
	"array":   {"minItems", "maxItems"},
}

// strictFormats lists the formats that the form supports.
var strictFormats = []string{"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}

// ofType rewrites the keywords of a schema for one type. The result is nil for null, and if
// no value of the enum has the type.
func (s *strictBuilder) ofType(n *tree.Value, typ string, enum bool) (*tree.Value, error) {
	made := tree.Object(tree.Member{Name: "type", Value: tree.Text(typ)})
	if enum {
		if values := enumFor(n, typ); len(values) > 0 {
			made.Set("enum", &tree.Value{Form: tree.ArrayForm, Items: values})
		} else {
			return nil, nil
		}
	}
	for _, m := range n.Members {
		if slices.Contains(supportedKeywords[typ], m.Name) {
			made.Set(m.Name, m.Value)
		}
	}
	var err error
	switch {
	case typ == "null":
		return nil, nil
	case typ == "object" && enum, typ == "array" && enum:
		return nil, s.errorf("an enum of objects or lists")
	case typ == "object":
		err = s.object(n, made)
	case typ == "array":
		err = s.array(n, made)
	case typ == "string":
		narrow(made)
	}
	for _, sentence := range sentences(n, typ) {
		made.AddSentence(sentence)
	}
	return made, err
}

// enumFor returns the distinct enum values of a type.
func enumFor(n *tree.Value, typ string) []*tree.Value {
	var values []*tree.Value
	seen := map[string]bool{}
	for _, v := range tree.EnumOf(n) {
		if is := typeOf(v); is != typ && !(is == "integer" && typ == "number") || seen[string(v.JSON())] {
			continue
		}
		seen[string(v.JSON())] = true
		values = append(values, v)
	}
	return values
}

// narrow moves unsupported patterns and formats of strings into the description.
func narrow(made *tree.Value) {
	if p := made.Get("pattern"); p != nil {
		if _, err := validate.StrictPattern(p.Str()); err != nil {
			made.Remove("pattern")
			made.AddSentence("Must match the regular expression " + clip.Runes(p.Str(), 3*tree.MaxEcho) + " .")
		}
	}
	if f := made.Get("format"); f != nil && !slices.Contains(strictFormats, f.Str()) {
		made.Remove("format")
		must := "of the format " + clip.Runes(f.Str(), tree.MaxEcho)
		if known, ok := validate.FormatTexts[f.Str()]; ok {
			must = known
		}
		made.AddSentence("Must be " + must + ".")
	}
}

func (s *strictBuilder) array(n, made *tree.Value) error {
	items := n.Get("items")
	if items == nil {
		return s.errorf("a list of any values")
	}
	inner, err := s.below(items, "items")
	if err != nil {
		return err
	}
	made.Set("items", liftDescription(made, "Each item: ", inner))
	return nil
}

func (s *strictBuilder) object(n, made *tree.Value) error {
	if err := s.checkClosed(n); err != nil {
		return err
	}
	required := map[string]bool{}
	for _, name := range n.Get("required").Strings() {
		if required[name] = true; !n.Get("properties").Has(name) {
			return s.errorf("requires the property %s, which it does not describe", tree.Quote(name))
		}
	}
	properties := tree.Object()
	for _, p := range tree.Members(n.Get("properties")) {
		if p.Value.Form == tree.BooleanForm && p.Value.Text == "false" && !required[p.Name] {
			continue
		}
		inner, err := s.below(p.Value, "properties", p.Name)
		if err != nil {
			return err
		}
		if !required[p.Name] {
			if err := s.checkOptional(p); err != nil {
				return err
			}
			inner = nullable(inner)
		}
		properties.Members = append(properties.Members, tree.Member{Name: p.Name, Value: liftDescription(made, p.Name+": ", inner)})
	}
	made.Set("properties", properties)
	made.Set("required", tree.Texts(properties.Names()...))
	made.Set("additionalProperties", &tree.Value{Form: tree.BooleanForm, Text: "false"})
	return nil
}

// checkClosed refuses an object with arbitrary properties. An object counts as closed if
// it declares some properties and does not mention others, as the schemas of most tools
// do. Arguments without properties count as closed, too.
func (s *strictBuilder) checkClosed(n *tree.Value) error {
	for _, keyword := range []string{"additionalProperties", "unevaluatedProperties"} {
		if rest := n.Get(keyword); rest != nil && !isFalse(rest) {
			return s.errorf("properties of any name (%s)", keyword)
		} else if rest != nil {
			return s.checkPatterns(n)
		}
	}
	if len(tree.Members(n.Get("properties"))) == 0 && len(s.path) > 0 {
		return s.errorf("properties of any name")
	}
	return s.checkPatterns(n)
}

func (s *strictBuilder) checkPatterns(n *tree.Value) error {
	if len(tree.Members(n.Get("patternProperties"))) > 0 {
		return s.errorf("properties of any name that fits (patternProperties)")
	}
	return nil
}

// isFalse reports whether no value is valid for n. Some generators write not {}.
func isFalse(n *tree.Value) bool {
	not := n.Get("not")
	return n.Form == tree.BooleanForm && n.Text == "false" ||
		len(n.Members) == 1 && not != nil && (not.Form == tree.ObjectForm && len(not.Members) == 0 || not.Text == "true")
}

// checkOptional checks an optional property. Inside of a union, validation drops no
// null, so the form cannot express the absence. If the property admits null, then null
// would have two meanings, unless null is also the default.
func (s *strictBuilder) checkOptional(p tree.Member) error {
	if s.takesNull(p.Value, 0) {
		if s.held == nil || s.defaultsToNull(p.Name) {
			return nil
		}
		return errors.New(place(append(s.path, "properties", p.Name)) + ": may be left out and may be null, and the form has only null for both")
	}
	err := errors.New(place(append(s.path, "properties", p.Name)) +
		": may be left out, inside of a choice of forms, where null could not stand for that")
	if s.inUnion {
		return err
	}
	if s.current.optional == nil {
		s.current.optional = err
	}
	return nil
}

// defaultsToNull reports whether null is the default of a property of the current
// schema. Only the schema for validation contains the default.
func (s *strictBuilder) defaultsToNull(name string) bool {
	at := slices.Concat(s.path, []string{"properties", name})
	path, _ := tree.PathOf(s.held.Get("$ref").Str()) // the target may be shown in place of the reference
	for _, from := range []*tree.Value{s.held, tree.Descend(s.held, path)} {
		if d := tree.Descend(from, at).Get("default"); d != nil && d.Form == tree.NullForm {
			return true
		}
	}
	return false
}

// takesNull reports whether the shown schema of a property admits null.
func (s *strictBuilder) takesNull(n *tree.Value, depth int) bool {
	if depth > 8 {
		return false
	}
	if ref := n.Get("$ref"); ref != nil {
		_, target := s.follow(ref.Str())
		return target != nil && s.takesNull(target, depth+1)
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		if branches := n.Get(keyword); branches != nil {
			return slices.ContainsFunc(branches.Items, func(b *tree.Value) bool { return s.takesNull(b, depth+1) })
		}
	}
	if all := n.Get("allOf"); all != nil && !n.Has("type") {
		return !slices.ContainsFunc(all.Items, func(b *tree.Value) bool { return !s.takesNull(b, depth+1) })
	}
	types := strictTypes(n)
	return slices.Contains(types, "null") &&
		(!n.Has("enum", "const") || slices.ContainsFunc(tree.EnumOf(n), func(v *tree.Value) bool { return v.Form == tree.NullForm }))
}
