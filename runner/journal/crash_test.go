package journal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

const diskPath = "/state/journal"

var errOver = errors.New("the machine crashed")

// told is what a script was told about its appends.
type told struct {
	synced int   // events that are on the disk
	ends   []int // how many events there can be: what was there after each append, tried ones included
}

// script is three processes, one after the other, of ten appends each. It ends
// with the first error.
func script(d *journal.Disk, events []event.Event) (told, error) {
	k, n := told{ends: []int{0}}, 0
	for process := range 3 {
		log, err := journal.NewDir(diskPath, d).Open(context.Background(), "s")
		if err != nil {
			return k, fmt.Errorf("process %d: %w", process, err)
		}
		for i := range 10 {
			size, sync := 1+(i+process)%3, (i+process)%3 == 1 || i == 5
			k.ends = append(k.ends, n+size)
			if err := log.Append(context.Background(), sync, events[n:n+size]...); err != nil {
				return k, errors.Join(err, log.Close())
			}
			if n += size; sync {
				k.synced = n
			}
		}
		if err := log.Close(); err != nil {
			return k, err
		}
	}
	return k, nil
}

var scripted = func() []event.Event {
	events := make([]event.Event, 100)
	for i := range events {
		events[i] = started(int64(i) + 1)
	}
	return events
}()

// survives checks what the next process finds: all that was synced, and of the
// rest whole appends in order. Then it goes on, and crashes again.
func survives(d *journal.Disk, k told, whole bool) error {
	n, err := goesOn(d, whole)
	if err != nil {
		return err
	}
	if n < k.synced || !slices.Contains(k.ends, n) {
		return fmt.Errorf("%d events were left, %d are synced, appends end at %v", n, k.synced, k.ends)
	}
	again, err := goesOn(d.Crash(journal.Survival{}), whole)
	if err != nil {
		return fmt.Errorf("after the second crash: %w", err)
	}
	if again != n+2 {
		return fmt.Errorf("after the second crash %d events were left, %d are synced", again, n+2)
	}
	return nil
}

// goesOn opens the session, returns how many events there are, and appends two.
// With whole, it reads them.
func goesOn(d *journal.Disk, whole bool) (int, error) {
	ctx := context.Background()
	log, err := journal.NewDir(diskPath, d).Open(ctx, "s")
	if err != nil {
		return 0, err
	}
	defer log.Close()
	conflict, _ := errors.AsType[*journal.ConflictError](log.Append(ctx, false, started(0)))
	n := int(conflict.Want) - 1
	if whole {
		read := 0
		for e, err := range log.Events(ctx) {
			if err != nil {
				return 0, err
			}
			if e != scripted[read] {
				return 0, fmt.Errorf("event %d is %+v", read+1, e)
			}
			read++
		}
		if read != n {
			return 0, fmt.Errorf("%d events were read, %d are there", read, n)
		}
	}
	return n, log.Append(ctx, true, scripted[n:n+2]...)
}

// everyCrash lets the machine crash, in every way, and checks what is left. It
// returns how many ways there were. Of the bytes at which data can be cut, it
// takes every step-th, others for other seeds.
func everyCrash(d *journal.Disk, seed uint64, step int, k told) (ways int, err error) {
	random := rand.New(rand.NewPCG(seed, 1))
	try := func(s journal.Survival) {
		if err != nil {
			return
		}
		if err = survives(d.Crash(s), k, ways%16 == 0); err != nil {
			err = fmt.Errorf("names kept: %t, %d of %d bytes, size kept: %t, blocks: %t: %w", s.Names, s.Bytes, d.Unsynced(), s.Size, s.Blocks != nil, err)
		}
		ways++
	}
	for _, names := range []bool{true, false} {
		if !names && !d.Renamed() {
			continue // they are on the disk
		}
		for n := int(seed) % step; n <= d.Unsynced(); n += step {
			try(journal.Survival{Names: names, Bytes: n})
			try(journal.Survival{Names: names, Bytes: n, Size: true})
		}
		try(journal.Survival{Names: names})
		try(journal.Survival{Names: names, Bytes: d.Unsynced()})
		for range 20 {
			kept := random.Uint64()
			try(journal.Survival{Names: names, Blocks: func(b int) bool { return kept>>(b%64)&1 == 1 }})
		}
	}
	return ways, err
}

