package tool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// Errors of several makes.
type (
	codeError   int
	fieldsError struct{ Field, Why string }
	byPointer   struct{ Why string }
	tagged      struct {
		Code int `json:"code"`
	}
	wrapped  struct{ error }
	manyErrs []error
)

func (e codeError) Error() string   { return fmt.Sprintf("code %d", int(e)) }
func (e fieldsError) Error() string { return e.Field + " " + e.Why }
func (e *byPointer) Error() string  { return "pointer: " + e.Why }
func (e tagged) Error() string      { return "tagged" }
func (e manyErrs) Error() string    { return errors.Join(e...).Error() }

// jsonError defines its JSON.
type jsonError struct{}

func (jsonError) Error() string                 { return "text" }
func (*jsonError) MarshalJSON() ([]byte, error) { return []byte(`{"own":true}`), nil }

// label is text by a pointer receiver.
type label struct{ s string }

func (l *label) MarshalText() ([]byte, error) { return []byte("<" + l.s + ">"), nil }

// never is zero by a pointer receiver.
type never struct{ X int }

func (*never) IsZero() bool { return true }

type Inner struct {
	Err  error
	Same string
}

func TestResultsAreWrittenAsTheyAre(t *testing.T) {
	t.Parallel()
	boom, missing := errors.New(`a "b" <c>`), &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}
	seven := *big.NewInt(7)
	tests := []struct {
		name string
		out  any
		want string
	}{
		{"an error", boom, `a "b" <c>`},
		{"an error by value", fieldsError{"age", "is missing"}, "age is missing"},
		{"an error with a pointer receiver, by value", byPointer{"x"}, "pointer: x"},
		{"no error", error(nil), "(no output)"},
		{"a nil pointer to an error", (*byPointer)(nil), "(no output)"},
		{"errors in a slice", []error{boom, nil, missing}, `["a \"b\" <c>",null,"open x: file does not exist"]`},
		{"errors in a map", map[string]error{"b": missing, "a": io.EOF}, `{"a":"EOF","b":"open x: file does not exist"}`},
		{"an error in any", map[string]any{"error": fmt.Errorf("read: %w", boom), "n": 1}, `{"error":"read: a \"b\" <c>","n":1}`},
		{"joined errors", map[string]any{"e": errors.Join(io.EOF, boom)}, `{"e":"EOF\na \"b\" <c>"}`},
		{"an error in a field", struct {
			Err  error `json:"err"`
			Rows int   `json:"rows"`
		}{boom, 3}, `{"err":"a \"b\" <c>","rows":3}`},
		{"no error in a field", struct {
			Err  error `json:"err"`
			None error `json:"none,omitempty"`
			Zero error `json:"zero,omitzero"`
		}{}, `{"err":null}`},
		{"a nil pointer in a field of errors", struct{ Err error }{(*byPointer)(nil)}, `{"Err":null}`},
		{"deep", []any{map[int][]any{1: {&struct{ E any }{missing}}}}, `[{"1":[{"E":"open x: file does not exist"}]}]`},
		{"errors of concrete types", struct {
			A codeError
			B *byPointer
			C fieldsError
			D []byPointer
			E map[string]byPointer
			F manyErrs
		}{1, &byPointer{"b"}, fieldsError{"f", "y"}, []byPointer{{"d"}}, map[string]byPointer{"e": {"e"}}, manyErrs{io.EOF, boom}},
			`{"A":"code 1","B":"pointer: b","C":"f y","D":["pointer: d"],"E":{"e":"pointer: e"},"F":"EOF\na \"b\" <c>"}`},
		{"an error that says how its JSON looks", []any{jsonError{}, tagged{3}, &jsonError{}}, `[{"own":true},{"code":3},{"own":true}]`},
		{"a struct around an error", map[string]any{"a": wrapped{io.EOF}, "b": wrapped{}}, `{"a":"EOF","b":{}}`},
		{"embedded", struct {
			Inner
			*Options
			Same int
		}{Inner{boom, "in"}, nil, 2}, `{"Err":"a \"b\" <c>","Same":2}`},
		{"a big integer by value", seven, "7"},
		{"in a struct", struct{ X big.Int }{seven}, `{"X":7}`},
		{"in a struct in a map", map[string]struct{ X big.Int }{"a": {seven}}, `{"a":{"X":7}}`},
		{"in any", []any{seven, &seven, map[string]any{"x": seven}}, `[7,7,{"x":7}]`},
		{"in a map", map[string]big.Int{"a": seven}, `{"a":7}`},
		{"in a map of arrays", map[string][1]big.Int{"a": {seven}}, `{"a":[7]}`},
		{"in arrays and slices", struct {
			A [1]big.Int
			S []big.Int
			P **big.Int
		}{[1]big.Int{seven}, []big.Int{seven}, new(&seven)}, `{"A":[7],"S":[7],"P":7}`},
		{"as text", label{"x"}, `"<x>"`},
		{"as text inside", map[string]any{"a": label{"x"}, "b": struct{ L label }{label{"y"}}}, `{"a":"<x>","b":{"L":"<y>"}}`},
		{"zero by its own word", map[string]any{"a": struct {
			N never `json:"n,omitzero"`
			M any   `json:"m,omitempty"`
		}{}}, `{"a":{}}`},
		{"numbers in strings", struct {
			A any
			N int           `json:"n,string"`
			P *float64      `json:"p,string"`
			Q *bool         `json:"q,string"`
			S string        `json:"s,string"`
			C codeError     `json:"c,string"`
			D time.Duration `json:"d,string"`
		}{nil, 1, new(0.5), nil, "x", 2, 3}, `{"A":null,"n":"1","p":"0.5","q":null,"s":"\"x\"","c":"code 2","d":"3"}`},
		{"keys", map[netip.Addr]any{netip.MustParseAddr("::2"): 2, netip.MustParseAddr("::1"): io.EOF}, `{"::1":"EOF","::2":2}`},
		{"nothing inside", map[string]any{"a": []any(nil), "b": map[string]any(nil), "c": (*Inner)(nil), "d": nil, "e": []any{}},
			`{"a":null,"b":null,"c":null,"d":null,"e":[]}`},
		{"a buffer by value", *bytes.NewBufferString("read"), "read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := returns(t, tt.out)
			require.NoError(t, err)
			require.Equal(t, llm.Parts{llm.Text{Text: tt.want}}, got)
		})
	}
	got, err := returns[error](t, boom)
	require.NoError(t, err)
	require.Equal(t, llm.Parts{llm.Text{Text: `a "b" <c>`}}, got)
	got, err = returns(t, struct{ X big.Int }{seven})
	require.NoError(t, err)
	require.Equal(t, llm.Parts{llm.Text{Text: `{"X":7}`}}, got)
}

