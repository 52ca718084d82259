package validate

import (
	"errors"
	"reflect"
	"runtime"
	"sync"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// ErrTooComplex is the error of a validation that takes too long.
var ErrTooComplex = errors.New("the arguments take too long to check against the schema")

// A fuel bounds one validation against a schema from elsewhere. A few alternatives
// that refer to each other can turn a hundred bytes of arguments into hours, and the
// library has no limit and no context. A unit pays for the validation of a value
// against a schema: about 400 bytes, and up to two microseconds. A nil fuel is
// unlimited.
type fuel struct {
	left   int
	depths map[uintptr]int // depths of nested arrays and objects
}

// fill refills the fuel for arguments. The need of ordinary schemas grows with the
// arguments. Arguments of usual size get several units for each value, and arguments at
// the limits get few.
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

// freeDepth is the depth up to which places cost nothing.
const freeDepth = 6

// locate records the depth of deep arrays and objects. The error of each inner value
// repeats the whole place, which needs memory.
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
	if depth <= freeDepth || size == 0 {
		return
	}
	if f.depths == nil {
		f.depths = map[uintptr]int{}
	}
	f.depths[reflect.ValueOf(v).Pointer()] = depth
}

// place pays for the places of errors inside of v.
func (f *fuel) place(v any, size int) {
	if f == nil || f.depths == nil || size == 0 {
		return
	}
	f.use(size * f.depths[reflect.ValueOf(v).Pointer()] / 24)
}

// A metered is a schema compiled with its own fuel. Only one validation at a time may
// use a metered.
type metered struct {
	compiled compiled
	fuel     fuel
}

// A pool is a pool of the unused copies of one schema. The copy that was used last is
// taken first. The pool never has more copies than validations ran at once, at most
// GOMAXPROCS.
type pool struct {
	places chan struct{} // each validation takes one place
	mu     sync.Mutex
	free   []*metered
}

// newPool compiles the first copy. Further copies are compiled on demand.
func (v *Validator) newPool() error {
	v.pool = &pool{places: make(chan struct{}, runtime.GOMAXPROCS(0))}
	m, err := v.newMetered()
	if err == nil {
		v.pool.free = append(v.pool.free, m)
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

// acquire waits for a place and returns a copy. The caller must call putBack, also for a
// nil copy. The wait is bounded because every validation is bounded.
func (v *Validator) acquire(args *tree.Value) (m *metered, err error) {
	v.pool.places <- struct{}{}
	if m = v.pool.take(); m == nil {
		m, err = v.newMetered()
	}
	if m != nil {
		m.fuel.fill(args)
	}
	return m, err
}

// pop returns nil if no copy is unused.
func (s *pool) take() *metered {
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

func (s *pool) putBack(m *metered) {
	s.mu.Lock()
	if m != nil {
		s.free = append(s.free, m)
	}
	s.mu.Unlock()
	<-s.places
}
