package tool

import "slices"

// storage are the keywords of a schema that only hold others to refer to.
var storage = []string{"$defs", "definitions", "components"}

// inlineTop returns a schema that is shown with what the reference at its top
// leads to in the reference's place: who looks past it would see a tool without
// arguments. legacy is whether nothing beside a reference counts. What would not
// mean the same stays a reference.
func inlineTop(shown *value, legacy bool) *value {
	for range 8 { // references that lead to references
		path, local := pathOf(shown.get("$ref").str())
		target := descend(shown, path)
		if !local || len(path) == 0 || !fitsTop(target) {
			break
		}
		made := target.clone()
		made.remove(storage...) // references name them where they stand
		if !made.addBeside(shown, legacy) {
			break
		}
		made.dropUnused(path)
		shown = made
	}
	return shown
}

// fitsTop reports whether a schema may be that of arguments, with all that it
// says shown.
func fitsTop(s *value) bool {
	if s == nil || s.form != objectForm || s.has(combinators...) {
		return false
	}
	return !s.has("type") || slices.Contains(typesOf(s), "object")
}

// addBeside adds to v what stands beside a reference to it, and reports whether
// all of it could be.
func (v *value) addBeside(top *value, legacy bool) bool {
	for _, m := range top.members {
		switch {
		case m.name == "$ref", m.name == "properties" && len(m.value.members) == 0:
		case m.name == "type":
			v.setDefault(m.name, m.value)
		case slices.Contains(storage, m.name), isAnnotation(m.name):
			v.set(m.name, m.value)
		case legacy:
		case v.has(m.name):
			return false
		default:
			v.set(m.name, m.value)
		}
	}
	return true
}

// dropUnused removes the definition at path if no reference leads into it.
func (v *value) dropUnused(path []string) {
	known := path[0] == "$defs" || path[0] == "definitions"
	if len(path) != 2 || !known || v.has("components") || v.refersInto(path, nil) {
		return
	}
	defs := v.get(path[0])
	defs.remove(path[1])
	if len(defs.members) == 0 {
		v.remove(path[0])
	}
}

// refersInto reports whether a schema outside of path has a reference into it.
func (v *value) refersInto(path, at []string) bool {
	if slices.Equal(at, path) {
		return false
	}
	to, _ := pathOf(v.get("$ref").str())
	found := len(to) >= len(path) && slices.Equal(to[:len(path)], path)
	v.inner(func(s *value, steps ...string) {
		found = found || s.refersInto(path, slices.Concat(at, steps))
	})
	return found
}
