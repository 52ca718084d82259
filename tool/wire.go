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
// refused too, but the model should know what happens without the property. What
// only older drafts know is written as draft 2020-12 does.
func toWire(root *value) {
	w := wire{ids: map[string]string{schemaURL: ""}}
	w.find(root, schemaURL, nil)
	w.rewrite(root, schemaURL)
	modernize(root)
}

// A wire knows the schemas that are named by an "$id", since the references to
// them have to become JSON pointers.
type wire struct{ ids map[string]string } // each, in full, to the pointer of its schema

// find notes the schema n, which stands at path, and those inside. base is the
// "$id" around it, to which names are relative.
func (w *wire) find(n *value, base string, path []string) {
	if id := idOf(n); id != "" {
		at, name := locate(base, id)
		w.ids[at+name] = pointer(path)
		base = at
	}
	n.inner(func(s *value, steps ...string) { w.find(s, base, slices.Concat(path, steps)) })
}

// rewrite does so for n and for what is inside.
func (w *wire) rewrite(n *value, base string) {
	if id := idOf(n); id != "" {
		base, _ = locate(base, id)
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
	n.inner(func(s *value, _ ...string) { w.rewrite(s, base) })
}

// idOf returns what names a schema for references; draft-04 wrote "id".
func idOf(n *value) string {
	if id := n.get("$id").str(); id != "" {
		return id
	}
	return n.get("id").str()
}

func (w *wire) reference(ref, base string) string {
	at, rest := locate(base, ref)
	if to, ok := w.ids[at+rest]; ok {
		return fragment(to)
	}
	if to, ok := w.ids[at]; ok && strings.HasPrefix(rest, "#/") {
		return fragment(to) + rest[1:]
	}
	return ref
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
