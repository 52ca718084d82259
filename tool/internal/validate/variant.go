package validate

import (
	"maps"
	"slices"

	sj "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// A union is an anyOf or oneOf with a tag: a member that has different values in each
// branch for objects.
type union struct {
	tag      string
	branches map[string]*sj.Schema // by the keys of the tag's values
}

// unions contains the unions of a schema, by their first branches.
type unions map[*sj.Schema]*union

// variant returns the branch that the tag of an object selects. variant returns nil if
// there is no such branch, or if the union has no tag.
func (us unions) variant(branches []*sj.Schema, v *tree.Value) *sj.Schema {
	if len(branches) == 0 || v.Form != tree.ObjectForm {
		return nil
	}
	u := us[branches[0]]
	if u == nil {
		return nil
	}
	got := v.Get(u.tag)
	if got == nil || got.Form == tree.ArrayForm || got.Form == tree.ObjectForm || len(got.Text) > tree.MaxMessage {
		return nil
	}
	return u.branches[string(AppendKey(nil, got.Any()))]
}

// An otherVariant is the error of an object that belongs to another variant.
type otherVariant struct {
	tag string
	not *notAllowed
}

func (e *otherVariant) Error() string {
	return "another variant: " + e.tag + " is " + e.not.Error()
}

// A tag contains the values of the distinguishing member in one branch of a union.
type tag struct {
	name    string
	allowed valueSet
}

// exclude returns an error for an object of another variant. Therefore each further
// branch costs little.
func (t *tag) exclude(got any, f *fuel) error {
	object, ok := got.(map[string]any)
	if t == nil || !ok {
		return nil
	}
	if m, ok := object[t.name]; ok && !t.allowed.has(m, f) {
		f.place(object, 1) // the union has paid for the rest
		return &otherVariant{t.name, t.allowed.err}
	}
	return nil
}

// maxTagSearch bounds the search for tags, in properties and values, because a hostile
// schema could cause a quadratic search. Unions beyond the bound have no tag.
const maxTagSearch = 20_000

// findUnions finds the unions that have a tag, and stores the tags in their branches.
func (ks *keywords) findUnions() unions {
	search := &tagSearch{by: make(map[*sj.Schema]*keyword, len(ks.all)), left: maxTagSearch}
	for _, k := range ks.all {
		search.by[k.schema] = k
	}
	found := unions{}
	for _, k := range ks.all {
		for _, branches := range [][]*sj.Schema{k.schema.AnyOf, k.schema.OneOf} {
			if tags := search.tags(branches); tags != nil {
				found[branches[0]] = search.union(tags)
			}
		}
	}
	return found
}

type tagSearch struct {
	by   map[*sj.Schema]*keyword
	left int
}

func (t *tagSearch) union(tags map[*sj.Schema]*tag) *union {
	u := &union{branches: map[string]*sj.Schema{}}
	for branch, tag := range tags {
		u.tag = tag.name
		for key := range tag.allowed.keys {
			u.branches[key] = branch
		}
		if k := t.by[branch]; k != nil {
			k.tag = tag
		}
	}
	return u
}

// tags returns the tag of each branch for objects, or nil if no member distinguishes the
// branches.
func (t *tagSearch) tags(branches []*sj.Schema) map[*sj.Schema]*tag {
	var variants []*sj.Schema
	for _, b := range branches {
		if types := target(b).Types; types == nil || *types&typeObject != 0 {
			variants = append(variants, b)
		}
	}
	if len(variants) < 2 {
		return nil
	}
	properties := target(variants[0]).Properties
	if t.left -= len(properties); t.left < 0 {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if _, ok := t.constants(properties[name]); !ok {
			continue
		}
		if tags := t.tagsBy(name, variants); tags != nil {
			return tags
		}
	}
	return nil
}

// tagsBy returns the tags with the name if no two variants share a value.
func (t *tagSearch) tagsBy(name string, variants []*sj.Schema) map[*sj.Schema]*tag {
	tags, seen := map[*sj.Schema]*tag{}, map[string]bool{}
	for _, v := range variants {
		p, ok := target(v).Properties[name]
		if !ok {
			return nil
		}
		allowed, ok := t.constants(p)
		if t.left -= 1 + len(allowed.keys); !ok || t.left < 0 || allowed.nested {
			return nil
		}
		for key := range allowed.keys {
			if seen[key] {
				return nil
			}
			seen[key] = true
		}
		tags[v] = &tag{name, allowed}
	}
	return tags
}

// constants returns the values that "const" or "enum" allows.
func (t *tagSearch) constants(p *sj.Schema) (valueSet, bool) {
	k := t.by[target(p)]
	if k == nil || len(k.allowed) == 0 {
		return valueSet{}, false
	}
	return k.allowed[0], true
}

// target follows references, and allOf with one branch.
func target(s *sj.Schema) *sj.Schema {
	for range 8 {
		switch {
		case s.Properties != nil:
			return s
		case s.Ref != nil:
			s = s.Ref
		case len(s.AllOf) == 1:
			s = s.AllOf[0]
		default:
			return s
		}
	}
	return s
}
