package llmtest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

var twoCalls = llmtest.Text("It's 22 °C.").And(llmtest.Calls("f", `{"a":1}`), llmtest.Calls("g", nil))

// cutting returns the pieces of a streamed answer, each in a word.
func cutting(t *testing.T, m *llmtest.Model) []string {
	t.Helper()
	_, deltas, err := collect(t.Context(), m, streamed(ask("hi")))
	require.NoError(t, err)
	var out []string
	for _, d := range deltas {
		switch d := d.(type) {
		case llm.TextDelta:
			out = append(out, d.Text)
		case llm.CallDelta:
			out = append(out, fmt.Sprintf("%d:%s:%s", d.Index, d.Name, d.Arguments))
		}
	}
	return out
}

func TestChunkSize(t *testing.T) {
	t.Parallel()
	for size, want := range map[int][]string{
		0:  {"It's ", "22 ", "°C.", "0:f:", `0::{"a`, `0::":1}`, "1:g:", "1::{", "1::}"},
		1:  {"I", "t", "'", "s", " ", "2", "2", " ", "°", "C", ".", "0:f:", "0::{", `0::"`, "0::a", `0::"`, "0:::", "0::1", "0::}", "1:g:", "1::{", "1::}"},
		5:  {"It's ", "22 °C", ".", "0:f:", `0::{"a":`, "0::1}", "1:g:", "1::{}"},
		-1: {"It's 22 °C.", `0:f:{"a":1}`, "1:g:{}"},
		-2: {"It's 22 °C.", `0:f:{"a":1}`, "1:g:{}"},
	} {
		m := llmtest.Script(t, twoCalls)
		m.ChunkSize = size
		require.Equal(t, want, cutting(t, m), "size %d", size)
	}
}

// A seed cuts each answer in its own way, and always in the same.
func TestSeed(t *testing.T) {
	t.Parallel()
	forms := map[string]bool{}
	for seed := uint64(1); seed <= 60; seed++ {
		var all [2][]string
		for i := range all {
			m := llmtest.Script(t, twoCalls, twoCalls)
			m.Seed, m.ChunkSize = seed, 3 // which does not count
			all[i] = append(cutting(t, m), "|")
			all[i] = append(all[i], cutting(t, m)...)
		}
		require.Equal(t, all[0], all[1])
		first, second, _ := strings.Cut(strings.Join(all[0], " "), " | ")
		for form, is := range map[string]bool{
			"text at once":       strings.Contains(first, "It's 22 °C."),
			"text by characters": strings.Contains(first, "I t ' s"),
			"whole calls":        strings.Contains(first, `0:f:{"a":1} 1:g:{}`),
			"calls in turns":     strings.Contains(first, "0:f: 1:g:"),
			"one call at a time": strings.Contains(first, "0:f: 0::"),
			"alike":              first == second,
			"not alike":          first != second,
		} {
			forms[form] = forms[form] || is
		}
	}
	for form, seen := range forms {
		require.True(t, seen, form)
	}
}
