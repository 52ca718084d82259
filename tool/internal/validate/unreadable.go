package validate

import (
	"maps"
	"slices"

	sj "github.com/santhosh-tekuri/jsonschema/v6"
)

// relax relaxes compiled schemas with patterns that Go cannot compile. These patterns
// match everything. This is lenient in most places, but strict below "not" and in the
// names of "patternProperties". Only understood keywords are enforced.
func (ks *keywords) relax() {
	unread := ks.unreadable()
	for s := range unread {
		for re := range s.PatternProperties {
			if isUnreadable(re) {
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
			requireAny(s, s.OneOf)
			s.OneOf = nil
		}
		if unread[s.If] {
			requireAny(s, present(s.If, s.Then, s.Else, anySchema()))
			s.If, s.Then, s.Else = nil, nil, nil
		}
	}
}

func isUnreadable(re sj.Regexp) bool {
	_, unread := re.(MatchAll)
	return unread
}

// anySchema returns a schema that accepts everything.
func anySchema() *sj.Schema { return &sj.Schema{Bool: new(true)} }

// requireAny requires that any of the branches matches. The branches still declare
// properties and items for "unevaluatedProperties" and "unevaluatedItems". A schema
// with an anyOf keeps the anyOf and ignores the branches.
func requireAny(s *sj.Schema, branches []*sj.Schema) {
	if s.AnyOf == nil {
		s.AnyOf = branches
	}
}

// unreadable returns the schemas with patterns that Go cannot compile, also through
// references.
func (ks *keywords) unreadable() map[*sj.Schema]bool {
	var queue []*sj.Schema
	for _, k := range ks.all {
		if isUnreadable(k.schema.Pattern) || slices.ContainsFunc(slices.Collect(maps.Keys(k.schema.PatternProperties)), isUnreadable) {
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

// below returns the direct subschemas of s and the targets of its references.
func below(s *sj.Schema) []*sj.Schema {
	all := slices.Concat(inPlace(s), s.PrefixItems,
		[]*sj.Schema{s.PropertyNames, s.UnevaluatedProperties, s.Contains, s.Items2020, s.UnevaluatedItems})
	all = slices.AppendSeq(all, maps.Values(s.Properties))
	all = slices.AppendSeq(all, maps.Values(s.PatternProperties))
	all = slices.AppendSeq(all, maps.Values(s.DependentSchemas))
	for _, keyword := range append(slices.Collect(maps.Values(s.Dependencies)), s.AdditionalProperties, s.Items, s.AdditionalItems) {
		switch k := keyword.(type) { // the value may have another type
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
