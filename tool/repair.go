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

func (r *repairs) add(at path, what string) {
	if len(r.told) == maxRepairs {
		r.more++
		return
	}
	if len(at) > 0 {
		what = clip(strings.ToValidUTF8(pointer(at.steps()), "\uFFFD"), maxEcho) + ": " + what
	}
	r.told = append(r.told, what)
}

// A path is where a value stands: names of members, and indexes, which become text
// only when they are told.
type path []step

type step struct {
	name  string
	index int // -1: it is the member of that name
}

func (p path) steps() []string {
	steps := make([]string, len(p))
	for i, s := range p {
		if steps[i] = s.name; s.index >= 0 {
			steps[i] = strconv.Itoa(s.index)
		}
	}
	return steps
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
	args, err := parseLoosely(inner, argumentLimits, done)
	if err != nil {
		return nil, err
	}
	if off {
		done.add(nil, "a Markdown fence was taken off")
	}
	if inner := unwrap(args, argumentLimits); inner.is(objectForm) {
		done.unwrapped(nil, inner)
		return inner.value, nil
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

// A contained is the array or object that a string holds; nil: it holds none.
type contained struct {
	*value
	loose bool // it is not quite JSON
}

func (h contained) is(f form) bool { return h.value != nil && h.form == f }

func (r *repairs) unwrapped(at path, h contained) {
	r.add(at, "a string that held the JSON was unwrapped")
	if h.loose {
		r.add(at, "line breaks, commas or comments in what the string held were mended")
	}
}

// unwrap returns what a string holds within the limits.
func unwrap(v *value, lim limits) (h contained) {
	if v.form != stringForm {
		return contained{}
	}
	done := new(repairs)
	for range maxUnwraps {
		if v.form != stringForm {
			break
		}
		if s := strings.TrimSpace(v.text); s == "" || !strings.Contains(`[{"`, s[:1]) {
			return contained{}
		}
		inner, err := parseLoosely(v.text, lim, done)
		if err != nil {
			return contained{}
		}
		v = inner
	}
	if v.form != arrayForm && v.form != objectForm {
		return contained{}
	}
	return contained{v, len(done.told) > 0}
}

// A repairer changes arguments where the schema leaves one reading only: a value
// of a type that it does not take becomes what it takes if nothing is lost. It
// gives up after so many steps: a hostile schema could make it take
// exponentially many. What strings hold counts towards the limits of the whole.
type repairer struct {
	*repairs
	unions
	args  *value
	at    path // of the value that is looked at: one for all, since there are many
	steps int
	nodes int                  // that strings may still turn out to hold; -1: args was not counted
	held  map[*value]contained // by strings that were looked into
	null  map[*sj.Schema]bool
}

func newRepairer(told *repairs, args *value, us unions) *repairer {
	return &repairer{repairs: told, unions: us, args: args, steps: repairSteps, nodes: -1}
}

func (r *repairer) repair(v *value, s *sj.Schema) {
	if s == nil {
		return
	}
	if r.steps -= 1 + len(v.items) + len(v.members); r.steps < 0 {
		return
	}
	if v.form == stringForm {
		r.retype(v, s)
	}
	if v.form != arrayForm && v.form != objectForm {
		return
	}
	r.repair(v, s.Ref)
	r.repair(v, r.branch(s.AnyOf, v))
	r.repair(v, r.branch(s.OneOf, v))
	for _, same := range s.AllOf {
		r.repair(v, same)
	}
	for i, item := range v.items {
		r.below(step{index: i}, item, itemSchema(s, i))
	}
	r.dropNulls(v, s)
	for _, m := range v.members {
		r.below(step{name: m.name, index: -1}, m.value, r.memberSchema(s, m.name))
	}
}

func (r *repairer) below(to step, v *value, s *sj.Schema) {
	r.at = append(r.at, to)
	r.repair(v, s)
	r.at = r.at[:len(r.at)-1]
}

// retype reads a string as what the schema wants in its place.
func (r *repairer) retype(v *value, s *sj.Schema) {
	want := r.wanted(s, 8)
	if want == 0 || want&typeString != 0 {
		return
	}
	if inner := r.unwrap(v, want); inner.value != nil {
		*v = *inner.value
		r.unwrapped(r.at, inner)
		return
	}
	if (v.text == "true" || v.text == "false") && want&typeBoolean != 0 {
		v.form = booleanForm
		r.add(r.at, "a string became the boolean that it held")
		return
	}
	if len(v.text) > maxNumber {
		return
	}
	d, ok := readNumber(v.text)
	if !ok || d.exponent > maxExponent || d.exponent < -maxExponent {
		return
	}
	plain := d.canonical(v.text)
	whole := !strings.ContainsAny(plain, ".eE")
	if want&typeNumber != 0 || whole && want&typeInteger != 0 {
		*v = *number(plain)
		r.add(r.at, "a string became the number that it held")
	}
}

// unwrap returns what a string holds if it is wanted. Each string is looked into
// once, however many schemas bear on it.
func (r *repairer) unwrap(v *value, want sj.Types) contained {
	if want&(typeArray|typeObject) == 0 {
		return contained{}
	}
	inner, known := r.held[v]
	if !known {
		inner = r.look(v)
	}
	if inner.value == nil || inner.is(arrayForm) && want&typeArray == 0 || inner.is(objectForm) && want&typeObject == 0 {
		return contained{}
	}
	n := inner.size()
	if n > r.nodes { // others came before
		return contained{}
	}
	r.nodes -= n
	r.steps -= n
	return inner
}

func (r *repairer) look(v *value) contained {
	if r.nodes < 0 {
		r.nodes = max(0, argumentLimits.nodes-r.args.size())
	}
	if r.held == nil {
		r.held = map[*value]contained{}
	}
	lim := argumentLimits
	lim.depth -= len(r.at)
	lim.nodes = r.nodes
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

// wanted returns the types that a schema takes; none if that cannot be told.
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

// dropNulls removes null for optional properties that do not admit it: the way
// in which many models say that they have nothing to say.
func (r *repairer) dropNulls(v *value, s *sj.Schema) {
	v.members = slices.DeleteFunc(v.members, func(m member) bool {
		if m.value.form != nullForm || !r.optional(s, m.name) {
			return false
		}
		r.add(append(r.at, step{name: m.name, index: -1}), "null was left out")
		return true
	})
}

// optional reports whether s has a property of that name which may be left out
// and may not be null.
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

// branch returns the one branch that can be meant; nil if that cannot be told.
func (r *repairer) branch(branches []*sj.Schema, v *value) *sj.Schema {
	if only := r.only(branches); only != nil {
		return only
	}
	return r.variant(branches, v)
}

// only returns the one branch that is not just null, if there is exactly one.
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

// memberSchema returns the schema of a member. One that a pattern bears on is not
// additional, and stays as it is.
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
