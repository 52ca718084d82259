package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain runs the program itself if a test has started this binary for it.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_LONG") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestLong(t *testing.T) {
	t.Parallel()
	for file, args := range map[string][]string{"testdata/output.txt": nil, "testdata/summary.txt": {"-summary"}} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
		cmd.Env = append(os.Environ(), "RUN_LONG=1", "OPENAI_API_KEY=", "OPENAI_BASE_URL=")
		out, err := cmd.Output()
		require.NoError(t, err)
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), string(out))
	}
}
