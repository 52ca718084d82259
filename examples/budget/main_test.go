package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/internal/itself"
	"github.com/seed-916e8f6a/toolloop/llm"
)

func TestMain(m *testing.M) { itself.Main(m, main) }

func TestBudget(t *testing.T) {
	t.Parallel()
	itself.Prints(t, "testdata/output.txt")
	require.NotContains(t, itself.Output(t, "-dollars", "1"), "tomorrow")
}

func TestCost(t *testing.T) {
	t.Parallel()
	u := llm.Usage{InputTokens: 2_000_000, CachedTokens: 1_000_000, OutputTokens: 1_000_000}
	require.InDelta(t, 0.15+0.075+0.60, cost("small", u), 1e-9)
	require.InDelta(t, 0.15+0.075+0.60, cost("small-2026-03-01", u), 1e-9)
	require.InDelta(t, 2.50+2.50+10, cost("another", u), 1e-9)
}
