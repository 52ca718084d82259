package sqljournal_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

// hold keeps a journal from its file with a transaction that lasts until release
// is called. What is written meanwhile waits.
func hold(t *testing.T, j *sqljournal.Journal) (release func()) {
	t.Helper()
	entered, leave, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- sqljournal.Write(t.Context(), j, func(context.Context, sqljournal.Execer) error {
			close(entered)
			<-leave
			return nil
		})
	}()
	<-entered
	return func() {
		close(leave)
		require.NoError(t, <-done)
	}
}

// waiting waits until so many writes wait.
func waiting(t *testing.T, j *sqljournal.Journal, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return sqljournal.Waiting(j) == n }, 30*time.Second, time.Millisecond)
}

// commits counts the transactions in a file's log of writes: the frames that say
// how long the file is after them. https://www.sqlite.org/fileformat2.html#walformat
func commits(t *testing.T, path string) (n int) {
	t.Helper()
	wal, err := os.ReadFile(path + "-wal")
	require.NoError(t, err)
	page, salt := int(binary.BigEndian.Uint32(wal[8:])), string(wal[16:24])
	for rest := wal[32:]; len(rest) >= 24+page; rest = rest[24+page:] {
		if string(rest[8:16]) == salt && binary.BigEndian.Uint32(rest[4:]) != 0 {
			n++
		}
	}
	return n
}

// TestTogether: what sessions append while a transaction is going on is in the
// next one, and kept as if each had its own.
func TestTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "desk.db")
	j := openSQLite(t, path)
	logs := make([]journal.Log, 40)
	for i := range logs {
		logs[i] = open(t, j, fmt.Sprint("session ", i))
	}
	before := commits(t, path)
	release := hold(t, j)
	errs := make([]error, len(logs))
	var appending sync.WaitGroup
	for i, log := range logs {
		appending.Go(func() { errs[i] = log.Append(context.Background(), true, notes(1, 3)...) })
	}
	waiting(t, j, len(logs))
	release()
	appending.Wait()
	for i, log := range logs {
		require.NoError(t, errs[i])
		require.NoError(t, log.Append(t.Context(), true, notes(4, 1)...))
	}
	require.Equal(t, 1+len(logs), commits(t, path)-before, "all of them, and then one by one")
	for i, log := range logs {
		require.NoError(t, log.Close())
		holds(t, j, fmt.Sprint("session ", i), notes(1, 4))
	}
}

// TestApart: an append that fails takes nothing from those in its transaction,
// and leaves nothing there.
func TestApart(t *testing.T) {
	t.Parallel()
	j := openSQLite(t, filepath.Join(t.TempDir(), "desk.db"))
	names := []string{"one", "bad", "three"}
	logs, errs := make([]journal.Log, len(names)), make([]error, len(names))
	for i, name := range names {
		logs[i] = open(t, j, name)
		require.NoError(t, logs[i].Append(t.Context(), true, notes(1, 2)...))
	}
	execute(t, j.DB, `INSERT INTO toolloop_events (session, seq, body, sum) VALUES ('bad', 4, '', 0)`)
	release := hold(t, j)
	var appending sync.WaitGroup
	for i, log := range logs {
		appending.Go(func() { errs[i] = log.Append(context.Background(), true, notes(3, 2)...) })
		waiting(t, j, i+1)
	}
	release()
	appending.Wait()
	require.NoError(t, errs[0])
	require.ErrorContains(t, errs[1], `journal: session "bad": event 3: `)
	require.ErrorContains(t, errs[1], "UNIQUE constraint failed")
	require.NoError(t, errs[2])
	execute(t, j.DB, `DELETE FROM toolloop_events WHERE session = 'bad' AND seq = 4`)
	require.NoError(t, logs[1].Append(t.Context(), true, notes(3, 1)...))
	for i, n := range []int{4, 3, 4} {
		require.NoError(t, logs[i].Close())
		holds(t, j, names[i], notes(1, n))
	}
}

// TestLostTogether: where the transaction itself fails, all fail, and all can be
// made again.
func TestLostTogether(t *testing.T) {
	t.Parallel()
	j := openSQLite(t, filepath.Join(t.TempDir(), "desk.db"))
	logs, errs := make([]journal.Log, 5), make([]error, 5)
	for i := range logs {
		logs[i] = open(t, j, fmt.Sprint("session ", i))
	}
	release := hold(t, j)
	var appending sync.WaitGroup
	for i, log := range logs {
		appending.Go(func() { errs[i] = log.Append(context.Background(), true, notes(1, 1)...) })
		waiting(t, j, i+1)
	}
	last := make(chan error, 1)
	go func() {
		last <- sqljournal.Write(t.Context(), j, func(ctx context.Context, to sqljournal.Execer) error {
			_, err := to.ExecContext(ctx, `ROLLBACK`)
			return cmp.Or(err, errors.New("the transaction is over"))
		})
	}()
	waiting(t, j, len(logs)+1)
	release()
	appending.Wait()
	require.EqualError(t, <-last, "the transaction is over")
	for i, log := range logs {
		require.EqualError(t, errs[i], fmt.Sprintf(`journal: session "session %d": event 1: the transaction is over`, i))
		require.NoError(t, log.Append(t.Context(), true, notes(1, 1)...))
		require.NoError(t, log.Close())
		holds(t, j, fmt.Sprint("session ", i), notes(1, 1))
	}
}

