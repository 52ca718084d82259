package forms

import (
	"slices"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// inlineTop replaces a reference at the top by its target, because some readers ignore
// the reference and would see a tool without arguments. legacy means that keywords
// beside a reference do not count. If the meaning would change, the reference stays.
func inlineTop(shown *tree.Value, legacy bool) *tree.Value {
	for range 8 { // bounds chains of references
		path, local := tree.PathOf(shown.Get("$ref").Str())
		target := tree.Descend(shown, path)
		if !local || len(path) == 0 || !fitsTop(target) {
			break
		}
		made := target.Clone()
		made.Remove(tree.DefinitionKeywords...) // references name the definitions at their place
		if !made.AddSiblings(shown, legacy) {
			break
		}
		made.DropUnused(path)
		shown = made
	}
	return shown
}

// fitsTop reports whether the model may see s as the schema of the arguments.
func fitsTop(s *tree.Value) bool {
	if s == nil || s.Form != tree.ObjectForm || s.Has(tree.Combinators...) {
		return false
	}
	return !s.Has("type") || slices.Contains(validate.TypesOf(s), "object")
}
