package validate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	sj "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

var fenced = regexp.MustCompile("(?s)^```[A-Za-z0-9_-]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```$")

// unfence removes one Markdown fence around the whole text.
func unfence(s string) (string, bool) {
	m := fenced.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return s, false
	}
	return m[1], true
}

// ParseObject parses a text that must contain a JSON object.
func ParseObject(arguments string, done *tree.Repairs) (*tree.Value, error) {
	if strings.TrimSpace(arguments) == "" {
		done.Add(nil, "an empty text became {}")
		return tree.Object(), nil
	}
	inner, off := unfence(arguments)
	args, err := tree.ParseLoosely(inner, tree.ArgumentLimits, done)
	if err != nil {
		return nil, err
	}
	if off {
		done.Add(nil, "a Markdown fence was removed")
	}
	if inner := unwrap(args, tree.ArgumentLimits); inner.Is(tree.ObjectForm) {
		done.Unwrapped(nil, inner)
		return inner.Value, nil
	}
	switch {
	case args.Form == tree.NullForm:
		done.Add(nil, "null became {}")
		return tree.Object(), nil
	case args.Form == tree.StringForm && strings.HasPrefix(strings.TrimSpace(args.Text), "{"):
		return nil, errors.New("its arguments are a string that holds JSON, not a JSON object")
	case args.Form != tree.ObjectForm:
		return nil, fmt.Errorf("its arguments are %s, not a JSON object", Describe(args))
	}
	return args, nil
}

// unwrap parses the JSON inside of a string, within the limits.
func unwrap(v *tree.Value, lim tree.Limits) (h tree.Contained) {
	if v.Form != tree.StringForm {
		return tree.Contained{}
	}
	done := new(tree.Repairs)
	for range tree.MaxUnwraps {
		if v.Form != tree.StringForm {
			break
		}
		if s := strings.TrimSpace(v.Text); s == "" || !strings.Contains(`[{"`, s[:1]) {
			return tree.Contained{}
		}
		inner, err := tree.ParseLoosely(v.Text, lim, done)
		if err != nil {
			return tree.Contained{}
		}
		v = inner
	}
	if v.Form != tree.ArrayForm && v.Form != tree.ObjectForm {
		return tree.Contained{}
	}
	return tree.Contained{Value: v, Loose: len(done.Done) > 0}
}

// A repairer changes values of a wrong type if the schema leaves only one interpretation
// and nothing is lost. The number of steps is bounded, because a hostile schema could
// cause exponentially many steps. The content of strings counts towards the limits of
// the arguments.
type repairer struct {
	done   *tree.Repairs
	unions unions
	args   *tree.Value
	at     tree.Path // place of the current value
	steps  int
	nodes  int                            // values that strings may still add; -1 before args were counted
	held   map[*tree.Value]tree.Contained // content of strings that were parsed
	null   map[*sj.Schema]bool
}

func newRepairer(done *tree.Repairs, args *tree.Value, us unions) *repairer {
	return &repairer{done: done, unions: us, args: args, steps: tree.RepairSteps, nodes: -1}
}

func (r *repairer) repair(v *tree.Value, s *sj.Schema) {
	if s == nil {
		return
	}
	if r.steps -= 1 + len(v.Items) + len(v.Members); r.steps < 0 {
		return
	}
	if v.Form == tree.StringForm {
		r.retype(v, s)
	}
	if v.Form != tree.ArrayForm && v.Form != tree.ObjectForm {
		return
	}
	r.repair(v, s.Ref)
	r.repair(v, r.branch(s.AnyOf, v))
	r.repair(v, r.branch(s.OneOf, v))
	for _, same := range s.AllOf {
		r.repair(v, same)
	}
	for i, item := range v.Items {
		r.below(tree.Step{Index: i}, item, itemSchema(s, i))
	}
	r.dropNulls(v, s)
	for _, m := range v.Members {
		r.below(tree.Step{Name: m.Name, Index: -1}, m.Value, r.memberSchema(s, m.Name))
	}
}

func (r *repairer) below(to tree.Step, v *tree.Value, s *sj.Schema) {
	r.at = append(r.at, to)
	r.repair(v, s)
	r.at = r.at[:len(r.at)-1]
}

// retype converts a string to the type that the schema wants.
func (r *repairer) retype(v *tree.Value, s *sj.Schema) {
	want := r.wanted(s, 8)
	if want == 0 || want&typeString != 0 {
		return
	}
	if inner := r.unwrap(v, want); inner.Value != nil {
		*v = *inner.Value
		r.done.Unwrapped(r.at, inner)
		return
	}
	if (v.Text == "true" || v.Text == "false") && want&typeBoolean != 0 {
		v.Form = tree.BooleanForm
		r.done.Add(r.at, "a string became the boolean in its text")
		return
	}
	if len(v.Text) > tree.MaxNumber {
		return
	}
	d, ok := tree.ReadNumber(v.Text)
	if !ok || d.Exponent > tree.MaxExponent || d.Exponent < -tree.MaxExponent {
		return
	}
	plain := d.Canonical(v.Text)
	whole := !strings.ContainsAny(plain, ".eE")
	if want&typeNumber != 0 || whole && want&typeInteger != 0 {
		*v = *tree.Number(plain)
		r.done.Add(r.at, "a string became the number in its text")
	}
}

