package tool

import (
	"errors"
	"runtime"

	sj "github.com/santhosh-tekuri/jsonschema/v6"
)

// errTooComplex ends a check that goes on for too long.
var errTooComplex = errors.New("the arguments take too long to check against the schema")

// A fuel bounds one check against a schema that is not ours. A few alternatives
// that refer to each other make a hundred bytes of arguments take hours, and the
// library has neither a limit nor a context.
type fuel struct {
	left    int
	visited []visit // until they are installed
}

// A visit is what a schema costs.
type visit struct {
	schema   *sj.Schema
	branches int // schemas that the same value is held to
	patterns int // that every member's name is held to
}

// fill readies fuel for arguments. What honest schemas take grows with the
// arguments: a few units for each value.
func (f *fuel) fill(args *value) { f.left = 50_000 + 4*args.size() }

func (f *fuel) use(units int) {
	if f.left -= units; f.left < 0 {
		panic(errTooComplex)
	}
}

// vocabulary is one without keywords, through which every schema is heard of
// while it is compiled.
func (f *fuel) vocabulary() *sj.Vocabulary {
	return &sj.Vocabulary{URL: "tool:///fuel", Compile: func(c *sj.CompilerContext, obj map[string]any) (sj.SchemaExt, error) {
		v := visit{schema: c.Enqueue(nil)}
		for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
			if branches, ok := obj[keyword].([]any); ok {
				v.branches += len(branches)
			}
		}
		if patterns, ok := obj["patternProperties"].(map[string]any); ok {
			v.patterns = len(patterns)
		}
		f.visited = append(f.visited, v)
		return deep{f}, nil
	}}
}

// deep charges for where a value stands: each of its errors repeats the place.
type deep struct{ *fuel }

func (d deep) Validate(c *sj.ValidatorContext, _ any) { d.use(len(c.ValueLocation()) / 4) }

// install charges for each schema before what is in it is looked at. An
// extension would come after that, and not at all inside of "not"; the format
// comes first.
func (f *fuel) install() {
	if f == nil {
		return
	}
	for _, v := range f.visited {
		before := v.schema.Format
		if before == nil {
			before = &sj.Format{Validate: func(any) error { return nil }}
		}
		v.schema.Format = &sj.Format{Name: before.Name, Validate: func(got any) error {
			f.use(v.cost(got))
			return before.Validate(got)
		}}
	}
	f.visited = nil
}

func (v visit) cost(got any) int {
	switch got := got.(type) {
	case []any:
		return 1 + v.branches + len(got)/2
	case map[string]any:
		return 1 + v.branches + len(got)*(1+2*v.patterns)/2
	}
	return 1 + v.branches
}

// A metered is a schema compiled with fuel of its own: it serves one check at a time.
type metered struct {
	schema *sj.Schema
	fuel   fuel
}

// meter compiles the first of the schemas that checks share. The others, as many
// as can run at once, are compiled when they are needed.
func (v *validator) meter() error {
	v.metered = make(chan *metered, runtime.GOMAXPROCS(0))
	for len(v.metered) < cap(v.metered)-1 {
		v.metered <- nil
	}
	m, err := v.newMetered()
	v.metered <- m
	return err
}

func (v *validator) newMetered() (*metered, error) {
	m := &metered{}
	var err error
	if m.schema, err = compileSchema(v.doc, nil, &m.fuel); err != nil {
		return nil, err
	}
	return m, nil
}

// borrow waits for a schema, which is given back even if it is nil. Every check
// is bounded, and so is the wait.
func (v *validator) borrow(args *value) (m *metered, err error) {
	if m = <-v.metered; m == nil {
		m, err = v.newMetered()
	}
	if m != nil {
		m.fuel.fill(args)
	}
	return m, err
}

func (v *validator) giveBack(m *metered) { v.metered <- m }
