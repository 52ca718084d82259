package main_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/inbox"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
)

// killVariable asks for more kills of the three processes.
const killVariable = "TOOLLOOP_KILLS"

// killsInCI are the kills without the variable, and killsAtMost those of one database.
const (
	killsInCI   = 6
	killsAtMost = 12
	processes   = 3
)

// A crew is three processes that work off one database, and are killed again and again.
type crew struct {
	program
	random *rand.Rand
	all    []*worker
	kills  int
}

// A worker is a process of the crew.
type worker struct {
	*exec.Cmd
	stderr bytes.Buffer
	ended  chan error
}

// testThreeKilled: three processes work off the requests of one database, and one after the
// other is killed and started again, while a person approves what waits. Nothing is doubled,
// lost or stuck.
func testThreeKilled(t *testing.T, bin string, want *desk.Data) {
	kills, most := 0, killsInCI
	if text := os.Getenv(killVariable); text != "" {
		var err error
		most, err = strconv.Atoi(text)
		require.NoError(t, err, killVariable)
	}
	databases := 0
	for ; kills < most; databases++ {
		c := &crew{program: program{bin, pgtest.Database(t)}, random: rand.New(rand.NewPCG(6, uint64(databases)))}
		c.work(t, min(killsAtMost, most-kills))
		require.Positive(t, c.kills, "the work was done before the first kill")
		kills += c.kills
		c.requireDone(t)
		require.Equal(t, want, c.export(t))
	}
	fmt.Printf("kills: %d, doubled: 0, lost: 0, stuck: 0 (orderdesk, %d processes, PostgreSQL, %d databases)\n", kills, processes, databases)
}

// work brings all requests to their end, with some kills.
func (c *crew) work(t *testing.T, kills int) {
	t.Helper()
	for range processes {
		c.all = append(c.all, c.hire(t))
	}
	defer func() {
		for _, w := range c.all {
			_ = w.Process.Kill()
			<-w.ended
		}
	}()
	c.all[0].until(t, func() bool { there, err := desk.Exists(t.Context(), c.db); return err == nil && there })
	q, err := inbox.Open(t.Context(), openDesk(t, c.db).Journal())
	require.NoError(t, err)
	for deadline := time.Now().Add(3 * time.Minute); ; {
		all, err := q.List(t.Context())
		require.NoError(t, err)
		done := len(all) > 0
		for _, r := range all {
			done = done && r.State == inbox.Done
			if r.State == inbox.Paused {
				c.do(t, "approve", strconv.FormatInt(r.ID, 10))
			}
		}
		if done {
			return
		}
		require.True(t, time.Now().Before(deadline), "stuck: %+v", all)
		<-time.After(time.Duration(c.random.IntN(400)) * time.Millisecond)
		if c.kills < kills {
			c.kill(t, c.random.IntN(processes))
		}
	}
}

func (c *crew) hire(t *testing.T) *worker {
	t.Helper()
	w := &worker{Cmd: c.command(t, "-pause", "100ms", "-workers", "2", "-watch"), ended: make(chan error, 1)}
	w.Stderr = &w.stderr
	require.NoError(t, w.Start())
	go func() { w.ended <- w.Wait() }()
	return w
}

// kill kills a process, and starts another in its place.
func (c *crew) kill(t *testing.T, i int) {
	t.Helper()
	w := c.all[i]
	require.NoError(t, w.Process.Kill(), "it ended by itself: %s", &w.stderr)
	<-w.ended
	require.Equal(t, -1, w.ProcessState.ExitCode(), "it ended by itself: %s", &w.stderr)
	c.kills++
	c.all[i] = c.hire(t)
}

// until waits for a condition while the process lives.
func (w *worker) until(t *testing.T, is func() bool) {
	t.Helper()
	for !is() {
		select {
		case <-w.ended:
			require.Fail(t, "it ended by itself", "%s", &w.stderr)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