// TestGivenUp: who waits no longer is not written, and takes nothing from others.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	j := openSQLite(t, filepath.Join(t.TempDir(), "desk.db"))
	log, other := open(t, j, "order-42"), open(t, j, "order-43")
	release := hold(t, j)
	ctx, cancel := context.WithCancelCause(t.Context())
	gone, stays := make(chan error, 1), make(chan error, 1)
	go func() { gone <- log.Append(ctx, true, notes(1, 1)...) }()
	waiting(t, j, 1)
	go func() { stays <- other.Append(context.Background(), true, notes(1, 1)...) }()
	waiting(t, j, 2)
	cancel(errDead)
	require.ErrorIs(t, <-gone, errDead)
	release()
	require.NoError(t, <-stays)
	require.NoError(t, log.Append(t.Context(), true, notes(1, 2)...))
	require.NoError(t, log.Close())
	require.NoError(t, other.Close())
	holds(t, j, "order-42", notes(1, 2))
	holds(t, j, "order-43", notes(1, 1))
}

// TestGivenUpWithin: in a transaction that is going on, who gives up ends nothing
// as long as there is one who does not.
func TestGivenUpWithin(t *testing.T) {
	t.Parallel()
	j := openSQLite(t, filepath.Join(t.TempDir(), "desk.db"))
	for _, all := range []bool{false, true} {
		release := hold(t, j)
		ctxs, cancels, errs := make([]context.Context, 2), make([]context.CancelFunc, 2), make([]error, 2)
		entered, goOn := make(chan context.Context), make(chan struct{})
		var writing sync.WaitGroup
		for i := range errs {
			ctxs[i], cancels[i] = context.WithCancel(t.Context())
			writing.Go(func() {
				errs[i] = sqljournal.Write(ctxs[i], j, func(ctx context.Context, to sqljournal.Execer) error {
					if i == 0 {
						entered <- ctx
						<-goOn
					}
					_, err := to.ExecContext(ctx, `INSERT INTO toolloop_sessions (name, seq, owner, expires) VALUES ($1, 1, '', 0)`, fmt.Sprint(all, i))
					return err
				})
			})
			waiting(t, j, i+1)
		}
		release()
		within := <-entered
		cancels[0]()
		if all {
			cancels[1]()
			<-within.Done()
		}
		require.Equal(t, all, within.Err() != nil)
		close(goOn)
		writing.Wait()
		var names []string
		for s, err := range j.List(t.Context(), journal.Filter{}) {
			require.NoError(t, err)
			names = append(names, s.Session)
		}
		require.Equal(t, []string{"false 0", "false 1"}, names)
		require.Equal(t, all, errs[0] != nil)
		require.Equal(t, all, errs[1] != nil)
		cancels[1]()
	}
}

// TestPanicWithin: where a driver panics in a transaction of several, and whoever
// leads it lives on, none of them is told that it was written.
func TestPanicWithin(t *testing.T) {
	t.Parallel()
	j := openSQLite(t, filepath.Join(t.TempDir(), "desk.db"))
	log := open(t, j, "order-42")
	release := hold(t, j)
	panicked, appended := make(chan any, 1), make(chan error, 1)
	go func() {
		defer func() { panicked <- recover() }()
		_ = sqljournal.Write(t.Context(), j, func(context.Context, sqljournal.Execer) error { return nil })
	}()
	waiting(t, j, 1)
	go func() { appended <- log.Append(context.Background(), true, notes(1, 1)...) }()
	waiting(t, j, 2)
	go func() {
		_ = sqljournal.Write(t.Context(), j, func(context.Context, sqljournal.Execer) error { panic("in the driver") })
	}()
	waiting(t, j, 3)
	release()
	require.Equal(t, "in the driver", <-panicked)
	require.EqualError(t, <-appended, `journal: session "order-42": event 1: sqljournal: the transaction was left`)
	require.NoError(t, log.Append(t.Context(), true, notes(1, 2)...))
	require.NoError(t, log.Close())
	holds(t, j, "order-42", notes(1, 2))
}

// TestGivenUpTogether: where all gave up, each is told why it did itself.
func TestGivenUpTogether(t *testing.T) {
	t.Parallel()
	j := openSQLite(t, filepath.Join(t.TempDir(), "desk.db"))
	release := hold(t, j)
	entered, goOn := make(chan context.Context), make(chan struct{})
	errs := make([]error, 3)
	whys, cancels := []error{errors.New("one"), errors.New("two"), errors.New("three")}, make([]context.CancelCauseFunc, 3)
	var writing sync.WaitGroup
	for i := range errs {
		var ctx context.Context
		ctx, cancels[i] = context.WithCancelCause(t.Context())
		writing.Go(func() {
			errs[i] = sqljournal.Write(ctx, j, func(ctx context.Context, to sqljournal.Execer) error {
				if i == 1 {
					entered <- ctx
					<-goOn
				}
				_, err := to.ExecContext(ctx, `DELETE FROM toolloop_sessions`)
				return err
			})
		})
		waiting(t, j, i+1)
	}
	release()
	within := <-entered
	for i, cancel := range cancels {
		cancel(whys[i])
	}
	<-within.Done()
	close(goOn)
	writing.Wait()
	require.Equal(t, whys, errs)
}
