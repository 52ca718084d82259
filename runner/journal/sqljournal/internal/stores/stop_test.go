//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package stores_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
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

// halt stops a process, and not while it has SQLite's file: then nobody could go on,
// which is SQLite's and not what is tested.
func halt(o order) func(*os.Process) {
	return func(p *os.Process) {
		for {
			_ = p.Signal(syscall.SIGSTOP)
			var status syscall.WaitStatus // the signal alone has stopped nobody yet
			for err := error(syscall.EINTR); errors.Is(err, syscall.EINTR); {
				_, err = syscall.Wait4(p.Pid, &status, syscall.WUNTRACED, nil)
			}
			if o.Store != "sqlite" || free(o.Place) {
				return
			}
			_ = p.Signal(syscall.SIGCONT)
			runtime.Gosched()
		}
	}
}

// free says whether the file of a database can be written to.
func free(path string) bool {
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(100)")
	if err != nil {
		return false
	}
	defer func() { _ = db.Close() }()
	tx, err := db.Begin()
	if err != nil {
		return false
	}
	return tx.Rollback() == nil
}

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
			err = errLease // of a process that was too slow, and so not stopped at its point, or not at all
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
	if o.Store == "sqlite" { // a file of its own: those who are stopped hold up no others
		o.Place = filepath.Join(t.TempDir(), "sessions.db")
	}
	world := newLedger(o)
	first := &life{ledger: world, stop: &stop{point: point, halt: halt(o), reached: make(chan struct{})}}
	done := make(chan error, 1)
	go func() { _, err := first.live(t.Context(), o); done <- err }()
	select {
	case <-first.stop.reached:
	case err := <-done:
		return 0, fmt.Errorf("%s: it was not stopped: %w: %w", point, errLease, err)
	}
	text, err := (&life{ledger: world}).live(t.Context(), o)
	before := len(first.points)
	if cerr := first.cmd.Process.Signal(syscall.SIGCONT); cerr != nil {
		return 0, cerr
	}
	ended := <-done
	switch {
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
