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

// MaxRawSchemas bounds the objects and booleans of a schema of NewRaw. Each may be a
// schema, and the time to compile schemas grows with the square of their number.
const MaxRawSchemas = 4_000

// Normalize prepares a schema of NewRaw for validation, and returns the repairs.
func Normalize(doc *tree.Value) ([]string, error) {
	if doc.Form != tree.ObjectForm {
		return nil, fmt.Errorf("schema: must be a JSON object, not %s", validate.Describe(doc))
	}
	if err := hoist(doc); err != nil {
		return nil, err
	}
	repairs, err := repair(doc)
	if err != nil {
		return nil, err
	}
	if err := removeUncompilable(doc); err != nil {
		return nil, err
	}
	doc.EachSubschema(func(s *tree.Value, _ ...string) { admitNullables(s) })
	if tree.IsTrue(doc.Get("nullable")) && doc.Has("type") && !doc.Has("$ref", "anyOf", "oneOf", "not", "const") {
		tree.AdmitNull(doc) // where "#" refers to the top; the arguments themselves are never null
	}
	doc.Remove("nullable")
	return repairs, nil
}

// drafts lists the values of "$schema" that the validator supports, without scheme.
var drafts = []string{
	"json-schema.org/schema",
	"json-schema.org/draft/2020-12/schema",
	"json-schema.org/draft/2019-09/schema",
	"json-schema.org/draft-07/schema",
	"json-schema.org/draft-06/schema",
	"json-schema.org/draft-04/schema",
}

// removeUncompilable removes keywords that would only prevent the compilation. The
// errors are about schemas that cannot describe arguments. removeUncompilable adds
// nothing, because an addition at the top would change the meaning of "#".
func removeUncompilable(doc *tree.Value) error {
	if !isAbsolute(doc.Get("$id").Str()) {
		doc.Remove("$id")
	}
	doc.Remove("id")
	removeUnknown(doc)
	if types := validate.TypesOf(doc); doc.Has("type") && !slices.Contains(types, "object") {
		return fmt.Errorf("schema: the arguments must be of type object, not %s", strings.Join(types, " or "))
	}
	if p := doc.Get("properties"); p != nil && p.Form != tree.ObjectForm {
		return errors.New(`schema: "properties" must be an object`)
	}
	return nil
}

// removeUnknown removes unknown drafts and invalid names at every depth.
func removeUnknown(s *tree.Value) {
	if u := s.Get("$schema"); u != nil && !slices.Contains(drafts, draftName(u.Str())) {
		s.Remove("$schema")
	}
	for _, name := range []string{"$id", "id"} {
		if id := s.Get(name).Str(); id != "" && !isName(id) {
			s.Remove(name)
		}
	}
	if required := s.Get("required"); required != nil && required.Form == tree.ArrayForm && len(required.Items) == 0 {
		s.Remove("required") // draft-04 forbids an empty list
	}
	s.EachSubschema(func(below *tree.Value, _ ...string) { removeUnknown(below) })
}

// isName reports whether id is a valid name of a schema. Some generators write the place
// of the schema instead.
func isName(id string) bool {
	u, err := url.Parse(id)
	return err == nil && !strings.HasPrefix(u.Fragment, "/")
}

// admitNullables lets schemas with "nullable" of OpenAPI accept null. JSON Schema has no
// such keyword, but the model reads "nullable" and sends null to clear a value. Dropping
// the null would change the call, and refusing the null would contradict the schema.
func admitNullables(s *tree.Value) {
	s.EachSubschema(func(below *tree.Value, _ ...string) { admitNullables(below) })
	if !tree.IsTrue(s.Get("nullable")) {
		return
	}
	s.Remove("nullable")
	tree.AdmitNull(s)
}

// isAbsolute reports whether an "$id" is an absolute address, which references in the
// schema may use. Other names would only change the base of the references.
func isAbsolute(id string) bool {
	u, err := url.Parse(id)
	return err == nil && slices.Contains([]string{"http", "https", "urn"}, u.Scheme) && u.Fragment == ""
}

func draftName(u string) string {
	u = strings.TrimSuffix(u, "#")
	u = strings.TrimPrefix(u, "http://")
	return strings.TrimPrefix(u, "https://")
}