// crashes lets the machine crash after every operation of the script. It returns
// how many there were, in how many ways, and the first that did harm.
func crashes(disk func(op string) error) (points, ways int, err error) {
	for point := 0; ; point++ {
		d, ops := journal.NewDisk(), 0
		d.Before = func(op string) error {
			if ops++; ops > point {
				return errOver
			}
			return disk(op)
		}
		k, err := script(d, scripted)
		if err == nil {
			return point, ways, nil
		}
		if !errors.Is(err, errOver) {
			return point, ways, err
		}
		step := 7
		if raced { // there is one goroutine, and it takes ten times as long
			step = 61
		}
		n, err := everyCrash(d, uint64(point), step, k)
		ways += n
		if err != nil {
			return point, ways, fmt.Errorf("after operation %d: %w", point, err)
		}
	}
}

// TestCrash: whatever a crash of the machine leaves of what was not synced, what
// was acknowledged as synced is there, the rest is whole appends in order, and
// the session goes on.
func TestCrash(t *testing.T) {
	t.Parallel()
	points, ways, err := crashes(func(string) error { return nil })
	require.NoError(t, err)
	require.Greater(t, points, 45)
	t.Logf("crashes: %d, points: %d of %d, lost: 0, stuck: 0", ways, points, points)
}

// TestCrashBites: on disks that do not sync, the same test finds the loss. Where the
// session's second file survives, who opens the session finds it.
func TestCrashBites(t *testing.T) {
	t.Parallel()
	for ignored, want := range map[string]string{"sync": "the file has lost its end", "syncDir": "events were left"} {
		_, _, err := crashes(func(op string) error {
			if op == ignored {
				return journal.ErrIgnored
			}
			return nil
		})
		require.ErrorContains(t, err, want, ignored)
	}
}

// scriptOn is the script with a disk that fails once. A process goes on with a
// log that goes on, and else the next one does.
func scriptOn(t *testing.T, d *journal.Disk) told {
	t.Helper()
	k, n := told{ends: []int{0}}, 0
	for range 4 {
		log, err := journal.NewDir(diskPath, d).Open(t.Context(), "s")
		if err != nil {
			requireStoreError(t, err, 0)
			continue
		}
		conflict, _ := errors.AsType[*journal.ConflictError](log.Append(t.Context(), false, started(0)))
		require.GreaterOrEqual(t, conflict.Want, int64(n)+1, "what was acknowledged is there as long as the machine runs")
		n = int(conflict.Want) - 1
		for i := range 10 {
			size, sync := 1+i%3, i%3 == 1
			k.ends = append(k.ends, n+size)
			if err := log.Append(t.Context(), sync, scripted[n:n+size]...); err != nil {
				requireStoreError(t, err, int64(n)+1)
				if err := context.Cause(log.Context()); err != nil {
					requireStoreError(t, err, int64(n)+1)
					require.Equal(t, err, log.Append(t.Context(), sync, scripted[n:n+size]...), "the log is over")
					break
				}
				require.Equal(t, n, count(t, log), "nothing of it was added")
				require.NoError(t, log.Append(t.Context(), sync, scripted[n:n+size]...))
			}
			if n += size; sync {
				k.synced = n
			}
		}
		require.NoError(t, log.Close())
	}
	return k
}

func requireStoreError(t *testing.T, err error, seq int64) {
	t.Helper()
	e, ok := errors.AsType[*journal.StoreError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, journal.StoreError{Session: "s", Seq: seq, Err: e.Err}, *e)
}

func count(t *testing.T, log journal.Log) int {
	t.Helper()
	return len(read(t, log))
}

