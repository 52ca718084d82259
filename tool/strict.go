package tool

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// strictForm rewrites the schema that the model is shown into the form that providers hold
// it to with "strict": true. Its error says why there is none.
//
// Every object is closed and requires all its properties; one that may be left
// out takes null instead, which check drops again. What the form cannot say is
// said in the description as far as it only narrows a value. What it would lose
// is an error: then a call that the tool takes could not be made.
//
// held is what arguments are held to beside it, nil if that is no more: the
// combinations at the top of a schema, which are not shown.
//
// Source: "Structured model outputs", section "Supported schemas", of OpenAI's
// documentation, as of February 2026.
func strictForm(wire json.RawMessage, held *value) (json.RawMessage, error) {
	shown, err := parse(string(wire), reflectedLimits)
	if err != nil {
		return nil, err
	}
	s := &stricter{shown: shown, legacy: isLegacy(held), defs: map[string]*definition{}, names: map[string]bool{}, within: &definition{}}
	s.top = s.within
	root, err := s.root(held)
	if err != nil {
		return nil, err
	}
	if err := s.define(root); err != nil {
		return nil, err
	}
	if err := checkStrict(root); err != nil {
		return nil, err
	}
	return root.json(), nil
}

// isLegacy reports whether a schema is of a draft in which nothing beside "$ref"
// counts.
func isLegacy(doc *value) bool {
	for _, draft := range []string{"draft-07", "draft-06", "draft-04"} {
		if strings.Contains(doc.get("$schema").str(), draft) {
			return true
		}
	}
	return false
}

// A stricter makes the strict form of one schema.
type stricter struct {
	shown  *value
	legacy bool
	path   []string               // of the schema that is being rewritten
	defs   map[string]*definition // by the pointer of what was referred to
	names  map[string]bool        // of the definitions
	queue  []*definition          // in the order of the first reference
	choice bool                   // inside of anyOf, where check drops no null
	inside []*definition          // referred to from there
	within *definition            // that is being rewritten
	top    *definition            // the arguments, to which "#" refers
}

// A definition is a schema that others refer to.
type definition struct {
	name     string
	path     []string
	refs     []*definition // that it refers to
	optional error         // for a property of it that may be left out
}

// no is the error for the schema that is being rewritten.
func (s *stricter) no(format string, args ...any) error {
	return errors.New(place(s.path) + ": " + fmt.Sprintf(format, args...))
}

// place names a schema in one line.
func place(path []string) string {
	if len(path) == 0 {
		return "(top level)"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, clip(pointer(path), 3*maxEcho))
}

func (s *stricter) below(n *value, steps ...string) (*value, error) {
	before := len(s.path)
	s.path = append(s.path, steps...)
	made, err := s.schema(n)
	s.path = s.path[:before]
	return made, err
}

// root rewrites the top, which has to be an object itself.
func (s *stricter) root(held *value) (*value, error) {
	n := s.shown
	if ref := n.get("$ref"); ref != nil {
		path, target := s.follow(ref.str())
		if target == nil || !slices.Equal(typesOf(target), []string{"object"}) || target.has("$ref", "anyOf", "oneOf", "allOf") {
			return nil, s.no("a reference in place of the arguments")
		}
		for _, m := range n.members {
			if !s.legacy && m.name != "$ref" && m.name != "type" && !isAnnotation(m.name) && !(m.name == "properties" && len(m.value.members) == 0) {
				return nil, s.no("%s beside a reference", m.name)
			}
		}
		n, s.path = target, path
	}
	n, err := s.withPresence(n, held)
	if err != nil {
		return nil, err
	}
	if n, err = s.single(n); err != nil {
		return nil, err
	}
	if err := s.checkLost(n); err != nil {
		return nil, err
	}
	return s.typed(n, []string{"object"})
}

// withPresence says at the top which properties have to be there together, if
// no more than that is held but not shown.
func (s *stricter) withPresence(n, held *value) (*value, error) {
	n = n.shallow()
	for _, keyword := range combinators {
		if !held.has(keyword) {
			continue
		}
		sentence := presence(keyword, held.get(keyword), n)
		if sentence == "" {
			return nil, s.no("%s at the top, which the model is not shown", keyword)
		}
		n.say(sentence)
	}
	return n, nil
}

