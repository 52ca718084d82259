package validate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	sj "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// union explains a value that matches no branch. The explanation uses the branch that
// was probably meant, or else the difference to all branches.
func (ex *Explainer) union(at []string, e *sj.ValidationError) {
	branches := e.Causes
	if got := ex.argumentAt(at); got != nil && got.Form != tree.NullForm && len(branches) > 1 {
		branches = slices.DeleteFunc(slices.Clone(branches), func(b *sj.ValidationError) bool {
			return slices.Equal(mismatch(b, at), []string{"null"})
		})
	}
	if want := mergeTypes(branches, at); want != nil {
		p := ex.mustBe(want, ex.argumentAt(at))
		p.Path = slices.Clone(at)
		ex.Found.Problems = append(ex.Found.Problems, p)
		return
	}
	meant := slices.DeleteFunc(slices.Clone(branches), func(b *sj.ValidationError) bool { return mismatch(b, at) != nil })
	if named := slices.DeleteFunc(slices.Clone(meant), func(b *sj.ValidationError) bool { return otherVariantOf(b.ErrorKind) != nil }); len(named) == 1 {
		meant = named
	}
	tags := make([]tagErrors, len(meant))
	for i, b := range meant {
		tags[i] = tagErrors{}
		tags[i].collect(b, at)
	}
	if likely := withoutTags(meant, tags); len(likely) == 1 {
		meant = likely
	}
	if byKeys := withKeys(meant, at); len(byKeys) == 1 {
		meant = byKeys
	}
	switch {
	case len(meant) == 1:
		ex.explain(meant[0])
	case ex.noVariant(at, e.SchemaURL, tags), ex.nearest(at, meant), ex.noneGiven(at, e.SchemaURL, meant):
	default:
		ex.Add(at, fmt.Sprintf("matches none of its %d allowed forms; got %s", len(branches), Describe(ex.argumentAt(at))))
	}
}

// mergeTypes returns the types of all branches if every branch fails by type.
func mergeTypes(branches []*sj.ValidationError, at []string) (want []string) {
	for _, b := range branches {
		types := mismatch(b, at)
		if types == nil {
			return nil
		}
		want = append(want, types...)
	}
	slices.Sort(want)
	return slices.Compact(want)
}

// mismatch returns the types that a branch wants if the value itself has a wrong type,
// or else nil.
func mismatch(e *sj.ValidationError, at []string) []string {
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		if len(e.InstanceLocation) == len(at) {
			return k.Want
		}
	case *kind.Reference, *kind.Group, *kind.AllOf:
		if len(e.Causes) == 1 {
			return mismatch(e.Causes[0], at)
		}
	}
	return nil
}

// tagErrors contains the wrong constants directly in an object, by name.
type tagErrors map[string]*notAllowed

func (tags tagErrors) collect(e *sj.ValidationError, at []string) {
	if other := otherVariantOf(e.ErrorKind); other != nil && len(e.InstanceLocation) == len(at) {
		tags[other.tag] = other.not
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Format:
		if not, ok := errors.AsType[*notAllowed](k.Err); ok && len(e.InstanceLocation) == len(at)+1 {
			tags[e.InstanceLocation[len(at)]] = not
		}
	case *kind.Reference, *kind.Group, *kind.AllOf:
		for _, cause := range e.Causes {
			tags.collect(cause, at)
		}
	}
}

// keyErrors counts the missing and the unknown properties of an object for a branch.
func keyErrors(e *sj.ValidationError, at []string) (n int) {
	if len(e.InstanceLocation) > len(at) {
		if _, none := e.ErrorKind.(*kind.FalseSchema); none && len(e.InstanceLocation) == len(at)+1 {
			return 1 // from "unevaluatedProperties" or a false property
		}
		return 0
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		return len(k.Missing)
	case *kind.AdditionalProperties:
		return len(k.Properties)
	case *kind.DependentRequired:
		return len(k.Missing)
	case *kind.Dependency:
		return len(k.Missing)
	}
	for _, cause := range e.Causes {
		n += keyErrors(cause, at)
	}
	return n
}

// withKeys returns the branches with the same properties as the object. In such a
// branch, only the value of a property is wrong.
func withKeys(branches []*sj.ValidationError, at []string) (likely []*sj.ValidationError) {
	for _, b := range branches {
		if keyErrors(b, at) == 0 {
			likely = append(likely, b)
		}
	}
	return likely
}

// nearest explains the branch with the fewest missing and unknown properties, if a
// property of the object distinguishes this branch from another branch. nearest
// reports whether the branch exists.
func (ex *Explainer) nearest(at []string, branches []*sj.ValidationError) bool {
	var best, second int // errors
	var meant *sj.ValidationError
	for _, b := range branches {
		switch n := keyErrors(b, at); {
		case meant == nil || n < best:
			meant, best, second = b, n, best
		case second == 0 || n < second:
			second = n
		}
	}
	if len(branches) < 2 || best == second || !ex.distinguishes(at, meant, branches) {
		return false
	}
	ex.explain(meant)
	return true
}

// distinguishes reports whether the object has a property that meant declares, but
// not every branch.
func (ex *Explainer) distinguishes(at []string, meant *sj.ValidationError, branches []*sj.ValidationError) bool {
	known := make([]map[string]bool, len(branches))
	for i, b := range branches {
		known[i] = map[string]bool{}
		ex.properties(b, at, known[i])
	}
	own := known[slices.Index(branches, meant)]
	return slices.ContainsFunc(tree.Members(ex.argumentAt(at)), func(m tree.Member) bool {
		return own[m.Name] && slices.ContainsFunc(known, func(names map[string]bool) bool { return !names[m.Name] })
	})
}

