package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// TestMain runs the program itself if a test has started this binary for it.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_BUDGET") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func output(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "RUN_BUDGET=1", "OPENAI_API_KEY=", "OPENAI_BASE_URL=")
	out, err := cmd.Output()
	require.NoError(t, err)
	return string(out)
}

func TestBudget(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/output.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), output(t))
	require.NotContains(t, output(t, "-dollars", "1"), "tomorrow")
}

func TestCost(t *testing.T) {
	t.Parallel()
	u := llm.Usage{InputTokens: 2_000_000, CachedTokens: 1_000_000, OutputTokens: 1_000_000}
	require.InDelta(t, 0.15+0.075+0.60, cost("small", u), 1e-9)
	require.InDelta(t, 0.15+0.075+0.60, cost("small-2026-03-01", u), 1e-9)
	require.InDelta(t, 2.50+2.50+10, cost("another", u), 1e-9)
}
