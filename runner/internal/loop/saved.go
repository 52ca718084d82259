package loop

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// meaning is raised when Apply gives the same fields another meaning, so that no process
// continues with a saved state of another version.
const meaning = 3

// layout identifies the fields of a State with their types. A state of another layout is
// not loaded: the events are the truth, and a saved state only saves their replay.
var layout = sync.OnceValue(func() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", meaning, describe(reflect.TypeFor[State](), map[reflect.Type]bool{})))
	return hex.EncodeToString(sum[:8])
})

func describe(t reflect.Type, seen map[reflect.Type]bool) string {
	text := t.String()
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return text + describe(t.Elem(), seen)
	case reflect.Struct:
		if seen[t] {
			return text
		}
		seen[t] = true
		for i := range t.NumField() {
			f := t.Field(i)
			text += fmt.Sprintf("{%s %q %s}", f.Name, f.Tag, describe(f.Type, seen))
		}
	}
	return text
}

// savedState is the JSON of a saved state.
type savedState struct {
	Layout string          `json:"layout"`
	State  json.RawMessage `json:"state"`
}

// Save returns the state as JSON for [Load]. The caller has the state for itself.
func (s *State) Save() ([]byte, error) {
	data, err := save(reflect.ValueOf(s).Elem())
	if err != nil {
		return nil, err
	}
	return json.Marshal(savedState{layout(), data})
}

// Load returns the state that Save has written. A state of another version is an error.
func Load(data []byte) (*State, error) {
	var saved savedState
	if err := json.Unmarshal(data, &saved); err != nil {
		return nil, err
	}
	if saved.Layout != layout() {
		return nil, errors.New("loop: the state was saved by another version")
	}
	s := new(State)
	if err := load(saved.State, reflect.ValueOf(s).Elem()); err != nil {
		return nil, err
	}
	s.adopt()
	return s, nil
}

// adopt sets the outer state of each nested state.
func (s *State) adopt() {
	for i := range s.Calls {
		if n := s.Calls[i].Nested; n != nil {
			n.outer = s
			n.adopt()
		}
	}
}

// Fields are found by reflection, because a list of the fields would have to change with
// every field of the state, and a missing field would be lost without a word.

var parts = reflect.TypeFor[llm.Part]()

// own reports whether the fields of a struct type are saved one by one: the types of this
// package have fields that encoding/json does not see.
func own(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.PkgPath() == reflect.TypeFor[State]().PkgPath()
}

// plain reports whether encoding/json saves all of a type.
func plain(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return plain(t.Elem())
	}
	return !own(t) && t != parts
}

// field returns a field for reading and writing, although the name is not exported.
func field(v reflect.Value, i int) reflect.Value {
	f := v.Field(i)
	return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
}

func save(v reflect.Value) (json.RawMessage, error) {
	switch t := v.Type(); {
	case t == parts:
		if v.IsNil() {
			return json.RawMessage("null"), nil
		}
		p, _ := v.Interface().(llm.Part)
		return json.Marshal(llm.Parts{p})
	case plain(t):
		return json.Marshal(v.Interface())
	case v.Kind() == reflect.Pointer && v.IsNil(), v.Kind() == reflect.Slice && v.IsNil():
		return json.RawMessage("null"), nil
	case v.Kind() == reflect.Pointer:
		return save(v.Elem())
	case v.Kind() == reflect.Slice:
		all := make([]json.RawMessage, v.Len())
		for i := range all {
			var err error
			if all[i], err = save(v.Index(i)); err != nil {
				return nil, err
			}
		}
		return json.Marshal(all)
	case own(t):
		return saveFields(v)
	}
	return nil, fmt.Errorf("loop: no way to save a %v", v.Type()) // a bug of ours
}

func saveFields(v reflect.Value) (json.RawMessage, error) {
	members := map[string]json.RawMessage{}
	for i := range v.NumField() {
		f := field(v, i)
		name := v.Type().Field(i).Name
		if f.IsZero() || name == "outer" { // see adopt
			continue
		}
		data, err := save(f)
		if err != nil {
			return nil, err
		}
		members[name] = data
	}
	return json.Marshal(members)
}

func load(data json.RawMessage, v reflect.Value) error {
	t := v.Type()
	switch {
	case t == parts:
		var all llm.Parts
		if err := json.Unmarshal(data, &all); err != nil || len(all) == 0 {
			return err
		}
		v.Set(reflect.ValueOf(all[0]))
		return nil
	case plain(t):
		return json.Unmarshal(data, v.Addr().Interface())
	case string(data) == "null":
		return nil
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		return load(data, v.Elem())
	case v.Kind() == reflect.Slice:
		var all []json.RawMessage
		if err := json.Unmarshal(data, &all); err != nil {
			return err
		}
		v.Set(reflect.MakeSlice(t, len(all), len(all)))
		for i := range all {
			if err := load(all[i], v.Index(i)); err != nil {
				return err
			}
		}
		return nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	for i := range v.NumField() {
		if data, ok := members[t.Field(i).Name]; ok {
			if err := load(data, field(v, i)); err != nil {
				return err
			}
		}
	}
	return nil
}
