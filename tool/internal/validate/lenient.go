package validate

import (
	"maps"
	"slices"

	sj "github.com/santhosh-tekuri/jsonschema/v6"
)

// forgive takes out of compiled schemas what an expression that Go cannot read
// would make stricter. Such an expression matches everything: that is lenient
// where it stands, but not below "not", and not for the names that it picks. Only
// what is understood is held.
func (ks *keywords) forgive() {
	unread := ks.unread()
	for s := range unread {
		for re := range s.PatternProperties {
			if isUnread(re) {
				s.PatternProperties[re] = anySchema()
			}
		}
		if unread[s.Not] {
			s.Not = nil
		}
		if unread[s.Contains] {
			s.MaxContains = nil
		}
		if slices.ContainsFunc(s.OneOf, func(branch *sj.Schema) bool { return unread[branch] }) {
			holdToAny(s, s.OneOf)
			s.OneOf = nil
		}
		if unread[s.If] {
			holdToAny(s, present(s.If, s.Then, s.Else, anySchema()))
			s.If, s.Then, s.Else = nil, nil, nil
		}
	}
}

func isUnread(re sj.Regexp) bool {
	_, unread := re.(Anything)
	return unread
}

// anySchema takes everything.
func anySchema() *sj.Schema { return &sj.Schema{Bool: new(true)} }

// holdToAny holds s to one of the branches at least. What they know of an object
// or array stays known to "unevaluatedProperties" and "unevaluatedItems". One that
// has such branches already is not held to others.
func holdToAny(s *sj.Schema, branches []*sj.Schema) {
	if s.AnyOf == nil {
		s.AnyOf = branches
	}
}

// unread returns the schemas that have such an expression, or from which one is
// reached that has.
func (ks *keywords) unread() map[*sj.Schema]bool {
	var queue []*sj.Schema
	for _, k := range ks.all {
		if isUnread(k.schema.Pattern) || slices.ContainsFunc(slices.Collect(maps.Keys(k.schema.PatternProperties)), isUnread) {
			queue = append(queue, k.schema)
		}
	}
	if len(queue) == 0 {
		return nil
	}
	above := map[*sj.Schema][]*sj.Schema{}
	for _, k := range ks.all {
		for _, b := range below(k.schema) {
			above[b] = append(above[b], k.schema)
		}
	}
	found := map[*sj.Schema]bool{}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		if !found[s] {
			found[s] = true
			queue = append(queue, above[s]...)
		}
	}
	return found
}

// below returns the schemas that s refers to or that stand directly in it.
func below(s *sj.Schema) []*sj.Schema {
	all := slices.Concat(inPlace(s), s.PrefixItems,
		[]*sj.Schema{s.PropertyNames, s.UnevaluatedProperties, s.Contains, s.Items2020, s.UnevaluatedItems})
	all = slices.AppendSeq(all, maps.Values(s.Properties))
	all = slices.AppendSeq(all, maps.Values(s.PatternProperties))
	all = slices.AppendSeq(all, maps.Values(s.DependentSchemas))
	for _, keyword := range append(slices.Collect(maps.Values(s.Dependencies)), s.AdditionalProperties, s.Items, s.AdditionalItems) {
		switch k := keyword.(type) { // which may be something else
		case *sj.Schema:
			all = append(all, k)
		case []*sj.Schema:
			all = append(all, k...)
		}
	}
	return present(all...)
}

func present(all ...*sj.Schema) []*sj.Schema {
	return slices.DeleteFunc(all, func(s *sj.Schema) bool { return s == nil })
}
