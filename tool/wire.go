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
// "$id", "$comment" and "title", which some providers refuse and which tell a
// model nothing. A default becomes a sentence of the description: it would be
// refused too, but the model should know what happens without the property.
func toWire(root *value) {
	w := wire{ids: map[string]string{}}
	w.find(root, nil)
	w.rewrite(root, "", nil)
}

// A wire knows the schemas that are named by an "$id", since the references to
// them have to become JSON pointers.
type wire struct{ ids map[string]string } // each to the pointer of its schema

func (w *wire) find(n *value, path []string) {
	if id := idOf(n); id != "" {
		w.ids[id] = pointer(path)
	}
	n.inner(func(s *value, steps ...string) { w.find(s, slices.Concat(path, steps)) })
}

// rewrite does so for n, which stands at path in the schema, and for what is
// inside. base is the pointer of the innermost schema around it that has an
// "$id": local references start there.
func (w *wire) rewrite(n *value, base string, path []string) {
	if id := idOf(n); id != "" && !strings.HasPrefix(id, "#") {
		base = pointer(path)
	}
	if ref := n.get("$ref"); ref.str() != "" {
		n.set("$ref", text(w.reference(ref.str(), base)))
	}
	if d := n.get("default"); d != nil && d.form != nullForm {
		n.say("Default: " + clip(string(d.json()), maxEcho) + ".")
	}
	n.remove("$schema", "$id", "$comment", "title", "default")
	if n.get("id").str() != "" {
		n.remove("id") // of draft-04
	}
	n.inner(func(s *value, steps ...string) { w.rewrite(s, base, slices.Concat(path, steps)) })
}

// idOf returns what names a schema for references; draft-04 wrote "id".
func idOf(n *value) string {
	if id := n.get("$id").str(); id != "" {
		return id
	}
	return n.get("id").str()
}

func (w *wire) reference(ref, base string) string {
	if at, ok := w.ids[ref]; ok {
		return fragment(at)
	}
	name, rest, _ := strings.Cut(ref, "#")
	if at, ok := w.ids[name]; ok && name != "" && strings.HasPrefix(rest, "/") {
		return fragment(at) + rest
	}
	if base != "" && (ref == "#" || strings.HasPrefix(ref, "#/")) {
		return fragment(base) + rest
	}
	return ref
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
