package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

func returns[Out any](t *testing.T, out Out) (llm.Parts, error) {
	t.Helper()
	returning := tool.Must(tool.New("returning", "", func(context.Context, struct{}) (Out, error) { return out, nil }))
	return returning.Call(t.Context(), json.RawMessage(`{}`))
}

func TestResults(t *testing.T) {
	t.Parallel()
	type point struct {
		X int      `json:"x"`
		L []string `json:"l,omitempty"`
	}
	type named string
	image := llm.Image{Data: []byte{0x89, 'P'}, MediaType: "image/png"}
	tests := []struct {
		name string
		out  any
		want llm.Parts
	}{
		{"text", "hello\n", llm.Parts{llm.Text{Text: "hello\n"}}},
		{"empty text", "", llm.Parts{llm.Text{Text: "(no output)"}}},
		{"named text", named("a<b"), llm.Parts{llm.Text{Text: "a<b"}}},
		{"broken UTF-8", "a\xffb", llm.Parts{llm.Text{Text: "a\uFFFDb"}}},
		{"nil", nil, llm.Parts{llm.Text{Text: "(no output)"}}},
		{"nil pointer", (*point)(nil), llm.Parts{llm.Text{Text: "(no output)"}}},
		{"empty struct", struct{}{}, llm.Parts{llm.Text{Text: "(no output)"}}},
		{"nil slice", []int(nil), llm.Parts{llm.Text{Text: "[]"}}},
		{"nil map", map[string]int(nil), llm.Parts{llm.Text{Text: "{}"}}},
		{"number", 42, llm.Parts{llm.Text{Text: "42"}}},
		{"false", false, llm.Parts{llm.Text{Text: "false"}}},
		{"struct", point{X: 1}, llm.Parts{llm.Text{Text: `{"x":1}`}}},
		{"pointer", &point{X: 1, L: []string{"<&>"}}, llm.Parts{llm.Text{Text: `{"x":1,"l":["<&>"]}`}}},
		{"time", time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), llm.Parts{llm.Text{Text: `"2024-01-02T03:04:05Z"`}}},
		{"raw JSON", json.RawMessage(` {"a": 1}`), llm.Parts{llm.Text{Text: ` {"a": 1}`}}},
		{"no raw JSON", json.RawMessage(nil), llm.Parts{llm.Text{Text: "(no output)"}}},
		{"bytes of text", []byte("abc"), llm.Parts{llm.Text{Text: "abc"}}},
		{"a part", image, llm.Parts{image}},
		{"parts", llm.Parts{llm.Text{Text: "see"}, image}, llm.Parts{llm.Text{Text: "see"}, image}},
		{"a slice of parts", []llm.Part{image}, llm.Parts{image}},
		{"no parts", llm.Parts{}, llm.Parts{llm.Text{Text: "(no output)"}}},
		{"empty parts", llm.Parts{llm.Text{}, llm.Text{}}, llm.Parts{llm.Text{Text: "(no output)"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := returns(t, tt.out)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestResultsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]any{
		"not a number":    math.NaN(),
		"channel":         make(chan int),
		"binary":          []byte{0xff, 0xfe},
		"a tool call":     llm.ToolCall{},
		"a pointed part":  &llm.Text{},
		"a part of a nil": llm.Parts{nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := returns(t, out)
			e, ok := errors.AsType[*tool.Error](err)
			require.True(t, ok)
			require.Equal(t, tool.Failed, e.Failure)
			require.Equal(t, "The tool ran, but its result could not be written down.", e.Message)
			require.Error(t, e.Err)
		})
	}
}

const maxResult = 256 << 10

func TestResultsAreCut(t *testing.T) {
	t.Parallel()
	got, err := returns(t, strings.Repeat("é", maxResult))
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("é", maxResult/2)+
		"\n[The result is cut off: 262144 of its 524288 bytes are left out.]", llm.Message{Parts: got}.Text())

	parts := llm.Parts{llm.Text{Text: strings.Repeat("a", maxResult-1)}, llm.Image{URL: "x"}, llm.Text{Text: "éb"}, llm.Text{Text: "c"}}
	given := append(llm.Parts(nil), parts...)
	got, err = returns(t, parts)
	require.NoError(t, err)
	require.Equal(t, given, parts, "the caller's slice is left alone")
	require.Len(t, got, 4)
	require.Equal(t, llm.Image{URL: "x"}, got[1])
	require.Equal(t, llm.Text{Text: "c"}, got[2])
}
