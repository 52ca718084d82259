package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain runs the program itself if a test has started this binary for it.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_TEAM") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func output(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "RUN_TEAM=1", "OPENAI_API_KEY=", "OPENAI_BASE_URL=")
	out, err := cmd.Output()
	require.NoError(t, err)
	return string(out)
}

func TestTeam(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/output.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), output(t))
	denied := output(t, "-deny", "it is too old")
	require.Contains(t, denied, "approved: false")
	require.Contains(t, denied, "The call was denied: it is too old")
}
