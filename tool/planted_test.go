package tool_test

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A planted bug changes a schema as a faulty reflector would.
type planted struct {
	name   string
	alter  func(map[string]any)
	caught string // the check that notices it first
}

// plantedBugs lists the bugs of existing reflectors, and a few more.
func plantedBugs() []planted {
	return []planted{
		{"null of a nil pointer is not admitted", func(s map[string]any) {
			if types, ok := s["type"].([]any); ok {
				s["type"] = types[0]
			}
		}, takesMarshalled},
		{"integers have no bounds", func(s map[string]any) {
			if s["type"] == "integer" || s["type"] == nil && s["minimum"] != nil {
				delete(s, "minimum")
				delete(s, "maximum")
			}
		}, decodes},
		{"a date-time is any text", func(s map[string]any) {
			if s["format"] == "date-time" {
				delete(s, "format")
				delete(s, "allOf")
			}
		}, decodes},
		{"bytes are an array of integers", func(s map[string]any) {
			if s["contentEncoding"] != nil {
				delete(s, "contentEncoding")
				s["type"] = "array"
				s["items"] = map[string]any{"type": "integer"}
			}
		}, takesMarshalled},
		{"base64 is any text", func(s map[string]any) { delete(s, "contentEncoding") }, decodes},
		{"an embedded struct is nested", nestEmbedded, takesMarshalled},
		{"a number in a string is shown as a number", func(s map[string]any) {
			if s["pattern"] == `^-?(0|[1-9][0-9]*)$` {
				delete(s, "pattern")
				s["type"] = "integer"
			}
		}, takesMarshalled},
		{"a number in a string is any text", func(s map[string]any) {
			if s["pattern"] == `^-?(0|[1-9][0-9]*)$` {
				delete(s, "pattern")
				delete(s, "allOf")
			}
		}, decodes},
		{"the keys of a map are not checked", func(s map[string]any) { delete(s, "propertyNames") }, decodes},
		{"optional fields are required", func(s map[string]any) {
			if properties, ok := s["properties"].(map[string]any); ok && len(properties) > 0 {
				s["required"] = anyOf(slices.Sorted(maps.Keys(properties)))
			}
		}, takesMarshalled},
		{"nothing is required", func(s map[string]any) { delete(s, "required") }, holdsRequired},
		{"a json.Number is a string", func(s map[string]any) {
			if s["type"] == "number" && s["allOf"] == nil && s["minimum"] == nil && s["enum"] == nil {
				s["type"] = "string"
			}
		}, takesMarshalled},
		{"any member is allowed", func(s map[string]any) {
			if s["additionalProperties"] == false {
				delete(s, "additionalProperties")
			}
		}, losesNothing},
		{"an array has any length", func(s map[string]any) {
			delete(s, "minItems")
			delete(s, "maxItems")
		}, losesNothing},
		{"an untagged field has a name in lower case", func(s map[string]any) {
			if properties, ok := s["properties"].(map[string]any); ok && properties["F0"] != nil {
				properties["f_0"] = properties["F0"]
				delete(properties, "F0")
				s["required"] = nil
				delete(s, "required")
			}
		}, takesMarshalled},
		{"what holds itself is anything", func(s map[string]any) { delete(s, "$ref") }, decodes},
		{"any is an object", func(s map[string]any) {
			if len(s) == 0 {
				s["type"] = "object"
			}
		}, takesMarshalled},
		{"a type that reads text is any text", func(s map[string]any) {
			if s["format"] == nil && s["pattern"] == nil {
				delete(s, "allOf")
			}
		}, decodes},
	}
}

// nestEmbedded puts the properties of GenBase under its name.
func nestEmbedded(s map[string]any) {
	properties, _ := s["properties"].(map[string]any)
	id, embedded := properties["base_id"]
	if !embedded || len(properties) < 3 {
		return
	}
	properties["GenBase"] = map[string]any{"type": "object", "properties": map[string]any{"base_id": id, "base_note": properties["base_note"]}}
	delete(properties, "base_id")
	delete(properties, "base_note")
	required, _ := s["required"].([]any)
	s["required"] = slices.DeleteFunc(required, func(name any) bool { return name == "base_id" })
}

func anyOf(names []string) []any {
	var all []any
	for _, name := range names {
		all = append(all, name)
	}
	return all
}

// TestSchemaAgreesWithoutBugs is the control: schemas that were only copied agree.
func TestSchemaAgreesWithoutBugs(t *testing.T) {
	for i := range 40 {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		_, err := agrees(typeGen{r}.nth(i), r, 100, func(map[string]any) {})
		require.NoError(t, err)
	}
}

// TestSchemaAgreesNoticesBugs plants bugs of reflectors in both schemas of the same
// generated types. The corresponding check finds each bug.
func TestSchemaAgreesNoticesBugs(t *testing.T) {
	const types, documents = 400, 100
	for _, bug := range plantedBugs() {
		t.Run(strings.ReplaceAll(bug.name, " ", "_"), func(t *testing.T) {
			caught := map[string]int{}
			for i := 0; i < types && caught[bug.caught] == 0; i++ {
				r := rand.New(rand.NewPCG(1, uint64(i)))
				_, err := agrees(typeGen{r}.nth(i), r, documents, bug.alter)
				if d, ok := errors.AsType[*disagreement](err); ok {
					caught[d.check]++
				}
			}
			t.Logf("%s: noticed by %v", bug.name, caught)
			require.NotZero(t, caught[bug.caught], "noticed by %v", caught)
		})
	}
}
