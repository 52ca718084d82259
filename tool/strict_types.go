package tool

import (
	"errors"
	"slices"
	"strings"
)

// strictTypes returns the types of a schema, null among them; where it names
// none those which its other keywords are about. Integers are numbers.
func strictTypes(n *value) []string {
	var types []string
	switch t := n.get("type"); {
	case t != nil && t.form == stringForm:
		types = []string{t.text}
	case t != nil:
		types = t.strs()
	case n.has("enum", "const"):
		for _, v := range enumOf(n) {
			types = append(types, typeOf(v))
		}
	case n.has("properties", "required"):
		types = []string{"object"}
	case n.has("items"):
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

func typeOf(v *value) string {
	if v.form == numberForm && !strings.ContainsAny(v.text, ".eE") {
		return "integer"
	}
	return string(v.form)
}

// enumOf returns the values that enum and const leave.
func enumOf(n *value) []*value {
	if c := n.get("const"); c != nil {
		return []*value{c}
	}
	if enum := n.get("enum"); enum != nil {
		return enum.items
	}
	return nil
}

// typed rewrites a schema without references and combinations. More types than
// one and null become a choice, each with the keywords that are about it.
func (s *stricter) typed(n *value, types []string) (*value, error) {
	enum := n.has("enum", "const")
	null := slices.Contains(types, "null") && (!enum || slices.ContainsFunc(enumOf(n), func(v *value) bool { return v.form == nullForm }))
	var forms []*value
	for _, typ := range types {
		made, err := s.one(n, typ, enum)
		if err != nil {
			return nil, err
		}
		if made != nil {
			forms = append(forms, made)
		}
	}
	switch {
	case len(forms) == 0 && null:
		return described(n, object(member{"type", text("null")})), nil
	case len(forms) == 0:
		return nil, s.no("no value at all")
	case len(forms) == 1 && null:
		return described(n, nullable(forms[0])), nil
	case len(forms) == 1:
		return described(n, forms[0]), nil
	case null:
		forms = append(forms, object(member{"type", text("null")}))
	}
	return described(n, choice(forms)), nil
}

// choice makes one schema of several forms.
func choice(forms []*value) *value {
	made := object()
	for i := range forms {
		forms[i] = alone(made, "", forms[i])
	}
	made.set("anyOf", &value{form: arrayForm, items: forms})
	return made
}

// kept are the keywords that the form has, by the type that they are about.
var kept = map[string][]string{
	"string":  {"pattern", "format"},
	"number":  {"multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
	"integer": {"multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
	"array":   {"minItems", "maxItems"},
}

// strictFormats are the formats that the form has.
var strictFormats = []string{"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}

// one rewrites a schema as far as it is about one type other than null. It
// returns nil if the enum has no value of the type.
func (s *stricter) one(n *value, typ string, enum bool) (*value, error) {
	made := object(member{"type", text(typ)})
	if enum {
		if values := enumFor(n, typ); len(values) > 0 {
			made.set("enum", &value{form: arrayForm, items: values})
		} else {
			return nil, nil
		}
	}
	for _, m := range n.members {
		if slices.Contains(kept[typ], m.name) {
			made.set(m.name, m.value)
		}
	}
	var err error
	switch {
	case typ == "null":
		return nil, nil
	case typ == "object" && enum, typ == "array" && enum:
		return nil, s.no("an enum of objects or lists")
	case typ == "object":
		err = s.object(n, made)
	case typ == "array":
		err = s.array(n, made)
	case typ == "string":
		narrow(made)
	}
	for _, sentence := range spoken(n, typ) {
		made.say(sentence)
	}
	return made, err
}

// enumFor returns the different values of an enum that are of a type.
func enumFor(n *value, typ string) []*value {
	var values []*value
	seen := map[string]bool{}
	for _, v := range enumOf(n) {
		if is := typeOf(v); is != typ && !(is == "integer" && typ == "number") || seen[string(v.json())] {
			continue
		}
		seen[string(v.json())] = true
		values = append(values, v)
	}
	return values
}

// narrow moves what the form does not know of strings into the description.
func narrow(made *value) {
	if p := made.get("pattern"); p != nil {
		if _, err := strictPattern(p.str()); err != nil {
			made.remove("pattern")
			made.say("Must match the regular expression " + clip(p.str(), 3*maxEcho) + " .")
		}
	}
	if f := made.get("format"); f != nil && !slices.Contains(strictFormats, f.str()) {
		made.remove("format")
		must := "of the format " + clip(f.str(), maxEcho)
		if known, ok := formatTexts[f.str()]; ok {
			must = known
		}
		made.say("Must be " + must + ".")
	}
}

func (s *stricter) array(n, made *value) error {
	items := n.get("items")
	if items == nil {
		return s.no("a list of any values")
	}
	inner, err := s.below(items, "items")
	if err != nil {
		return err
	}
	made.set("items", alone(made, "Each item: ", inner))
	return nil
}

func (s *stricter) object(n, made *value) error {
	if err := s.checkClosed(n); err != nil {
		return err
	}
	required := map[string]bool{}
	for _, name := range n.get("required").strs() {
		if required[name] = true; !n.get("properties").has(name) {
			return s.no("requires the property %s, which it does not describe", quote(name))
		}
	}
	properties := object()
	for _, p := range members(n.get("properties")) {
		if p.value.form == booleanForm && p.value.text == "false" && !required[p.name] {
			continue
		}
		inner, err := s.below(p.value, "properties", p.name)
		if err != nil {
			return err
		}
		if !required[p.name] {
			if err := s.absent(p); err != nil {
				return err
			}
			inner = nullable(inner)
		}
		properties.members = append(properties.members, member{p.name, alone(made, p.name+": ", inner)})
	}
	made.set("properties", properties)
	made.set("required", texts(properties.names()...))
	made.set("additionalProperties", &value{form: booleanForm, text: "false"})
	return nil
}

func members(v *value) []member {
	if v == nil {
		return nil
	}
	return v.members
}

// checkClosed refuses an object that takes properties of any name. One that
// describes some and says nothing of others is taken for closed, as the schemas
// of most tools are written; so are arguments without properties.
func (s *stricter) checkClosed(n *value) error {
	for _, keyword := range []string{"additionalProperties", "unevaluatedProperties"} {
		if rest := n.get(keyword); rest != nil && !isFalse(rest) {
			return s.no("properties of any name (%s)", keyword)
		} else if rest != nil {
			return s.checkPatterns(n)
		}
	}
	if len(members(n.get("properties"))) == 0 && len(s.path) > 0 {
		return s.no("properties of any name")
	}
	return s.checkPatterns(n)
}

func (s *stricter) checkPatterns(n *value) error {
	if len(members(n.get("patternProperties"))) > 0 {
		return s.no("properties of any name that fits (patternProperties)")
	}
	return nil
}

// isFalse reports whether a schema takes nothing; some generators write not {}.
func isFalse(n *value) bool {
	not := n.get("not")
	return n.form == booleanForm && n.text == "false" ||
		len(n.members) == 1 && not != nil && (not.form == objectForm && len(not.members) == 0 || not.text == "true")
}

// absent notes that a property may be left out. Inside of a choice no repair
// drops its null. Where the property takes null, too, null would say both, unless the
// one is the default of the other.
func (s *stricter) absent(p member) error {
	if s.takesNull(p.value, 0) {
		if s.held == nil || s.defaultsToNull(p.name) {
			return nil
		}
		return errors.New(place(append(s.path, "properties", p.name)) + ": may be left out and may be null, and the form has only null for both")
	}
	err := errors.New(place(append(s.path, "properties", p.name)) +
		": may be left out, inside of a choice of forms, where null could not stand for that")
	if s.choice {
		return err
	}
	if s.within.optional == nil {
		s.within.optional = err
	}
	return nil
}

// defaultsToNull reports whether null is the default of a property of the schema that
// is being rewritten. The model is not shown it.
func (s *stricter) defaultsToNull(name string) bool {
	at := slices.Concat(s.path, []string{"properties", name})
	path, _ := pathOf(s.held.get("$ref").str()) // what it leads to may be shown in its place
	for _, from := range []*value{s.held, descend(s.held, path)} {
		if d := descend(from, at).get("default"); d != nil && d.form == nullForm {
			return true
		}
	}
	return false
}

// takesNull reports whether what is shown of a property says that it takes null.
func (s *stricter) takesNull(n *value, depth int) bool {
	if depth > 8 {
		return false
	}
	if ref := n.get("$ref"); ref != nil {
		_, target := s.follow(ref.str())
		return target != nil && s.takesNull(target, depth+1)
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		if branches := n.get(keyword); branches != nil {
			return slices.ContainsFunc(branches.items, func(b *value) bool { return s.takesNull(b, depth+1) })
		}
	}
	if all := n.get("allOf"); all != nil && !n.has("type") {
		return !slices.ContainsFunc(all.items, func(b *value) bool { return !s.takesNull(b, depth+1) })
	}
	types := strictTypes(n)
	return slices.Contains(types, "null") &&
		(!n.has("enum", "const") || slices.ContainsFunc(enumOf(n), func(v *value) bool { return v.form == nullForm }))
}
