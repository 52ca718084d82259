package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestProgram: the program builds, and each refund is paid once.
func TestProgram(t *testing.T) {
	t.Parallel()
	if os.Getenv("TOOLLOOP_TEMPORAL") == "" {
		if _, err := exec.LookPath("temporal"); err != nil {
			require.Empty(t, os.Getenv("TOOLLOOP_REQUIRE_TEMPORAL"), install)
			t.Skip(install)
		}
	}
	cmd := exec.CommandContext(t.Context(), build(t), "-n", "10")
	tie(cmd)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `W9: I have refunded 220 dollars\.`, string(out))
	require.Regexp(t, `W9: refund {"order":"W9","dollars":220}: approved by ada`, string(out))
	require.Regexp(t, `10 conversations, [1-9]\d* workers killed: 10 refunds paid once each, in \d+ attempts\n$`, string(out))
}

// TestWithoutServer: where there is no server, the program says how to install it.
func TestWithoutServer(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), build(t))
	cmd.Env = []string{"PATH=" + t.TempDir(), "TMPDIR=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, install+"\n", string(out))
}

func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}