// properties collects the declared properties of a branch that fails by its properties.
func (ex *Explainer) properties(e *sj.ValidationError, at []string, to map[string]bool) {
	if len(e.InstanceLocation) > len(at) {
		return
	}
	switch e.ErrorKind.(type) {
	case *kind.Required, *kind.AdditionalProperties:
		for _, name := range ex.schemaAt(e.SchemaURL).Get("properties").Names() {
			to[name] = true
		}
	}
	for _, cause := range e.Causes {
		ex.properties(cause, at, to)
	}
}

func otherVariantOf(k sj.ErrorKind) *otherVariant {
	if f, ok := k.(*kind.Format); ok {
		other, _ := errors.AsType[*otherVariant](f.Err)
		return other
	}
	return nil
}

// withoutTags returns the branches that do not fail by a constant. A wrong constant
// points to a different variant.
func withoutTags(branches []*sj.ValidationError, tags []tagErrors) (likely []*sj.ValidationError) {
	for i, b := range branches {
		if len(tags[i]) == 0 {
			likely = append(likely, b)
		}
	}
	return likely
}

// noVariant lists the allowed values of a member if every branch fails by this member.
// noVariant reports whether there is such a member.
func (ex *Explainer) noVariant(at []string, union string, tags []tagErrors) bool {
	found := false
	if len(tags) == 0 {
		return false
	}
	for name, first := range tags[0] {
		var all []*notAllowed
		for _, t := range tags {
			if t[name] != nil {
				all = append(all, t[name])
			}
		}
		if len(all) < len(tags) {
			continue
		}
		path := append(slices.Clone(at), name)
		p := ex.oneOf(ex.merged(unionTag{union, name, first}, func() [][]*tree.Value { return knownLists(all) }), ex.argumentAt(path))
		p.Path = path
		ex.Found.Problems = append(ex.Found.Problems, p)
		found = true
	}
	return found
}

// A unionTag is a member that all branches of a union have.
type unionTag struct {
	union, name string
	first       *notAllowed // nil if the member is missing
}

// merged returns the distinct values of all branches of a union. The result is cached,
// because many values may fail by the same union.
func (ex *Explainer) merged(key unionTag, lists func() [][]*tree.Value) []*tree.Value {
	if values, ok := ex.merges[key]; ok {
		return values
	}
	var values []*tree.Value
	seen := map[string]bool{}
	for _, list := range lists() {
		for _, v := range list {
			if key := string(v.JSON()); !seen[key] && !(v.Form == tree.NullForm && ex.Validator.Formats != nil) {
				seen[key] = true
				values = append(values, v)
			}
		}
	}
	if ex.merges == nil {
		ex.merges = map[unionTag][]*tree.Value{}
	}
	ex.merges[key] = values
	return values
}

func knownLists(all []*notAllowed) (lists [][]*tree.Value) {
	for _, not := range all {
		for _, v := range not.values {
			lists = append(lists, []*tree.Value{fromPlain(v)})
		}
	}
	return lists
}

// maxChoices bounds the listed choices of missing properties.
const maxChoices = 8

// noneGiven lists the properties to add if every branch lacks some. noneGiven reports
// whether this is the case.
func (ex *Explainer) noneGiven(at []string, union string, branches []*sj.ValidationError) bool {
	lacks := make([]lacking, len(branches))
	for i, b := range branches {
		lacks[i] = lacking{}
		if lacks[i].collect(b, at); len(lacks[i]) == 0 {
			return false
		}
	}
	if len(lacks) == 0 {
		return false
	}
	if !ex.noTag(at, union, lacks) {
		ex.Add(at, "must have "+choices(lacks)+"; got "+Describe(ex.argumentAt(at)))
	}
	return true
}

// lacking contains the missing required properties of a branch, with the places of the
// schemas that require them.
type lacking map[string]string

func (l lacking) collect(e *sj.ValidationError, at []string) {
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			if len(e.InstanceLocation) == len(at) {
				l[name] = e.SchemaURL
			}
		}
	case *kind.Reference, *kind.Group, *kind.AllOf:
		for _, cause := range e.Causes {
			l.collect(cause, at)
		}
	}
}

// noTag reports a missing member that distinguishes the branches, with the allowed
// values. noTag reports whether there is such a member.
func (ex *Explainer) noTag(at []string, union string, lacks []lacking) bool {
	for _, name := range slices.Sorted(maps.Keys(lacks[0])) {
		values := ex.merged(unionTag{union, name, nil}, func() [][]*tree.Value { return ex.tagValues(name, lacks) })
		if len(values) > 1 {
			ex.Add(at, "required property "+tree.Quote(name)+" is missing; it "+MustBeOneOf(values))
			return true
		}
	}
	return false
}

// tagValues returns the constants of a member in each branch, or none if some branch
// does not require constants.
func (ex *Explainer) tagValues(name string, lacks []lacking) (lists [][]*tree.Value) {
	for _, l := range lacks {
		at, ok := l[name]
		if !ok {
			return nil
		}
		list := tree.EnumOf(ex.resolve(ex.schemaAt(at).Get("properties").Get(name)))
		if len(list) == 0 {
			return nil
		}
		lists = append(lists, list)
	}
	return lists
}

// choices lists the missing properties of each branch.
func choices(lacks []lacking) string {
	var all []string
	for _, l := range lacks {
		names := least(slices.Collect(maps.Keys(l)), maxChoices)
		for i := range names {
			names[i] = tree.Quote(names[i])
		}
		if choice := clip.Runes(strings.Join(names, " and "), 3*tree.MaxEcho); !slices.Contains(all, choice) {
			all = append(all, choice)
		}
		if len(all) > maxChoices {
			return strings.Join(all[:maxChoices], ", or ") + ", or others"
		}
	}
	return strings.Join(all, ", or ")
}
