package tool

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The keywords of JSON Schema that hold schemas: one, a list of them, or one for
// each of some names. "items" is one or a list, and a value of "dependencies"
// may be a list of names.
var (
	oneSchema = []string{"additionalProperties", "additionalItems", "items", "unevaluatedProperties", "unevaluatedItems",
		"contains", "propertyNames", "not", "if", "then", "else", "contentSchema"}
	listOfSchemas  = []string{"items", "prefixItems", "allOf", "anyOf", "oneOf"}
	schemasByNames = []string{"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)

// inner calls do for each schema that stands directly in a schema, with the
// steps that lead there. A property may be named like a keyword, and a value
// may look like a schema; neither is taken for one.
func (v *value) inner(do func(s *value, steps ...string)) {
	for _, m := range v.members {
		switch {
		case m.value.form == objectForm && slices.Contains(schemasByNames, m.name):
			for _, named := range m.value.members {
				do(named.value, m.name, named.name)
			}
		case m.value.form == arrayForm && slices.Contains(listOfSchemas, m.name):
			for i, s := range m.value.items {
				do(s, m.name, strconv.Itoa(i))
			}
		case slices.Contains(oneSchema, m.name):
			do(m.value, m.name)
		}
	}
}

// toWire makes of a schema what the model is shown of it: without "$schema",
// "$id", "$anchor", "$comment" and "title", which some providers refuse and which tell a
// model nothing. A default becomes a sentence of the description: it would be
// refused too, but the model should know what happens without the property. What
// only older drafts know is written as draft 2020-12 does, and what does not count
// there is left out. A reference that leads
// nowhere is left out.
func toWire(root *value) {
	g, legacy := readGraph(root), isLegacy(root)
	g.dropDynamic()
	for _, s := range g.sites {
		if ref := s.schema.get("$ref"); ref.str() != "" {
			s.schema.set("$ref", text(g.reference(ref.str(), s.base)))
			if legacy {
				s.schema.members = slices.DeleteFunc(s.schema.members, func(m member) bool { return m.name != "$ref" && !isAnnotation(m.name) })
			}
		}
		s.schema.toWire()
	}
	modernize(root)
	dropDangling(root)
}

// toWire does so for one schema without those inside.
func (v *value) toWire() {
	if d := v.get("default"); d != nil && d.form != nullForm {
		v.say("Default: " + clip(string(d.json()), maxEcho) + ".")
	}
	v.remove("$schema", "$id", "$anchor", "$comment", "title", "default") // references are pointers by now
	if v.get("id").str() != "" {
		v.remove("id") // of draft-04
	}
}

// locate returns the address that a reference names, in full, and the fragment of
// it, which is empty or begins with #.
func locate(base, ref string) (at, rest string) {
	name, rest, _ := strings.Cut(ref, "#")
	if rest != "" {
		rest = "#" + rest
	}
	if name == "" {
		return base, rest
	}
	from, err := url.Parse(base)
	if err != nil {
		return name, rest
	}
	to, err := from.Parse(name)
	if err != nil {
		return name, rest
	}
	return to.String(), rest
}

// fragment is a JSON pointer as a reference.
func fragment(pointer string) string {
	return "#" + (&url.URL{Fragment: pointer}).EscapedFragment()
}

// say adds a sentence to the description of a schema.
func (v *value) say(sentence string) {
	about := strings.TrimRight(v.get("description").str(), " \t\r\n")
	switch {
	case about == "":
		about = sentence
	case strings.ContainsAny(about[len(about)-1:], ".!?:;"):
		about += " " + sentence
	default:
		about += ". " + sentence
	}
	v.set("description", text(about))
}
