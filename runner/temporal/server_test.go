package temporal_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"

	"github.com/seed-916e8f6a/toolloop/internal/tied"
)

// The command that starts a real server. CI installs it into a cache; see .ci/run.
const install = "go install github.com/temporalio/cli/cmd/temporal@v1.5.1, and put it on the PATH or name it in TOOLLOOP_TEMPORAL"

// started is the server of this test binary.
var started struct {
	once    sync.Once
	address string
	err     error
	process *exec.Cmd
}

// server connects to a real server, or skips the test where there is no such program.
func server(t *testing.T) client.Client {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real server")
	}
	program := os.Getenv("TOOLLOOP_TEMPORAL")
	if program == "" {
		program, _ = exec.LookPath("temporal")
	}
	if program == "" {
		if os.Getenv("TOOLLOOP_REQUIRE_TEMPORAL") != "" {
			t.Fatal("there is no Temporal server: " + install)
		}
		t.Skip("there is no Temporal server: " + install)
	}
	started.once.Do(func() { started.err = startServer(program) })
	require.NoError(t, started.err)
	c, err := dial(started.address)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func startServer(program string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	started.address = l.Addr().String()
	_, port, _ := net.SplitHostPort(started.address)
	if err := l.Close(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "temporal")
	if err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	cmd := exec.Command(program, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", port, "--log-level", "error",
		"--dynamic-config-value", "system.enableActivityEagerExecution=true")
	tied.Tie(cmd)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return err
	}
	started.process = cmd
	for range 3000 { // a slow disk
		if c, err := dial(started.address); err == nil {
			c.Close()
			return nil
		}
		<-time.After(100 * time.Millisecond)
	}
	text, _ := os.ReadFile(out.Name())
	return fmt.Errorf("the server did not start: %s", text)
}

func dial(address string, converters ...converter.DataConverter) (client.Client, error) {
	o := client.Options{HostPort: address, Logger: quiet{}, Identity: "test"}
	if len(converters) > 0 {
		o.DataConverter = converters[0]
	}
	return client.Dial(o)
}

// TestMain stops the server at the end.
func TestMain(m *testing.M) {
	if name := os.Getenv("TOOLLOOP_TEMPORAL_WORKER"); name != "" {
		workerMain(name)
		return
	}
	code := m.Run()
	if p := started.process; p != nil {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
	os.Exit(code)
}

// quiet drops the log of the SDK.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(msg string, kv ...any) {
	if os.Getenv("TOOLLOOP_TEMPORAL_LOG") != "" {
		fmt.Fprintln(os.Stderr, msg, kv)
	}
}

var _ log.Logger = quiet{}

// work runs a worker until the end of the test.
func work(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

// names has the number of each test: with -count, a test runs twice on one server.
var names struct {
	mu sync.Mutex
	of map[*testing.T]int
}

// name makes a name of a session or a queue from the name of the test.
func name(t *testing.T) string {
	t.Helper()
	names.mu.Lock()
	defer names.mu.Unlock()
	if names.of == nil {
		names.of = map[*testing.T]int{}
	}
	if names.of[t] == 0 {
		names.of[t] = len(names.of) + 1
	}
	return fmt.Sprintf("%s-%d", strings.NewReplacer("/", "-", " ", "_").Replace(t.Name()), names.of[t])
}
