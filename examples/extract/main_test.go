package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/internal/itself"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

func TestMain(m *testing.M) { itself.Main(m, main) }

func TestExtract(t *testing.T) {
	t.Parallel()
	itself.Prints(t, "testdata/output.txt")
}

// TestOrder: the number of runs at the same time does not change the readings.
func TestOrder(t *testing.T) {
	t.Parallel()
	texts := strings.Split(invoices, "---\n")
	require.Len(t, texts, 20)
	one := readAll(t.Context(), reader(careless()), texts, 1)
	require.Equal(t, one, readAll(t.Context(), reader(careless()), texts, 20))
}

func TestCheck(t *testing.T) {
	t.Parallel()
	in := &Invoice{Lines: []Line{{"Paper", 500}, {"Discount", -50}}, TotalCents: 450}
	require.NoError(t, check(t.Context(), Answer{Invoice: in}))
	require.NoError(t, check(t.Context(), Answer{Problem: "a letter"}))
	require.EqualError(t, check(t.Context(), Answer{}), "give either an invoice or a problem")
	require.EqualError(t, check(t.Context(), Answer{Invoice: in, Problem: "a letter"}), "give either an invoice or a problem")
	in.TotalCents = -5
	require.EqualError(t, check(t.Context(), Answer{Invoice: in}), "the lines add up to 4.50, but the total is -0.05")
}

// TestProviderFails: nothing is claimed about a text that no model has read.
func TestProviderFails(t *testing.T) {
	t.Parallel()
	down := llmtest.NewScript(llmtest.Fail(&llm.APIError{Kind: llm.KindAuth, Err: errors.New("wrong key")}).Forever())
	readings := readAll(t.Context(), reader(down), []string{"a", "b"}, 2)
	text, failed := table(readings)
	require.Equal(t, 2, failed)
	require.Contains(t, text, "0 of 2 texts are invoices")
	require.Contains(t, text, "text 2 failed: turn 1: ")
}
