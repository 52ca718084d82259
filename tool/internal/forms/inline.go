package forms

import (
	"slices"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// inlineTop returns a schema that is shown with what the reference at its top
// leads to in the reference's place: who looks past it would see a tool without
// arguments. legacy is whether nothing beside a reference counts. What would not
// mean the same stays a reference.
func inlineTop(shown *tree.Value, legacy bool) *tree.Value {
	for range 8 { // references that lead to references
		path, local := tree.PathOf(shown.Get("$ref").Str())
		target := tree.Descend(shown, path)
		if !local || len(path) == 0 || !fitsTop(target) {
			break
		}
		made := target.Clone()
		made.Remove(tree.Storage...) // references name them where they stand
		if !made.AddBeside(shown, legacy) {
			break
		}
		made.DropUnused(path)
		shown = made
	}
	return shown
}

// fitsTop reports whether a schema may be that of arguments, with all that it
// says shown.
func fitsTop(s *tree.Value) bool {
	if s == nil || s.Form != tree.ObjectForm || s.Has(tree.Combinators...) {
		return false
	}
	return !s.Has("type") || slices.Contains(validate.TypesOf(s), "object")
}
