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

func (b body) open() (io.ReadCloser, error) {
	readers := make([]io.Reader, len(b))
	for i, segment := range b {
		readers[i] = bytes.NewReader(segment)
	}
	return io.NopCloser(io.MultiReader(readers...)), nil
}

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
