package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/tied"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A temporalJob is a job for the program in the directory temporal.
type temporalJob struct {
	Name, Where, BaseURL, Request string
	Kill                          event.CallRef `json:",omitempty"`
	Done                          bool
}

// A temporalOutcome is a line of that program's output.
type temporalOutcome struct {
	Name, Text, Err string
	Events          []event.Event
}

// TestTemporal replays the jobs on a Temporal server, with three worker processes. In the
// second variant workers are killed in the middle of calls, and new workers start.
func TestTemporal(t *testing.T) {
	program := temporalServer(t)
	s := newSuite(t)
	address := startTemporal(t, program)
	office := buildTemporal(t)
	variant := func(name string, crash bool) {
		s.variant(t, name, func(t *testing.T) func(*testing.T, job) { return s.onTemporal(t, name, crash, office, address) })
	}
	variant("temporal", false)
	variant("temporal-crash", true)
}

// temporalServer returns the program of the server, or skips the test.
func temporalServer(t *testing.T) string {
	t.Helper()
	program := os.Getenv("TOOLLOOP_TEMPORAL")
	if program == "" {
		program, _ = exec.LookPath("temporal")
	}
	if program == "" || testing.Short() {
		text := "no Temporal server: go install github.com/temporalio/cli/cmd/temporal@v1.5.1, and put it on the PATH or name it in TOOLLOOP_TEMPORAL"
		require.True(t, os.Getenv("TOOLLOOP_REQUIRE_TEMPORAL") == "" || testing.Short(), text)
		t.Skip(text)
	}
	return program
}

// startTemporal starts a server until the end of the test.
func startTemporal(t *testing.T, program string) (address string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address = l.Addr().String()
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	start(t, os.Stderr, program, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", port,
		"--log-level", "never", "--dynamic-config-value", "system.enableActivityEagerExecution=true")
	return address
}

// start starts a process until the end of the test.
func start(t *testing.T, out io.Writer, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	tied.Tie(cmd)
	cmd.Stderr = out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// buildTemporal builds the program in the directory temporal, a module of its own.
func buildTemporal(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "office")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	cmd.Dir = "temporal"
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// onTemporal runs all jobs, and returns the function that compares a job's outcome.
func (s *suite) onTemporal(t *testing.T, name string, crash bool, office, address string) func(*testing.T, job) {
	scripts, where := map[int]*llmtest.Model{}, map[int]string{}
	var jobs []temporalJob
	kills := 0
	for i, j := range s.jobs {
		turns := oneByOne(j)
		scripts[j.line] = llmtest.Script(t, llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
			return turns[results(req)].step().Response()
		}).Forever())
		where[j.line] = s.copySQLite(t)
		one := temporalJob{
			Name: fmt.Sprintf("%s-%d", name, j.line), Where: where[j.line],
			BaseURL: scripts[j.line].Serve().BaseURL, Request: request.Text(),
		}
		if crash && i%8 == 0 && len(j.Calls) > 0 {
			one.Kill, one.Done = event.NewCallRef(1, lastChange(j)+1, 0), i%16 == 0
			kills++
		}
		jobs = append(jobs, one)
	}
	outcomes, killed := runTemporal(t, office, address, jobs)
	require.Equal(t, kills, killed)
	return func(t *testing.T, j job) {
		o, ok := outcomes[fmt.Sprintf("%s-%d", name, j.line)]
		require.True(t, ok)
		require.Empty(t, o.Err)
		s.requireRight(t, j, oneByOne(j), outcome{openDesk(t, where[j.line]), o.Text, lastOf(scripts[j.line].Requests()), o.Events})
	}
}

// lastChange returns the position of the last call that changes data, or 0.
func lastChange(j job) (at int) {
	for i, c := range j.Calls {
		if changing[c.Name] {
			at = i
		}
	}
	return at
}

// runTemporal runs the jobs with three workers, and returns the outcomes by name and the
// number of workers that were killed. A new worker replaces a killed worker.
func runTemporal(t *testing.T, office, address string, jobs []temporalJob) (map[string]temporalOutcome, int) {
	t.Helper()
	dir := t.TempDir()
	text, err := json.Marshal(jobs)
	require.NoError(t, err)
	file := filepath.Join(dir, "jobs.json")
	require.NoError(t, os.WriteFile(file, text, 0o600))

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	working, stop := context.WithCancel(ctx)
	var workers sync.WaitGroup
	for range 3 {
		workers.Go(func() {
			for working.Err() == nil {
				cmd := exec.CommandContext(working, office, "-server", address, "-jobs", file, "-work")
				tied.Tie(cmd)
				cmd.Stderr = os.Stderr
				_ = cmd.Run()
			}
		})
	}
	defer func() { stop(); workers.Wait() }()

	cmd := exec.CommandContext(ctx, office, "-server", address, "-jobs", file)
	tied.Tie(cmd)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	outcomes := map[string]temporalOutcome{}
	for dec := json.NewDecoder(out); ; {
		var o temporalOutcome
		if err = dec.Decode(&o); err != nil {
			break
		}
		outcomes[o.Name] = o
	}
	require.True(t, errors.Is(err, io.EOF), "%v", err)
	require.NoError(t, cmd.Wait())
	dead, err := filepath.Glob(filepath.Join(dir, "*.killed"))
	require.NoError(t, err)
	return outcomes, len(dead)
}
