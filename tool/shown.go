package tool

import (
	"errors"
	"fmt"
	"slices"

	sj "github.com/santhosh-tekuri/jsonschema/v6"
)

// showable returns what the model is shown of a schema. Combinations at its top
// are held but not shown: providers refuse the whole request for one of them. Of
// "allOf" the properties are.
func showable(doc *value) (*value, error) {
	shown := doc.clone()
	toWire(shown)
	shown = inlineTop(shown, isLegacy(doc))
	keepRoot(shown)
	shown.set("type", text("object"))
	shown.setDefault("properties", object())
	whole := shown.joinTop()
	if shown.has(combinators...) && len(shown.get("properties").members) == 0 {
		return nil, errors.New(`schema: providers refuse oneOf, anyOf, allOf, not and enum at the top; describe the arguments in "properties"`)
	}
	shown.remove("allOf")
	if !whole || shown.has(combinators...) {
		shown.remove("unevaluatedProperties") // it would forbid what only a combination knows
	}
	shown.remove(combinators...)
	shown.front("properties")
	shown.front("type")
	return shown, nil
}

// joinTop adds to the properties of an object those of its "allOf". It reports
// whether that is all that the branches say of properties.
func (v *value) joinTop() bool {
	all := v.get("allOf")
	if all == nil {
		return true
	}
	whole := true
	for _, branch := range all.items {
		target := branch
		for range 8 {
			path, local := pathOf(target.get("$ref").str())
			if !local || len(path) == 0 {
				break
			}
			whole = whole && len(target.members) == 1
			target = descend(v, path)
		}
		whole = v.join(target) && whole
	}
	return whole
}

// join adds what one branch says. Where the object is closed, it is so to all that it
// does not name itself.
func (v *value) join(branch *value) bool {
	if branch == nil || branch.form != objectForm {
		return false
	}
	properties, whole := v.get("properties"), true
	for _, k := range branch.members {
		switch {
		case k.name == "properties" && k.value.form == objectForm:
			for _, p := range k.value.members {
				own := properties.get(p.name)
				if own == nil && !v.has("additionalProperties") || own != nil && (isTrue(own) || len(own.members) == 0 && own.form == objectForm) {
					properties.set(p.name, p.value.clone())
				}
			}
		case k.name == "required" && k.value.form == arrayForm:
			v.require(k.value.strs()...)
		case k.name != "type" && !isAnnotation(k.name):
			whole = false
		}
	}
	return whole
}

// maxCuts bounds how often a schema is looked at for what is ill-formed.
const maxCuts = 64

// cutUnread removes what is ill-formed of a schema that is shown: providers that
// read schemas would refuse every request that it is in.
func cutUnread(shown *value) error {
	var err error
	for range maxCuts {
		if err = wellFormed(shown); err == nil {
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
			shown.cut(path)
		}
	}
	return compileError(shown, err)
}

// wellFormed reports whether a schema is one of draft 2020-12, whatever its
// expressions are.
func wellFormed(doc *value) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot be compiled: %v", p)
		}
	}()
	c := sj.NewCompiler()
	c.DefaultDraft(sj.Draft2020)
	c.UseLoader(sj.SchemeURLLoader{})
	c.UseRegexpEngine(func(s string) (sj.Regexp, error) { return anything(s), nil })
	if err := c.AddResource(schemaURL, doc.any()); err != nil {
		return err
	}
	_, err = c.Compile(schemaURL)
	return err
}

// leaves appends the places of the errors that have no causes.
func leaves(e *sj.ValidationError, to [][]string) [][]string {
	if len(e.Causes) == 0 && len(to) < maxCauses {
		return append(to, slices.Clone(e.InstanceLocation))
	}
	for _, cause := range e.Causes {
		to = leaves(cause, to)
	}
	return to
}

// cut removes the keyword in which path ends, and makes a schema take any value if
// path ends at it.
func (v *value) cut(path []string) {
	for len(path) > 0 {
		keyword := path[0]
		k := v.get(keyword)
		steps := 1
		if k != nil && (slices.Contains(schemasByNames, keyword) && k.form == objectForm || slices.Contains(listOfSchemas, keyword) && k.form == arrayForm) {
			steps = 2
		}
		below := descend(v, path[:min(steps, len(path))])
		switch {
		case below == nil:
			return
		case len(path) < steps || steps == 1 && !slices.Contains(oneSchema, keyword) || below.form == arrayForm:
			v.remove(keyword)
			return
		case !isSchema(below):
			*below = *object()
			return
		}
		v, path = below, path[steps:]
	}
}
