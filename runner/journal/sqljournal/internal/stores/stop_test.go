//go:build unix

package stores_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
)

func TestStopSQLite(t *testing.T) {
	t.Parallel()
	killable(t)
	stopAll(t, newCampaign(t, "sqlite", filepath.Join(t.TempDir(), "sessions.db")))
}

func TestStopPostgres(t *testing.T) {
	t.Parallel()
	killable(t)
	stopAll(t, newCampaign(t, "postgres", pgtest.Database(t)))
}

func halt(p *os.Process) { _ = p.Signal(syscall.SIGSTOP) }

// stopAll stops a process for longer than its lease behind each record of calls, and
// within each function of a tool. Another process brings the session to its end. The
// first one calls no function when it wakes up; what lies inside its function comes
// late, and is kept out by the number of the attempt.
func stopAll(t *testing.T, c *campaign) {
	t.Helper()
	c.points = map[string]bool{}
	c.rehearse(t)
	var points []string
	for p := range c.points {
		if strings.HasPrefix(p, "after append tool_call_started") || strings.HasPrefix(p, "before effect") {
			points = append(points, p)
		}
	}
	slices.Sort(points)
	require.NotEmpty(t, points)
	var group errgroup.Group
	group.SetLimit(workers)
	late := make([]int, len(points))
	for i, point := range points {
		group.Go(func() (err error) {
			err = errLease // of a process that was too slow, and so not stopped where it was to be
			for n := 0; errors.Is(err, errLease) && n < 20; n++ {
				late[i], err = c.stopped(t, point, fmt.Sprintf("stopped %d %d", i, n))
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	sum := 0
	for _, n := range late {
		sum += n
	}
	require.Positive(t, sum, "no effect came late: the test has stopped nobody inside a function")
	fmt.Printf("stops: %d, effects kept out: %d (%s)\n", len(points), sum, c.order.Store)
}

// stopped stops a process behind a point, and returns how many effects came late.
func (c *campaign) stopped(t *testing.T, point, session string) (late int, err error) {
	o := c.order
	o.Session, o.Decide = session, true
	world := newLedger()
	first := &life{ledger: world, stop: &stop{point: point, halt: halt, reached: make(chan struct{})}}
	done := make(chan error, 1)
	go func() { _, err := first.live(t.Context(), o); done <- err }()
	select {
	case <-first.stop.reached:
	case err := <-done:
		return 0, fmt.Errorf("%s: it was not stopped: %w", point, err)
	}
	text, err := (&life{ledger: world}).live(t.Context(), o)
	before := len(first.points)
	if cerr := first.cmd.Process.Signal(syscall.SIGCONT); cerr != nil {
		return 0, cerr
	}
	ended := <-done
	switch {
	case err != nil && o.Store == "sqlite" && len(world.doubled) == 0:
		return 0, fmt.Errorf("%s: it was stopped while it had the file, and the other process waited: %w: %w", point, errLease, err)
	case err != nil:
		return 0, fmt.Errorf("%s: the other process: %w", point, err)
	case ended == nil:
		return 0, fmt.Errorf("%s: the session is another's, and it went on", point)
	}
	for _, p := range first.points[before:] {
		if strings.HasPrefix(p, "before effect") && strings.HasPrefix(point, "after append") { // else it was in it
			return 0, fmt.Errorf("%s: %s when it woke up", point, p)
		}
	}
	world.close()
	if faults := world.faults(); faults != "" {
		return 0, fmt.Errorf("%s: %s", point, faults)
	}
	if text != c.quiet {
		return 0, fmt.Errorf("%s: it came to this:\n%s\nnot to this:\n%s", point, text, c.quiet)
	}
	return world.late, nil
}
