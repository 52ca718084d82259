package gotype_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/tool/internal/gotype"
)

type word string

type flat struct {
	Text  string `json:"text"`
	Word  word
	Yes   bool    `json:"yes,omitempty"`
	N     int     `json:"n"`
	Small int8    `json:"small"`
	Big   uint64  `json:"big,omitzero"`
	X     float64 `json:"x"`
	Took  time.Duration
}

// FuzzFlat: a flat reader reads what encoding/json reads, or gives up.
func FuzzFlat(f *testing.F) {
	read := gotype.NewFlatReader(reflect.TypeFor[flat]())
	require.NotNil(f, read)
	seeds := [][]byte{
		[]byte(`{}`), []byte(`{"text":"Oslo","Word":"ø","yes":true,"n":-12,"small":127,"big":18446744073709551615,"x":-0.5,"Took":1000}`),
		[]byte(`{"x":1,"n":0,"yes":false,"text":""}`), []byte(`{"n":1,"n":2}`), []byte(`{"N":1}`), []byte(`{"small":128}`), []byte(`{"big":-1}`),
		[]byte(`{"text":"a\nb"}`), []byte(`{"x":1e3}`), []byte(`{"n":1.0}`), []byte(`{"x":null}`), []byte(`{"yes":truefalse}`), []byte(`{"n":01}`),
	}
	direct := 0
	for _, seed := range append(seeds, mutant.Of(seeds, 3000)...) {
		f.Add(seed)
		var got flat
		if read(seed, reflect.ValueOf(&got).Elem()) {
			direct++
		}
	}
	require.Greater(f, direct, 10)
	f.Fuzz(func(t *testing.T, text []byte) {
		var got, want flat
		if !read(text, reflect.ValueOf(&got).Elem()) {
			return
		}
		require.NoError(t, json.Unmarshal(text, &want), "%q", text)
		require.Equal(t, want, got, "%q", text)
	})
}

type embedded struct{ Text string }

// TestNotFlat: types that encoding/json reads in another way have no flat reader.
func TestNotFlat(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		"", map[string]string{}, &flat{}, struct{}{}, time.Time{},
		struct{ embedded }{}, struct{ At time.Time }{}, struct{ N *int }{}, struct{ N json.Number }{},
		struct {
			N int `json:",string"`
		}{},
		struct {
			N int `json:"-"`
		}{},
		struct {
			N int `json:"n-m"`
		}{},
		struct{ A, a int }{},
		struct {
			A int
			B int `json:"a"`
		}{},
	} {
		require.Nil(t, gotype.NewFlatReader(reflect.TypeOf(v)), "%T", v)
	}
}