// shallow returns a copy whose members can be replaced.
func (v *value) shallow() *value {
	c := *v
	c.members = slices.Clone(v.members)
	return &c
}

// lost are keywords that no description could make up for: with them the form
// would not let the model make a call that the tool takes.
var lost = []string{"not", "if", "dependentSchemas", "propertyNames", "prefixItems", "$dynamicRef", "$recursiveRef"}

func (s *stricter) checkLost(n *value) error {
	for _, keyword := range lost {
		if n.has(keyword) {
			return s.no("%s", keyword)
		}
	}
	if slices.ContainsFunc(members(n.get("dependencies")), func(m member) bool { return m.value.form != arrayForm }) {
		return s.no("dependencies")
	}
	return nil
}

func (s *stricter) schema(n *value) (*value, error) {
	if n.form != objectForm {
		return nil, s.no("%s", map[string]string{"true": "any value", "false": "no value at all"}[n.text])
	}
	if s.legacy && n.has("$ref") {
		n = n.shallow()
		n.members = slices.DeleteFunc(n.members, func(m member) bool { return m.name != "$ref" && !isAnnotation(m.name) })
	}
	n, err := s.single(n)
	if err != nil {
		return nil, err
	}
	if err := s.checkLost(n); err != nil {
		return nil, err
	}
	switch {
	case n.has("$ref"):
		return s.reference(n)
	case n.has("anyOf", "oneOf"):
		return s.union(n)
	}
	types := strictTypes(n)
	if len(types) == 0 {
		return nil, s.no("any value")
	}
	return s.typed(n, types)
}

// annotations are keywords that hold no value to anything.
var annotations = []string{"description", "examples", "deprecated", "readOnly", "writeOnly", "nullable", "$anchor", "$dynamicAnchor", "$defs", "definitions"}

func isAnnotation(name string) bool {
	return slices.Contains(annotations, name) || strings.HasPrefix(name, "x-")
}

// single puts the only branch of an allOf in its place.
func (s *stricter) single(n *value) (*value, error) {
	for all := n.get("allOf"); all != nil; all = n.get("allOf") {
		if len(all.items) != 1 || all.items[0].form != objectForm {
			return nil, s.no("allOf")
		}
		branch := all.items[0]
		n = n.shallow()
		n.remove("allOf")
		for _, m := range branch.members {
			if isAnnotation(m.name) {
				n.setDefault(m.name, m.value)
				continue
			}
			if n.has(m.name) && !(m.name == "type" && string(n.get("type").json()) == string(m.value.json())) {
				return nil, s.no("allOf with %s on both sides", m.name)
			}
			n.set(m.name, m.value)
		}
		if closing := []string{"properties", "patternProperties", "additionalProperties", "unevaluatedProperties"}; branch.has(closing...) &&
			slices.ContainsFunc(closing, func(k string) bool { return n.has(k) && !branch.has(k) }) {
			return nil, s.no("allOf with properties on both sides") // each of them looks at its own side only
		}
	}
	return n, nil
}

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

// described puts the description of n, and what the form has no keyword for,
// before what was made of it.
func described(n, made *value) *value {
	about := object()
	if d := n.get("description"); d.str() != "" {
		about.set("description", d)
	}
	for _, sentence := range []string{made.get("description").str(), annotated(n)} {
		if sentence != "" {
			about.say(sentence)
		}
	}
	if d := about.get("description"); d != nil {
		made.set("description", d)
		made.front("description")
	}
	made.front("type")
	return made
}

// alone takes the description from beside a reference, which has to stand alone,
// to what it stands in.
func alone(in *value, about string, made *value) *value {
	d := made.get("description").str()
	if !made.has("$ref") || d == "" {
		return made
	}
	in.say(about + d)
	return object(member{"$ref", made.get("$ref")})
}

