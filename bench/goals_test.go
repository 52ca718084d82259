package main

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/tied"
)

const servesEnv = "BENCH_TEST_SERVES"

// TestMain is the server of TestGoals in a process of its own, whose allocations do not count.
func TestMain(m *testing.M) {
	if os.Getenv(servesEnv) == "" {
		os.Exit(m.Run())
	}
	if err := (options{serving: true}).run(context.Background()); err != nil {
		os.Exit(1)
	}
}

// TestGoals holds toolloop's allocations and bytes as ratios to the floor: the goals, or
// where a goal is missed a bound a little above the figure in docs/decisions/speed.md. It is
// not parallel, because the counts are of the whole process.
func TestGoals(t *testing.T) {
	if raced {
		t.Skip("the race detector makes allocations of its own")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	tied.Tie(cmd)
	cmd.Env = append(os.Environ(), servesEnv+"=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	address, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	address = strings.TrimSpace(address)
	_, _, err = net.SplitHostPort(address)
	require.NoError(t, err)

	for name, most := range map[string]struct {
		runs          int
		allocs, bytes float64
	}{
		"W1":  {200, 0.75, 0.95},
		"W2":  {5, 0.75, 0.25},
		"W3":  {500, 0.75, 0.95},
		"W4s": {20, 0.05, 0.15},
		"W4l": {3, 0.35, 0.30},
		"W5":  {100, 1.90, 3.03},
	} {
		w, err := choose(workloads, name, func(w workload) string { return w.name })
		require.NoError(t, err)
		w[0].runs = most.runs
		base := measure(floor, w[0], address, time.Minute)
		ours := measure(toolloop, w[0], address, time.Minute)
		require.Empty(t, base.Wrong+ours.Wrong)
		allocs, bytes := ours.Allocs/base.Allocs, ours.Bytes/base.Bytes
		t.Logf("%s: %.3f of the floor's allocations, %.3f of its bytes", name, allocs, bytes)
		require.LessOrEqual(t, allocs, most.allocs, name)
		require.LessOrEqual(t, bytes, most.bytes, name)
	}
}