// TestResultsWithoutAnEnd are failures and not the end of the process.
func TestResultsWithoutAnEnd(t *testing.T) {
	t.Parallel()
	own := map[string]any{}
	own["own"] = own
	list := []any{nil}
	list[0] = list
	type node struct{ Next, Other any }
	ring := &node{}
	ring.Next, ring.Other = ring, ring
	for name, out := range map[string]any{"map": own, "slice": list, "pointer": ring} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := returns(t, out)
			require.EqualError(t, err, "failed: the result is nested too deep, or contains itself")
		})
	}
}

// TestResultsAreWrittenAsGoDoes compares generated values without errors with the output
// of encoding/json for a pointer, directly and inside of any.
func TestResultsAreWrittenAsGoDoes(t *testing.T) {
	t.Parallel()
	for i := range 2_000 {
		r := rand.New(rand.NewPCG(2, uint64(i)))
		v := valueGen{r}.value(typeGen{r}.nth(i), 4)
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		require.NoError(t, e.Encode(v.Addr().Interface()))
		want := strings.TrimSuffix(b.String(), "\n")
		for _, out := range []any{v.Interface(), v.Addr().Interface()} {
			got, err := tool.Written(out)
			require.NoError(t, err)
			require.Equal(t, want, got, "%v", v.Type())
		}
		got, err := tool.Written(map[string]any{"in": []any{v.Interface()}})
		require.NoError(t, err)
		require.Equal(t, `{"in":[`+want+`]}`, got, "%v", v.Type())
	}
}

func gives[Out any]() (tool.Tool, error) {
	return tool.New("gives", "", func(context.Context, struct{}) (out Out, err error) { return out, nil })
}

func TestResultsThatHaveNoForm(t *testing.T) {
	t.Parallel()
	type pair struct{ A, B int }
	type list struct {
		Next *list
		Back chan int
	}
	type flat struct{ Back chan int }
	for _, tt := range []struct {
		name string
		make func() (tool.Tool, error)
		want string // empty: it has one
	}{
		{"channel", gives[chan int], "the result: JSON has no form for chan int"},
		{"function", gives[func() string], "the result: JSON has no form for func() string"},
		{"complex", gives[[]complex64], "the result's field []: JSON has no form for complex64"},
		{"pointer to anything", gives[struct{ P unsafe.Pointer }], "the result's field P: JSON has no form for unsafe.Pointer"},
		{"field", gives[struct{ Done <-chan bool }], "the result's field Done: JSON has no form for <-chan bool"},
		{"deep", gives[*struct {
			In []map[string]struct{ F func() }
		}], "the result's field In[][].F: JSON has no form for func()"},
		{"recursive", gives[list], "the result's field Back: JSON has no form for chan int"},
		{"embedded", gives[struct{ flat }], "the result's field flat.Back: JSON has no form for chan int"},
		{"keys", gives[map[pair]int], "the result: a map needs keys that are strings, integers or text (MarshalText), not tool_test.pair"},
		{"keys of a field", gives[struct{ M map[bool]int }], "the result's field M: a map needs keys that are strings, integers or text (MarshalText), not bool"},
		{"keys of any kind", gives[map[any]int], "the result: a map needs keys that are strings, integers or text (MarshalText), not interface {}"},
		{"keys that are text by a pointer", gives[map[label]int], "the result: a map needs keys that are strings, integers or text (MarshalText), not tool_test.label"},
		{"omitted", gives[struct {
			C chan int `json:"-"`
			c chan int
		}], ""},
		{"shadowed", gives[struct {
			flat
			Back int
		}], ""},
		{"writes itself", gives[struct {
			X  big.Int
			At map[netip.Addr]*time.Time
		}], ""},
		{"an error with a channel", gives[withChannel], ""},
		{"a reader with a function", gives[*readFunc], ""},
		{"interface", gives[struct{ E error }], ""},
		{"parts", gives[llm.Parts], ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.make()
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, `tool "gives": `+tt.want)
		})
	}
	_, err := tool.NewRaw("gives", "", nil, func(context.Context, json.RawMessage) (out struct{ C chan int }, err error) { return out, nil })
	require.EqualError(t, err, `tool "gives": the result's field C: JSON has no form for chan int`)
	_, err = tool.New("gives", "", func(context.Context, struct{}) (string, error) { return "", nil },
		tool.Reconcile(func(context.Context, tool.Call, json.RawMessage) (out func(), happened bool, err error) {
			return nil, false, nil
		}))
	require.EqualError(t, err, `tool "gives": Reconcile: the result: JSON has no form for func()`)
}

type withChannel struct{ C chan int }

func (withChannel) Error() string { return "closed" }

type readFunc struct{ F func() }

func (*readFunc) Read([]byte) (int, error) { return 0, io.EOF }
