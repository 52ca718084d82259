//go:build unix

package examples_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMCPLeavesNothing: a server ends with the program that started it, even if the
// program is killed during a call.
func TestMCPLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		signal os.Signal
		status int
		stderr string
	}{
		{os.Interrupt, 130, notice + "mcp: interrupted\n"},
		{os.Kill, -1, notice},
	} {
		t.Run(tt.signal.String(), func(t *testing.T) {
			t.Parallel()
			held := filepath.Join(t.TempDir(), "held")
			require.NoError(t, syscall.Mkfifo(held, 0o600))
			server := fmt.Sprintf(`notebook: sh -c 'exec "$0" serve 3>"$1"' '%s' '%s'`, filepath.Join(bin, "mcp"), held)
			cmd := command(t, nil, "mcp", "-server", server)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			pipe, err := os.Open(held) // blocks until the server has started
			require.NoError(t, err)
			defer func() { _ = pipe.Close() }()

			lines := bufio.NewScanner(stdout)
			for lines.Scan() && !strings.Contains(lines.Text(), " of 3: reading") {
			}
			require.NoError(t, cmd.Process.Signal(tt.signal))
			require.NoError(t, pipe.SetReadDeadline(time.Now().Add(time.Minute)))
			rest, err := io.ReadAll(pipe) // until the last holder has closed it
			require.NoError(t, err)
			require.Empty(t, rest)
			for lines.Scan() { // to the end
			}
			require.Error(t, cmd.Wait())
			require.Equal(t, tt.status, cmd.ProcessState.ExitCode())
			require.Equal(t, tt.stderr, stderr.String())
		})
	}
}
