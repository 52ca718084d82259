package sqljournal_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

// openAgain opens a session as soon as nobody has it.
func openAgain(ctx context.Context, j journal.Journal, session string) (journal.Log, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		log, err := j.Open(ctx, session)
		if !isBusy(err) {
			return log, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// TestDeadWorker: a worker that dies holds its session up until its lease has run
// out. What it appended is kept.
func TestDeadWorker(t *testing.T) {
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		dead, next := process(), process()
		dead.Lease = 300 * time.Millisecond
		log := open(t, dead, "order-42")
		require.NoError(t, log.Append(t.Context(), true, notes(1, 2)...))
		sqljournal.Abandon(log, errDead)
		taken, err := openAgain(t.Context(), next, "order-42")
		require.NoError(t, err)
		require.Error(t, log.Append(t.Context(), true, notes(3, 1)...))
		require.NoError(t, log.Close()) // which gives nothing back that is another's
		_, err = dead.Open(t.Context(), "order-42")
		require.Equal(t, &journal.BusyError{Session: "order-42", Lease: 300 * time.Millisecond}, err)
		require.ErrorContains(t, err, "another run of it is going on, or its process died less than 300ms ago")
		require.NoError(t, taken.Append(t.Context(), true, notes(3, 1)...))
		require.NoError(t, taken.Close())
		holds(t, next, "order-42", notes(1, 3))
	})
}

// TestSlept: a worker that slept past its lease is told when it wakes, by the
// renewal; its context ends without an append.
func TestSlept(t *testing.T) {
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		slept, next := process(), process()
		slept.Lease = 500 * time.Millisecond
		log := open(t, slept, "order-42")
		defer log.Close()
		require.NoError(t, log.Append(t.Context(), true, notes(1, 2)...))
		require.NoError(t, lose(next, "order-42"))
		taken := open(t, next, "order-42")
		<-log.Context().Done()
		err := context.Cause(log.Context())
		require.EqualError(t, err, `journal: session "order-42": the lease is lost: another worker has taken the session, or may have`)
		require.Equal(t, err, log.Append(t.Context(), true, notes(3, 1)...))
		require.NoError(t, taken.Append(t.Context(), true, notes(3, 1)...))
		require.NoError(t, taken.Close())
	})
}

// TestRenewed: a session that is open stays taken for longer than its lease.
func TestRenewed(t *testing.T) {
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		j, other := process(), process()
		j.Lease = 3 * time.Second
		log := open(t, j, "order-42")
		require.NoError(t, log.Append(t.Context(), true, notes(1, 1)...)) // which prolongs it as well
		ctx, cancel := context.WithTimeout(t.Context(), j.Lease+j.Lease/2)
		defer cancel()
		_, err := openAgain(ctx, other, "order-42")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, log.Append(t.Context(), true, notes(2, 1)...))
		require.NoError(t, log.Close())
		require.Error(t, log.Context().Err())
	})
}

// TestUnreachable: who does not reach the database gives up before the lease ends
// there.
func TestUnreachable(t *testing.T) {
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		j := process()
		j.Lease = 300 * time.Millisecond
		log := open(t, j, "order-42")
		require.NoError(t, j.DB.Close())
		<-log.Context().Done()
		require.ErrorContains(t, context.Cause(log.Context()), `journal: session "order-42": the lease is lost`)
		err := log.Close()
		var e *journal.StoreError
		require.ErrorAs(t, err, &e)
		require.Equal(t, journal.StoreError{Session: "order-42", Err: e.Err}, *e)
	})
}

// TestManyWorkers: eight workers race for 200 sessions. Each session is held by
// one at a time, and has what each of them appended.
func TestManyWorkers(t *testing.T) {
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		const workers = 8
		sessions := contested()
		holders := make([]atomic.Int32, sessions)
		var group errgroup.Group
		for range workers {
			j := process()
			group.Go(func() error {
				left := map[int]bool{}
				for i := range sessions {
					left[i] = true
				}
				for len(left) > 0 {
					for i := range left { // in any order
						done, err := addOne(j, fmt.Sprint("session ", i), &holders[i])
						if err != nil {
							return err
						}
						if done {
							delete(left, i)
						}
					}
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
		j := process()
		for i := range sessions {
			log := open(t, j, fmt.Sprint("session ", i))
			events, err := readAll(log)
			require.NoError(t, err)
			require.Equal(t, notes(1, workers), events)
			require.NoError(t, log.Close())
		}
	})
}

// addOne appends an event to a session, if nobody has it open.
func addOne(j *sqljournal.Journal, session string, holders *atomic.Int32) (done bool, err error) {
	log, err := j.Open(context.Background(), session)
	if isBusy(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if n := holders.Add(1); n != 1 {
		return false, fmt.Errorf("%s is held by %d", session, n)
	}
	events, err := readAll(log)
	if err == nil {
		err = log.Append(context.Background(), true, notes(int64(len(events))+1, 1)...)
	}
	holders.Add(-1)
	if err != nil {
		_ = log.Close()
		return false, err
	}
	return true, log.Close()
}

// TestFenced: who lost the lease is refused, at the right position, too.
func TestFenced(t *testing.T) {
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		j, next := process(), process()
		log := open(t, j, "order-42")
		require.NoError(t, log.Append(t.Context(), true, notes(1, 2)...))
		require.NoError(t, lose(next, "order-42"))
		taken := open(t, next, "order-42")
		err := log.Append(t.Context(), true, notes(3, 1)...)
		require.EqualError(t, err, `journal: session "order-42": event 3: the lease is lost: another worker has taken the session, or may have`)
		require.Error(t, log.Context().Err())
		require.NoError(t, log.Close())
		require.NoError(t, taken.Close())
		holds(t, next, "order-42", notes(1, 2))
	})
}

// TestLockedOut: while another has the file of SQLite, no lease is renewed. Who
// waits for it gives up in time, and not when the wait is over.
func TestLockedOut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "desk.db")
	j, other := openSQLite(t, path), openSQLite(t, path)
	j.Lease = 600 * time.Millisecond
	log := open(t, j, "order-42")
	tx, err := other.DB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	began := time.Now()
	<-log.Context().Done()
	require.Less(t, time.Since(began), 10*time.Second)
	require.ErrorIs(t, context.Cause(log.Context()), sqljournal.ErrLost)
	require.NoError(t, tx.Rollback())
	require.NoError(t, log.Close())
}

// TestSlowRenewal: a lease that was renewed late is renewed again in time.
func TestSlowRenewal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "desk.db")
	synctest.Test(t, func(t *testing.T) {
		j, err := sqljournal.OpenSQLite(t.Context(), path)
		require.NoError(t, err)
		defer j.Close()
		j.Lease = 12 * time.Second // renewed after 4 s, given up after 9
		log, err := j.Open(t.Context(), "order-42")
		require.NoError(t, err)
		release := hold(t, j)
		time.Sleep(8900 * time.Millisecond) // synctest: exact in a bubble
		release()
		time.Sleep(time.Second)             // synctest: exact in a bubble
		release = hold(t, j)                // which was asked for after 4 s, and would be given up after 13
		time.Sleep(3500 * time.Millisecond) // synctest: exact in a bubble
		cause := context.Cause(log.Context())
		release()
		require.NoError(t, cause)
		require.NoError(t, log.Close())
	})
}
