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
	sch := &schema{raw: slices.Clone(raw), decode: func(json.RawMessage) error { return nil }}
	var err error
	if sch.repairs, err = ready(doc); err != nil {
		return nil, err
	}
	if sch.valid, err = compileRaw(doc); err != nil {
		sch.valid, sch.unchecked = nil, err
	}
	shown, err := showable(doc)
	if err != nil {
		return nil, err
	}
	sch.wire = shown.json()
	return sch, sch.checkShown(shown, doc)
}

// ready makes a schema the one that arguments are held to. It returns what was
// repaired.
func ready(doc *value) ([]string, error) {
	if doc.form != objectForm {
		return nil, fmt.Errorf("schema: must be a JSON object, not %s", describe(doc))
	}
	if err := hoist(doc); err != nil {
		return nil, err
	}
	repairs, err := mend(doc)
	if err != nil {
		return nil, err
	}
	if err := tidy(doc); err != nil {
		return nil, err
	}
	doc.inner(func(s *value, _ ...string) { admitNullables(s) })
	if isTrue(doc.get("nullable")) && doc.has("type") && !doc.has("$ref", "anyOf", "oneOf", "not", "const") {
		admitNull(doc) // where "#" stands; the arguments themselves are no null
	}
	doc.remove("nullable")
	return repairs, nil
}

// checkShown looks at what the library did not when it compiled a schema: it is held
// to its own draft, which may be an older one than what is shown, and does not look
// into "definitions" and "dependencies" of the newest.
func (s *schema) checkShown(shown, doc *value) error {
	switch {
	case s.valid == nil:
	case doc.has("$schema"):
		return s.cutUnread()
	case strings.Contains(string(s.wire), `"definitions":`), strings.Contains(string(s.wire), `"dependencies":`):
		if err := wellFormed(shown); err != nil {
			s.valid, s.unchecked = nil, compileError(shown, err)
		}
	}
	return nil
}

// cutUnread leaves out of what the model is shown what nobody can read.
func (s *schema) cutUnread() error {
	shown, err := parse(string(s.wire), reflectedLimits)
	if err != nil {
		return err
	}
	if err := cutUnread(shown); err != nil {
		return err
	}
	s.wire = shown.json()
	return nil
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

// tidy removes from a schema what would only keep it from being compiled. Its errors
// say what no tool can have. It adds nothing: "#" would mean something else then.
func tidy(doc *value) error {
	if !isAbsolute(doc.get("$id").str()) {
		doc.remove("$id")
	}
	doc.remove("id")
	tidyKeywords(doc)
	if types := typesOf(doc); doc.has("type") && !slices.Contains(types, "object") {
		return fmt.Errorf("schema: the arguments must be of type object, not %s", strings.Join(types, " or "))
	}
	if p := doc.get("properties"); p != nil && p.form != objectForm {
		return errors.New(`schema: "properties" must be an object`)
	}
	return nil
}

// tidyKeywords removes, at every depth, drafts and names that nobody knows.
func tidyKeywords(s *value) {
	if u := s.get("$schema"); u != nil && !slices.Contains(drafts, draftName(u.str())) {
		s.remove("$schema")
	}
	for _, name := range []string{"$id", "id"} {
		if id := s.get(name).str(); id != "" && !isName(id) {
			s.remove(name)
		}
	}
	if required := s.get("required"); required != nil && required.form == arrayForm && len(required.items) == 0 {
		s.remove("required") // draft-04 forbids it
	}
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
	if !isTrue(s.get("nullable")) {
		return
	}
	s.remove("nullable")
	admitNull(s)
}

func isTrue(v *value) bool { return v != nil && v.form == booleanForm && v.text == "true" }

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