// nullable makes a strict schema take null too.
func nullable(made *value) *value {
	null := object(member{"type", text("null")})
	either := made.get("anyOf")
	switch {
	case made.has("$ref"):
		return choice([]*value{made, null})
	case either != nil && !takesNull(either):
		either.items = append(either.items, null)
	case either == nil && !slices.Contains(made.get("type").strs(), "null") && made.get("type").str() != "null":
		admitNull(made)
	}
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
	default:
		exclusive(made)
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
		if _, err := strictRegexp(p.str()); err != nil {
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

// exclusive writes the bounds of draft-04, where exclusiveMinimum is a boolean
// beside minimum, as all later drafts do.
func exclusive(made *value) {
	for inclusive, keyword := range map[string]string{"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"} {
		b := made.get(keyword)
		if b == nil || b.form != booleanForm {
			continue
		}
		bound := made.get(inclusive)
		made.remove(keyword)
		if b.text == "true" && bound != nil {
			made.remove(inclusive)
			made.set(keyword, bound)
		}
	}
}

func (s *stricter) array(n, made *value) error {
	items := n.get("items")
	switch {
	case items != nil && items.form == arrayForm:
		return s.no("items that differ by their place")
	case items == nil:
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

// absent notes that a property may be left out. Inside of a choice check does
// not drop its null, unless it takes null anyway.
func (s *stricter) absent(p member) error {
	if s.takesNull(p.value, 0) {
		return nil
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
	types := strictTypes(n)
	return slices.Contains(types, "null") &&
		(!n.has("enum", "const") || slices.ContainsFunc(enumOf(n), func(v *value) bool { return v.form == nullForm }))
}

// reference rewrites a reference. Beside it the form takes no other keyword.
func (s *stricter) reference(n *value) (*value, error) {
	ref := n.get("$ref").str()
	path, target := s.follow(ref)
	if target == nil {
		return nil, s.no("a reference to %s, which cannot be followed", quote(ref))
	}
	for _, m := range n.members {
		same := m.name == "type" && slices.Equal(strictTypes(n), strictTypes(target))
		if m.name != "$ref" && !same && !isAnnotation(m.name) {
			return nil, s.no("%s beside a reference", m.name)
		}
	}
	to := "#"
	if d := s.definition(path); d != s.top {
		to = "#/$defs/" + d.name
	}
	return described(n, object(member{"$ref", text(to)})), nil
}

// follow returns the schema that a local reference names, nil if it is none.
func (s *stricter) follow(ref string) ([]string, *value) {
	if ref == "#" {
		return nil, s.shown
	}
	rest, local := strings.CutPrefix(ref, "#/")
	rest, err := url.PathUnescape(rest)
	if !local || err != nil {
		return nil, nil
	}
	var path []string
	for step := range strings.SplitSeq(rest, "/") {
		path = append(path, strings.NewReplacer("~1", "/", "~0", "~").Replace(step))
	}
	return path, descend(s.shown, path)
}

// definition returns that of the schema at path, a new one if it has none.
func (s *stricter) definition(path []string) *definition {
	key := pointer(path)
	d := s.defs[key]
	if len(path) == 0 {
		d = s.top
	}
	if d == nil {
		d = &definition{name: s.unused(path[len(path)-1]), path: path}
		s.defs[key] = d
		s.queue = append(s.queue, d)
	}
	if s.choice {
		s.inside = append(s.inside, d)
	}
	s.within.refs = append(s.within.refs, d)
	return d
}

// unused makes a name that needs no escapes in a reference.
func (s *stricter) unused(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) || r == '-' || r == '.' {
			return r
		}
		return '_'
	}, clip(name, maxEcho))
	unique := name
	for i := 2; s.names[unique]; i++ {
		unique = fmt.Sprintf("%s_%d", name, i)
	}
	s.names[unique] = true
	return unique
}

// define adds what was referred to, and what that refers to.
func (s *stricter) define(root *value) error {
	defs := object()
	for i := 0; i < len(s.queue); i++ {
		d := s.queue[i]
		s.within, s.choice, s.path = d, false, nil
		made, err := s.below(descend(s.shown, d.path), d.path...)
		if err != nil {
			return err
		}
		defs.members = append(defs.members, member{d.name, alone(object(), "", made)})
	}
	if len(defs.members) > 0 {
		root.set("$defs", defs)
	}
	return s.checkInside()
}

// checkInside refuses properties that may be left out in what is referred to
// from inside of a choice.
func (s *stricter) checkInside() error {
	seen := map[*definition]bool{}
	for len(s.inside) > 0 {
		d := s.inside[0]
		s.inside = s.inside[1:]
		if seen[d] {
			continue
		}
		if seen[d] = true; d.optional != nil {
			return d.optional
		}
		s.inside = append(s.inside, d.refs...)
	}
	return nil
}
