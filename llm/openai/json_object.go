package openai

import (
	"bytes"
	"io"
	"slices"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// A body is a request body in segments. Segments are never changed, so many
// requests can read them, as can the transport after Generate has returned.
type body [][]byte

func (b body) size() (n int64) {
	for _, segment := range b {
		n += int64(len(segment))
	}
	return n
}

func (b body) equal(other body) bool {
	return b.size() == other.size() && bytes.Equal(bytes.Join(b, nil), bytes.Join(other, nil))
}

// A bodyReader reads a body. It has no WriteTo, as io.MultiReader has: net/http reads each
// body once more behind its end, and WriteTo would allocate 32 KB there for each request.
type bodyReader struct {
	rest body // of which the first segment is read up to done
	done int
}

// Read implements [io.Reader].
func (r *bodyReader) Read(p []byte) (n int, err error) {
	for len(r.rest) > 0 && n < len(p) {
		m := copy(p[n:], r.rest[0][r.done:])
		n, r.done = n+m, r.done+m
		if r.done == len(r.rest[0]) {
			r.rest, r.done = r.rest[1:], 0
		}
	}
	if n == 0 && len(r.rest) == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close implements [io.Closer].
func (r *bodyReader) Close() error { return nil }

// fields are the members of an object in the making.
type fields []field

type field struct {
	name  string
	value []byte
}

func (f *fields) raw(name string, value []byte) { *f = append(*f, field{name, value}) }

func (f *fields) text(name, value string) { f.raw(name, rawjson.AppendString(nil, value)) }

// textIf adds a string unless empty.
func (f *fields) textIf(name, value string) {
	if value != "" {
		f.text(name, value)
	}
}

// rawIf adds a value unless nil.
func (f *fields) rawIf(name string, value []byte) {
	if value != nil {
		f.raw(name, value)
	}
}

// replace sets the named member, at its old place if present.
func (f *fields) replace(name string, value []byte) {
	i := slices.IndexFunc(*f, func(m field) bool { return m.name == name })
	if i < 0 {
		f.raw(name, value)
		return
	}
	(*f)[i].value = value
}

func (f fields) has(name string) bool {
	return slices.ContainsFunc(f, func(m field) bool { return m.name == name })
}

func (f fields) object() []byte { return append(f.list([]byte{'{'}), '}') }

// list appends the members, separated by commas.
func (f fields) list(b []byte) []byte {
	for i, m := range f {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(rawjson.AppendString(b, m.name), ':'), m.value...)
	}
	return b
}

// array joins values to a JSON array.
func array(values [][]byte) []byte {
	b := append([]byte{'['}, bytes.Join(values, []byte{','})...)
	return append(b, ']')
}

// encoded returns the JSON of v, which must always marshal.
func encoded(v any) []byte {
	b, _ := rawjson.Marshal(v)
	return b
}
