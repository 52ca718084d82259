package tool

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	sj "github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	maxRepairs  = 8 // that are told one by one
	maxUnwraps  = 4 // of one string that holds a string that holds …
	repairSteps = 16 * 100_000
)

// repairs are what was done to arguments so that they say what the model
// plainly meant.
type repairs struct {
	told []string
	more int
}

func (r *repairs) add(at []string, what string) {
	if len(r.told) == maxRepairs {
		r.more++
		return
	}
	if len(at) > 0 {
		what = clip(strings.ToValidUTF8(pointer(at), "\uFFFD"), maxEcho) + ": " + what
	}
	r.told = append(r.told, what)
}

func (r *repairs) list() []string {
	if r.more > 0 {
		return append(r.told, fmt.Sprintf("and %d more", r.more))
	}
	return r.told
}

var fenced = regexp.MustCompile("(?s)^```[A-Za-z0-9_-]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```$")

// unfence takes one Markdown fence off that stands around everything.
func unfence(s string) (string, bool) {
	m := fenced.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return s, false
	}
	return m[1], true
}

// parseObject reads what must be a JSON object.
func parseObject(arguments string, done *repairs) (*value, error) {
	if strings.TrimSpace(arguments) == "" {
		done.add(nil, "nothing was sent and taken for {}")
		return object(), nil
	}
	inner, off := unfence(arguments)
	args, err := parse(inner, argumentLimits)
	if err != nil {
		return nil, err
	}
	if off {
		done.add(nil, "a Markdown fence was taken off")
	}
	if inner := unwrap(args, []string{"object"}); inner != nil {
		done.add(nil, "a string that held the JSON was unwrapped")
		return inner, nil
	}
	switch {
	case args.form == nullForm:
		done.add(nil, "null was taken for {}")
		return object(), nil
	case args.form == stringForm && strings.HasPrefix(strings.TrimSpace(args.text), "{"):
		return nil, errors.New("its arguments are a string that holds JSON, not a JSON object")
	case args.form != objectForm:
		return nil, fmt.Errorf("its arguments are %s, not a JSON object", describe(args))
	}
	return args, nil
}

// unwrap returns the array or object that a string holds, if that is wanted;
// nil if there is none.
func unwrap(v *value, want []string) *value {
	if v.form != stringForm {
		return nil
	}
	for range maxUnwraps {
		if v.form != stringForm {
			break
		}
		if s := strings.TrimSpace(v.text); s == "" || !strings.Contains(`[{"`, s[:1]) {
			return nil
		}
		inner, err := parse(v.text, argumentLimits)
		if err != nil {
			return nil
		}
		v = inner
	}
	if v.form != arrayForm && v.form != objectForm || !slices.Contains(want, string(v.form)) {
		return nil
	}
	return v
}

// A repairer changes arguments where the schema leaves one reading only: a value
// of a type that it does not take becomes what it takes if nothing is lost. It
// gives up after so many steps: a hostile schema could make it take
// exponentially many.
type repairer struct {
	*repairs
	steps int
}

func (r *repairer) repair(v *value, s *sj.Schema, at []string) {
	if s == nil {
		return
	}
	if r.steps -= 1 + len(v.items) + len(v.members); r.steps < 0 {
		return
	}
	if v.form == stringForm {
		r.retype(v, s, at)
	}
	if v.form != arrayForm && v.form != objectForm {
		return
	}
	for _, same := range slices.Concat([]*sj.Schema{s.Ref, only(s.AnyOf), only(s.OneOf)}, s.AllOf) {
		r.repair(v, same, at)
	}
	for i, item := range v.items {
		r.repair(item, itemSchema(s, i), append(at, strconv.Itoa(i)))
	}
	r.dropNulls(v, s, at)
	for _, m := range v.members {
		if p, ok := s.Properties[m.name]; ok {
			r.repair(m.value, p, append(at, m.name))
		} else if p, ok := s.AdditionalProperties.(*sj.Schema); ok {
			r.repair(m.value, p, append(at, m.name))
		}
	}
}

// retype reads a string as what the schema wants in its place.
func (r *repairer) retype(v *value, s *sj.Schema, at []string) {
	want := r.wanted(s, 8)
	if len(want) == 0 || slices.Contains(want, "string") {
		return
	}
	if inner := unwrap(v, want); inner != nil {
		*v = *inner
		r.steps -= inner.size()
		r.add(at, "a string that held the JSON was unwrapped")
		return
	}
	if (v.text == "true" || v.text == "false") && slices.Contains(want, "boolean") {
		v.form = booleanForm
		r.add(at, "a string became the boolean that it held")
		return
	}
	d, ok := readNumber(v.text)
	if !ok || len(v.text) > maxNumber || d.exponent > maxExponent || d.exponent < -maxExponent {
		return
	}
	plain := d.canonical(v.text)
	whole := !strings.ContainsAny(plain, ".eE")
	if slices.Contains(want, "number") || whole && slices.Contains(want, "integer") {
		*v = *number(plain)
		r.add(at, "a string became the number that it held")
	}
}

// wanted returns the types that a schema takes; none if that cannot be told.
func (r *repairer) wanted(s *sj.Schema, depth int) []string {
	if r.steps--; r.steps < 0 || depth == 0 {
		return nil
	}
	switch {
	case s.Types != nil:
		return s.Types.ToStrings()
	case s.Ref != nil:
		return r.wanted(s.Ref, depth-1)
	case len(s.AllOf) == 1:
		return r.wanted(s.AllOf[0], depth-1)
	}
	var want []string
	for _, branch := range slices.Concat(s.AnyOf, s.OneOf) {
		types := r.wanted(branch, depth-1)
		if len(types) == 0 {
			return nil
		}
		want = append(want, types...)
	}
	return want
}

// dropNulls removes null for optional properties that do not admit it: the way
// in which many models say that they have nothing to say.
func (r *repairer) dropNulls(v *value, s *sj.Schema, at []string) {
	v.members = slices.DeleteFunc(v.members, func(m member) bool {
		if m.value.form != nullForm || !optional(s, m.name) {
			return false
		}
		r.add(append(at, m.name), "null was left out")
		return true
	})
}

// only returns the one branch that is not just null, if there is exactly one.
func only(branches []*sj.Schema) *sj.Schema {
	var found *sj.Schema
	for _, b := range branches {
		if b.Types != nil && slices.Equal(b.Types.ToStrings(), []string{"null"}) {
			continue
		}
		if found != nil {
			return nil
		}
		found = b
	}
	return found
}

func itemSchema(s *sj.Schema, i int) *sj.Schema {
	if i < len(s.PrefixItems) {
		return s.PrefixItems[i]
	}
	if items, ok := s.Items.(*sj.Schema); ok {
		return items
	}
	return s.Items2020
}

// optional reports whether s has a property of that name which may be left out
// and may not be null.
func optional(s *sj.Schema, name string) bool {
	p, ok := s.Properties[name]
	return ok && !slices.Contains(s.Required, name) && p.Validate(nil) != nil
}
