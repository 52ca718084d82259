package validate

import (
	"errors"
	"reflect"
	"runtime"
	"sync"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// ErrTooComplex ends a check that goes on for too long.
var ErrTooComplex = errors.New("the arguments take too long to check against the schema")

// A fuel bounds one check against a schema that is not ours. A few alternatives
// that refer to each other make a hundred bytes of arguments take hours, and the
// library has neither a limit nor a context. A unit is what the library needs to
// hold one value to one schema: about 400 bytes, and a microsecond or two. A nil fuel has no end.
type fuel struct {
	left   int
	depths map[uintptr]int // of arrays and objects that stand deep
}

// fill readies fuel for arguments. What honest schemas take grows with the
// arguments: for as many values as a model writes there are several units each;
// for as many as are read at all there is little to spare.
func (f *fuel) fill(args *tree.Value) {
	f.left = 80_000 + args.Len()*3/4 + args.Size()/64
	f.depths = nil
}

func (f *fuel) use(units int) {
	if f == nil {
		return
	}
	if f.left -= units; f.left < 0 {
		panic(ErrTooComplex)
	}
}

// shallow is how deep an array or object may stand before its place matters.
const shallow = 6

// locate notes where the arrays and objects of arguments stand that are so deep
// that the errors of what is in them, which all repeat the place, need memory.
func (f *fuel) locate(v any, depth int) {
	switch v := v.(type) {
	case []any:
		f.note(v, len(v), depth)
		for _, item := range v {
			f.locate(item, depth+1)
		}
	case map[string]any:
		f.note(v, len(v), depth)
		for _, m := range v {
			f.locate(m, depth+1)
		}
	}
}

func (f *fuel) note(v any, size, depth int) {
	if depth <= shallow || size == 0 {
		return
	}
	if f.depths == nil {
		f.depths = map[uintptr]int{}
	}
	f.depths[reflect.ValueOf(v).Pointer()] = depth
}

// place charges for the errors that what is in v may have.
func (f *fuel) place(v any, size int) {
	if f == nil || f.depths == nil || size == 0 {
		return
	}
	f.use(size * f.depths[reflect.ValueOf(v).Pointer()] / 24)
}

// A metered is a schema compiled with fuel of its own: it serves one check at a time.
type metered struct {
	compiled
	fuel fuel
}

// A shelf has the copies of one schema that no check uses. The one used last is
// taken first, so there are as many as checks ever ran at once, up to GOMAXPROCS.
type shelf struct {
	places chan struct{} // one is taken by each check
	mu     sync.Mutex
	free   []*metered
}

// meter compiles the first of the copies. The others are compiled when they are
// needed.
func (v *Validator) meter() error {
	v.metered = &shelf{places: make(chan struct{}, runtime.GOMAXPROCS(0))}
	m, err := v.newMetered()
	if err == nil {
		v.metered.free = append(v.metered.free, m)
	}
	return err
}

func (v *Validator) newMetered() (*metered, error) {
	m := &metered{}
	var err error
	if m.compiled, err = compileSchema(v.Doc, nil, &m.fuel); err != nil {
		return nil, err
	}
	return m, nil
}

// borrow waits for a place, and returns a schema that is to be put back even if it
// is nil. Every check is bounded, and so is the wait.
func (v *Validator) borrow(args *tree.Value) (m *metered, err error) {
	v.metered.places <- struct{}{}
	if m = v.metered.take(); m == nil {
		m, err = v.newMetered()
	}
	if m != nil {
		m.fuel.fill(args)
	}
	return m, err
}

// take returns nil if there is no copy left.
func (s *shelf) take() *metered {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 {
		return nil
	}
	last := len(s.free) - 1
	m := s.free[last]
	s.free = s.free[:last]
	return m
}

func (s *shelf) putBack(m *metered) {
	s.mu.Lock()
	if m != nil {
		s.free = append(s.free, m)
	}
	s.mu.Unlock()
	<-s.places
}
