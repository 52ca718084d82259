package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/internal/itself"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

func TestMain(m *testing.M) { itself.Main(m, main) }

func program(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	return itself.Command(t, append([]string{"-dir", dir, "-stream=false"}, args...)...)
}

// output runs the program to its end and returns stdout and stderr.
func output(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := program(t, dir, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// kill starts the program and kills it after some lines of output. It reports
// whether the program was still running.
func kill(t *testing.T, dir string, lines int, args ...string) bool {
	t.Helper()
	cmd := program(t, dir, args...)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	out := bufio.NewScanner(stdout)
	for range lines {
		if !out.Scan() {
			require.NoError(t, cmd.Wait())
			return false
		}
	}
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // the error says that the process was killed
	return true
}

// payments returns the receipts of the bank.
func payments(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "payments", "*.txt"))
	require.NoError(t, err)
	var all []string
	for _, file := range files {
		receipt, err := os.ReadFile(file)
		require.NoError(t, err)
		all = append(all, strings.TrimSpace(string(receipt)))
	}
	slices.Sort(all)
	return all
}

var (
	small = []string{
		"Paid 120.00 euros to Miller Paper for order P101.",
		"Paid 89.90 euros to Ines Cole for order P103.",
	}
	large = "Paid 2400.00 euros to Holt Furniture for order P102."
)

func TestBackoffice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.Contains(t, output(t, dir, "list"), "1  new          Please pay Miller Paper")
	out := output(t, dir)
	require.Contains(t, out, `request 2 waits for approval: pay_order {"order":"P102","cents":240000}`)
	require.Contains(t, out, "there is no purchase order P109")
	require.Equal(t, small, payments(t, dir))

	output(t, dir, "approve", "2")
	require.Contains(t, output(t, dir, "deny", "5", "the", "print", "is", "pale"), "The call was denied: the print is pale.")
	require.Equal(t, []string{small[0], large, small[1]}, payments(t, dir))
	require.Equal(t, 5, strings.Count(output(t, dir, "list"), "  done  "))
	out = output(t, dir)
	require.Equal(t, 5, strings.Count(out, " is done\n"))
	require.NotContains(t, out, "[", "no calls")

	refused, err := program(t, dir, "approve", "2").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(refused), ": request 2 does not wait for a decision\n")
}

// TestKilled kills the program after each of the first lines of output, which are
// those of request 1, and after some later lines. The next start continues, and no
// payment is missing or doubled.
func TestKilled(t *testing.T) {
	t.Parallel()
	for lines, running := 0, true; running; lines++ {
		if lines > 12 {
			lines += 5
		}
		dir := t.TempDir()
		running = kill(t, dir, lines)
		output(t, dir)
		require.Equal(t, small, payments(t, dir), "killed after %d lines", lines)
		if lines < 4 {
			kill(t, dir, lines, "approve", "2")
			output(t, dir)
			if strings.Contains(output(t, dir, "list"), "2  waiting") { // killed before the decision was recorded
				output(t, dir, "approve", "2")
			}
			require.Contains(t, payments(t, dir), large)
			require.Len(t, payments(t, dir), 3)
		}
	}
}

// TestEveryCrash kills the clerk of request 1 in this process, at every point: before and
// after each event, and while another process takes over.
func TestEveryCrash(t *testing.T) {
	t.Parallel()
	steps := []llmtest.Step{llmtest.Calls("get_order", orderArgs{"P101"}), llmtest.Calls("pay_order", payArgs{"P101", 120_00}), llmtest.Text("Paid.")}
	runnertest.EveryCrash(t, steps, func(t *testing.T, w *runnertest.World) runnertest.Life {
		dir := t.TempDir()
		return func(ctx context.Context, r runner.Runner) error {
			_, err := r.Session("request-1").Run(ctx, clerk(nil, bank{filepath.Join(dir, "payments")}), runner.Once("begin", llm.User(requests[1])))
			if err == nil {
				require.Equal(t, small[:1], payments(t, dir))
			}
			return err
		}
	})
}

// TestKilledAfterPayment removes from a session all events after the start of the
// payment, as if the process had died between the payment and the record of its
// end. The next start calls pay_order again with the same key.
func TestKilledAfterPayment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	output(t, dir)
	sessions := journal.Dir{Path: filepath.Join(dir, "sessions")}
	log, err := sessions.Open(t.Context(), "request-1")
	require.NoError(t, err)
	var kept []event.Event
	for e, err := range log.Events(t.Context()) {
		require.NoError(t, err)
		kept = append(kept, e)
		if b, ok := e.Body.(event.ToolCallStarted); ok && b.Name == "pay_order" {
			break
		}
	}
	require.NoError(t, log.Close())
	files, err := filepath.Glob(filepath.Join(sessions.Path, "request_1-*"))
	require.NoError(t, err)
	for _, file := range files {
		require.NoError(t, os.Remove(file))
	}
	log, err = sessions.Open(t.Context(), "request-1")
	require.NoError(t, err)
	require.NoError(t, log.Append(t.Context(), true, kept...))
	require.NoError(t, log.Close())

	out := output(t, dir)
	require.Contains(t, out, "was interrupted; decided by idempotent: run_again")
	require.Contains(t, output(t, dir, "list"), "1  done")
	require.Equal(t, small, payments(t, dir))
}