// TestFailingDisk: a write, a truncation or a sync fails, once, wherever it is.
// The error names the session and the position, and nothing that was
// acknowledged is lost, not even by a crash after all of it.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
		ops  []string // which fail: the n-th of the first, and then the second until it has
	}{
		{"full", journal.ErrShort, []string{"write"}},
		{"full, and cannot be repaired", journal.ErrShort, []string{"write", "truncate"}},
		{"full, and the repair is not synced", journal.ErrShort, []string{"write", "sync"}},
		{"does not sync", journal.ErrSync, []string{"sync"}},
		{"does not sync, and cannot be repaired", journal.ErrSync, []string{"sync", "truncate"}},
		{"does not sync directories", journal.ErrSync, []string{"syncDir"}},
		{"read-only", errReadOnly, []string{"create"}},
		{"read-only above", errReadOnly, []string{"mkdir"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for nth := 1; ; nth++ {
				d, seen, next := journal.NewDisk(), 0, 0
				d.Before = func(op string) error {
					if next == len(tt.ops) || op != tt.ops[next] {
						return nil
					}
					if next == 0 {
						if seen++; seen < nth {
							return nil
						}
					}
					next++
					if op != tt.ops[0] {
						return journal.ErrSync
					}
					return tt.err
				}
				k := scriptOn(t, d)
				if next == 0 {
					require.Greater(t, nth, 1)
					return
				}
				d.Before = nil
				_, err := everyCrash(d, uint64(nth), 97, k)
				require.NoError(t, err, "the %d.", nth)
			}
		})
	}
}

// TestFailedSync: what was not acknowledged since a sync failed is taken back
// where that can be.
func TestFailedSync(t *testing.T) {
	t.Parallel()
	d := journal.NewDisk()
	dir := journal.NewDir(diskPath, d)
	log := open(t, dir, "s")
	require.NoError(t, log.Append(t.Context(), true, scripted[:2]...))
	d.Before = func(op string) error {
		if op == "sync" {
			return journal.ErrSync
		}
		return nil
	}
	require.EqualError(t, log.Append(t.Context(), true, scripted[2]), `journal: session "s": event 3: input/output error`)
	require.EqualError(t, context.Cause(log.Context()), `journal: session "s": event 3: the log is over: input/output error`)
	require.NoError(t, log.Close())
	d.Before = nil
	require.Len(t, read(t, open(t, dir, "s")), 2)
}

var errReadOnly = errors.New("read-only file system")

// TestFlippedBit: whichever bit of a file flips, the session is not opened, the
// error says where, and the file stays as it is.
func TestFlippedBit(t *testing.T) {
	t.Parallel()
	d := journal.NewDisk()
	dir := journal.NewDir(diskPath, d)
	log := open(t, dir, "s")
	require.NoError(t, log.Append(t.Context(), true, scripted[:2]...))
	require.NoError(t, log.Append(t.Context(), false, scripted[2]))
	require.NoError(t, log.Append(t.Context(), true, scripted[3:6]...))
	require.NoError(t, log.Close())
	path := journal.FileOf(diskPath, "s")
	line, seq := 1, int64(1)
	for bit := range len(d.Bytes(path)) * 8 {
		good := d.Bytes(path)
		d.Flip(path, bit)
		bad := d.Bytes(path)
		_, err := dir.Open(t.Context(), "s")
		corrupt, ok := errors.AsType[*journal.CorruptError](err)
		require.True(t, ok, "bit %d: %v in %s", bit, err, bad)
		require.Equal(t, &journal.CorruptError{Session: "s", Seq: seq, Place: fmt.Sprintf("%s, line %d", path, line), Reason: corrupt.Reason}, corrupt)
		require.Equal(t, bad, d.Bytes(path))
		d.Flip(path, bit)
		if bit%8 == 7 && good[bit/8] == '\n' {
			seq, line = int64(line), line+1
		}
	}
	require.Len(t, read(t, open(t, dir, "s")), 6)
}

// TestZeroedBlock: zeros in a synced part of the file are not an interrupted write.
func TestZeroedBlock(t *testing.T) {
	t.Parallel()
	d := journal.NewDisk()
	k, err := script(d, scripted)
	require.NoError(t, err)
	path := journal.FileOf(diskPath, "s")
	good := d.Bytes(path)
	for at := 0; at < len(good)/2; at += 29 {
		for i := range 64 {
			for bit := range 8 {
				if good[at+i]>>bit&1 == 1 {
					d.Flip(path, (at+i)*8+bit)
				}
			}
		}
		_, err := journal.NewDir(diskPath, d).Open(t.Context(), "s")
		_, ok := errors.AsType[*journal.CorruptError](err)
		require.True(t, ok, "%v", err)
		d.Restore(path, good)
	}
	require.NoError(t, survives(d, k, true))
}