// unwrap returns the content of a string if the type is wanted. Each string is parsed
// only once, even if several schemas apply.
func (r *repairer) unwrap(v *tree.Value, want sj.Types) tree.Contained {
	if want&(typeArray|typeObject) == 0 {
		return tree.Contained{}
	}
	inner, known := r.held[v]
	if !known {
		inner = r.parseString(v)
	}
	if inner.Value == nil || inner.Is(tree.ArrayForm) && want&typeArray == 0 || inner.Is(tree.ObjectForm) && want&typeObject == 0 {
		return tree.Contained{}
	}
	n := inner.Value.Len()
	if n > r.nodes { // earlier strings used up the limit
		return tree.Contained{}
	}
	r.nodes -= n
	r.steps -= n
	return inner
}

func (r *repairer) parseString(v *tree.Value) tree.Contained {
	if r.nodes < 0 {
		r.nodes = max(0, tree.ArgumentLimits.Nodes-r.args.Len())
	}
	if r.held == nil {
		r.held = map[*tree.Value]tree.Contained{}
	}
	lim := tree.ArgumentLimits
	lim.Depth -= len(r.at)
	lim.Nodes = r.nodes
	inner := unwrap(v, lim)
	r.held[v] = inner
	return inner
}

var (
	typeNull    = typeBit("null")
	typeBoolean = typeBit("boolean")
	typeNumber  = typeBit("number")
	typeInteger = typeBit("integer")
	typeString  = typeBit("string")
	typeArray   = typeBit("array")
	typeObject  = typeBit("object")
)

func typeBit(name string) (t sj.Types) {
	t.Add(name)
	return t
}

// wanted returns the types that a schema accepts, or 0 if the types are unknown.
func (r *repairer) wanted(s *sj.Schema, depth int) (want sj.Types) {
	if r.steps--; r.steps < 0 || depth == 0 {
		return 0
	}
	switch {
	case s.Types != nil:
		return *s.Types
	case s.Ref != nil:
		return r.wanted(s.Ref, depth-1)
	case len(s.AllOf) == 1:
		return r.wanted(s.AllOf[0], depth-1)
	}
	for _, branches := range [][]*sj.Schema{s.AnyOf, s.OneOf} {
		for _, branch := range branches {
			types := r.wanted(branch, depth-1)
			if types == 0 {
				return 0
			}
			want |= types
		}
	}
	return want
}

// dropNulls removes null for optional properties that do not admit null. Many models
// send null for an absent value.
func (r *repairer) dropNulls(v *tree.Value, s *sj.Schema) {
	v.Members = slices.DeleteFunc(v.Members, func(m tree.Member) bool {
		if m.Value.Form != tree.NullForm || !r.optional(s, m.Name) {
			return false
		}
		r.done.Add(append(r.at, tree.Step{Name: m.Name, Index: -1}), "null was removed")
		return true
	})
}

// optional reports whether s has an optional property of this name that does not admit
// null.
func (r *repairer) optional(s *sj.Schema, name string) bool {
	p, ok := s.Properties[name]
	if r.steps -= len(s.Required); !ok || r.steps < 0 || slices.Contains(s.Required, name) {
		return false
	}
	takes, known := r.null[p]
	if !known {
		if r.null == nil {
			r.null = map[*sj.Schema]bool{}
		}
		takes = p.Validate(nil) == nil
		r.null[p] = takes
	}
	return !takes
}

// branch returns the intended branch, or nil if the branch is not clear.
func (r *repairer) branch(branches []*sj.Schema, v *tree.Value) *sj.Schema {
	if only := r.only(branches); only != nil {
		return only
	}
	return r.unions.variant(branches, v)
}

// only returns the only branch besides null, if there is exactly one.
func (r *repairer) only(branches []*sj.Schema) *sj.Schema {
	var found *sj.Schema
	for _, b := range branches {
		if r.steps--; b.Types != nil && *b.Types == typeNull {
			continue
		}
		if found != nil {
			return nil
		}
		found = b
	}
	return found
}

// memberSchema returns the schema of a member. A member that matches a pattern is not an
// additional property, and is not repaired.
func (r *repairer) memberSchema(s *sj.Schema, name string) *sj.Schema {
	if p, ok := s.Properties[name]; ok {
		return p
	}
	additional, ok := s.AdditionalProperties.(*sj.Schema)
	if !ok {
		return nil
	}
	for re := range s.PatternProperties {
		if r.steps -= 1 + len(name)*sizeOf(re)/16; r.steps < 0 || re.MatchString(name) {
			return nil
		}
	}
	return additional
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
