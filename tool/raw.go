package tool

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// maxRawSchemas bounds the objects and booleans of a schema that is not ours,
// each of which may be a schema: to compile them takes the square of their number.
const maxRawSchemas = 4_000

// rawSchema readies a schema that its author wrote as JSON.
func rawSchema(raw json.RawMessage) (*schema, error) {
	doc := object()
	if none := strings.TrimSpace(string(raw)); none != "" && none != "null" {
		var err error
		if doc, err = parse(string(raw), schemaLimits); err != nil {
			return nil, fmt.Errorf("schema: %w", err)
		}
		if n := doc.schemas(); n > maxRawSchemas {
			return nil, fmt.Errorf("schema: it has %d objects and booleans; at most %d are read", n, maxRawSchemas)
		}
	}
	if err := tidy(doc); err != nil {
		return nil, err
	}
	doc.inner(func(s *value, _ ...string) { admitNullables(s) }) // the arguments themselves are no null
	shown, err := showable(doc)
	if err != nil {
		return nil, err
	}
	sch := &schema{raw: slices.Clone(raw), wire: shown.json(), decode: func(json.RawMessage) error { return nil }}
	if sch.valid, err = compileRaw(doc); err != nil {
		sch.valid, sch.unchecked = nil, err
	}
	return sch, nil
}

// drafts are the values of "$schema" that the validator knows, without scheme.
var drafts = []string{
	"json-schema.org/schema",
	"json-schema.org/draft/2020-12/schema",
	"json-schema.org/draft/2019-09/schema",
	"json-schema.org/draft-07/schema",
	"json-schema.org/draft-06/schema",
	"json-schema.org/draft-04/schema",
}

// tidy makes a schema that of an object, and removes what would only keep it from
// being compiled. Its errors say what no tool can have.
func tidy(doc *value) error {
	if doc.form != objectForm {
		return fmt.Errorf("schema: must be a JSON object, not %s", describe(doc))
	}
	if !isAbsolute(doc.get("$id").str()) {
		doc.remove("$id")
	}
	doc.remove("id")
	tidyKeywords(doc)
	if types := typesOf(doc); doc.has("type") && !slices.Contains(types, "object") {
		return fmt.Errorf("schema: the arguments must be of type object, not %s", strings.Join(types, " or "))
	}
	doc.set("type", text("object"))
	if p := doc.get("properties"); p != nil && p.form != objectForm {
		return errors.New(`schema: "properties" must be an object`)
	}
	return nil
}

// tidyKeywords removes, at every depth, drafts and names that nobody knows, and
// what some generators write for none.
func tidyKeywords(s *value) {
	if u := s.get("$schema"); u != nil && !slices.Contains(drafts, draftName(u.str())) {
		s.remove("$schema")
	}
	for _, name := range []string{"$id", "id"} {
		if id := s.get(name).str(); id != "" && !isName(id) {
			s.remove(name)
		}
	}
	s.members = slices.DeleteFunc(s.members, func(m member) bool {
		return m.value.form == nullForm && slices.Contains([]string{"type", "properties", "required", "items"}, m.name) ||
			m.name == "required" && m.value.form == arrayForm && len(m.value.items) == 0 // which draft-04 forbids
	})
	s.inner(func(below *value, _ ...string) { tidyKeywords(below) })
}

// isName reports whether a schema may have such a name: some generators write
// where it stands.
func isName(id string) bool {
	u, err := url.Parse(id)
	return err == nil && !strings.HasPrefix(u.Fragment, "/")
}

// admitNullables makes what OpenAPI calls nullable take null. It is no keyword of
// JSON Schema, but the model reads it, and says null for "empty it": to leave that
// out would be another call, and to refuse it would be unfair.
func admitNullables(s *value) {
	s.inner(func(below *value, _ ...string) { admitNullables(below) })
	if v := s.get("nullable"); v == nil || v.form != booleanForm || v.text != "true" {
		return
	}
	s.remove("nullable")
	admitNull(s)
}

// isAbsolute reports whether an "$id" is an address that references in the schema
// may use. Any other would only make it another's.
func isAbsolute(id string) bool {
	u, err := url.Parse(id)
	return err == nil && slices.Contains([]string{"http", "https", "urn"}, u.Scheme) && u.Fragment == ""
}

func draftName(u string) string {
	u = strings.TrimSuffix(u, "#")
	u = strings.TrimPrefix(u, "http://")
	return strings.TrimPrefix(u, "https://")
}

// showable returns what the model is shown of a schema. Combinations at its top
// are held but not shown: providers refuse the whole request for one of them.
func showable(doc *value) (*value, error) {
	shown := doc.clone()
	toWire(shown)
	shown = inlineTop(shown, isLegacy(doc))
	shown.setDefault("properties", object())
	if shown.has(combinators...) && len(shown.get("properties").members) == 0 {
		return nil, errors.New(`schema: providers refuse oneOf, anyOf, allOf, not and enum at the top; describe the arguments in "properties"`)
	}
	shown.remove(combinators...)
	shown.front("properties")
	shown.front("type")
	return shown, nil
}
