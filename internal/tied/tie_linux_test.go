package tied_test

import (
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/tied"
)

const variable = "TIED_TEST"

// TestTie: a child ends with its parent, also if the parent is killed.
func TestTie(t *testing.T) {
	t.Parallel()
	if os.Getenv(variable) != "" { // the parent
		cmd := exec.CommandContext(t.Context(), "sh", "-c", "echo; exec sleep 600")
		cmd.Stdout = os.Stdout
		tied.Tie(cmd)
		require.NoError(t, cmd.Start())
		select {}
	}
	parent := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTie$")
	parent.Env = append(os.Environ(), variable+"=1")
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	_, err = out.Read(make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, parent.Process.Kill())
	_, err = io.Copy(io.Discard, out) // until the child has ended, which holds the pipe
	require.NoError(t, err)
	require.Error(t, parent.Wait())
}
