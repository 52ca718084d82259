package forms

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// MaxRawSchemas bounds the objects and booleans of a schema that is not ours,
// each of which may be a schema: to compile them takes the square of their number.
const MaxRawSchemas = 4_000

// Ready makes a schema the one that arguments are held to. It returns what was
// repaired.
func Ready(doc *tree.Value) ([]string, error) {
	if doc.Form != tree.ObjectForm {
		return nil, fmt.Errorf("schema: must be a JSON object, not %s", validate.Describe(doc))
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
	doc.Inner(func(s *tree.Value, _ ...string) { admitNullables(s) })
	if tree.IsTrue(doc.Get("nullable")) && doc.Has("type") && !doc.Has("$ref", "anyOf", "oneOf", "not", "const") {
		tree.AdmitNull(doc) // where "#" stands; the arguments themselves are no null
	}
	doc.Remove("nullable")
	return repairs, nil
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
func tidy(doc *tree.Value) error {
	if !isAbsolute(doc.Get("$id").Str()) {
		doc.Remove("$id")
	}
	doc.Remove("id")
	tidyKeywords(doc)
	if types := validate.TypesOf(doc); doc.Has("type") && !slices.Contains(types, "object") {
		return fmt.Errorf("schema: the arguments must be of type object, not %s", strings.Join(types, " or "))
	}
	if p := doc.Get("properties"); p != nil && p.Form != tree.ObjectForm {
		return errors.New(`schema: "properties" must be an object`)
	}
	return nil
}

// tidyKeywords removes, at every depth, drafts and names that nobody knows.
func tidyKeywords(s *tree.Value) {
	if u := s.Get("$schema"); u != nil && !slices.Contains(drafts, draftName(u.Str())) {
		s.Remove("$schema")
	}
	for _, name := range []string{"$id", "id"} {
		if id := s.Get(name).Str(); id != "" && !isName(id) {
			s.Remove(name)
		}
	}
	if required := s.Get("required"); required != nil && required.Form == tree.ArrayForm && len(required.Items) == 0 {
		s.Remove("required") // draft-04 forbids it
	}
	s.Inner(func(below *tree.Value, _ ...string) { tidyKeywords(below) })
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
func admitNullables(s *tree.Value) {
	s.Inner(func(below *tree.Value, _ ...string) { admitNullables(below) })
	if !tree.IsTrue(s.Get("nullable")) {
		return
	}
	s.Remove("nullable")
	tree.AdmitNull(s)
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
