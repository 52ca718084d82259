package forms

import (
	"errors"
	"fmt"
	"slices"

	sj "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// Shown returns the schema for the model. Providers refuse a whole request because of
// combinations at the top, so the model does not see these combinations, except for the
// properties of "allOf". Arguments are still validated against the combinations.
func Shown(doc *tree.Value) (*tree.Value, error) {
	shown := doc.Clone()
	ToWire(shown)
	shown = inlineTop(shown, isLegacy(doc))
	keepRoot(shown)
	shown.Set("type", tree.Text("object"))
	shown.SetDefault("properties", tree.Object())
	whole := shown.MergeAllOf()
	if shown.Has(tree.Combinators...) && len(shown.Get("properties").Members) == 0 {
		return nil, errors.New(`schema: providers refuse oneOf, anyOf, allOf, not and enum at the top; describe the arguments in "properties"`)
	}
	shown.Remove("allOf")
	if !whole || shown.Has(tree.Combinators...) {
		shown.Remove("unevaluatedProperties") // Without the combinations, this keyword would forbid properties that only a combination declares.
	}
	shown.Remove(tree.Combinators...)
	shown.Front("properties")
	shown.Front("type")
	return shown, nil
}

// maxCuts bounds the passes that remove ill-formed keywords.
const maxCuts = 64

// DropInvalid removes ill-formed keywords from a shown schema. Some providers refuse
// every request with the keyword.
func DropInvalid(shown *tree.Value) error {
	var err error
	for range maxCuts {
		if err = WellFormed(shown); err == nil {
			return nil
		}
		invalid, ok := errors.AsType[*sj.SchemaValidationError](err)
		if !ok {
			break
		}
		tree, ok := errors.AsType[*sj.ValidationError](invalid.Err)
		if !ok {
			break
		}
		for _, path := range leaves(tree, nil) {
			shown.RemoveAt(path)
		}
	}
	return validate.CompileError(shown, err)
}

// WellFormed reports whether doc is a schema of draft 2020-12. Patterns are not checked.
func WellFormed(doc *tree.Value) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot be compiled: %v", p)
		}
	}()
	c := sj.NewCompiler()
	c.DefaultDraft(sj.Draft2020)
	c.UseLoader(sj.SchemeURLLoader{})
	c.UseRegexpEngine(func(s string) (sj.Regexp, error) { return validate.MatchAll(s), nil })
	if err := c.AddResource(validate.SchemaURL, doc.Any()); err != nil {
		return err
	}
	_, err = c.Compile(validate.SchemaURL)
	return err
}

// leaves appends the places of the errors without causes.
func leaves(e *sj.ValidationError, to [][]string) [][]string {
	if len(e.Causes) == 0 && len(to) < validate.MaxCauses {
		return append(to, slices.Clone(e.InstanceLocation))
	}
	for _, cause := range e.Causes {
		to = leaves(cause, to)
	}
	return to
}
