package inbox_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/inbox"
)

// TestElsewhere: workers wait for a request of another process. Reports count it,
// and name it only when that process proves to be alive.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		lease time.Duration
		held  []int64
	}{{30 * time.Second, nil}, {2 * time.Second, []int64{1}}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.add(t, "look", "look")
			f.workers.Count = 1
			f.journal.Lease = tt.lease
			log, err := f.journal.Open(t.Context(), "request-1")
			require.NoError(t, err)
			f.exec(t, `UPDATE toolloop_jobs SET state = 'running' WHERE id = 1`)
			began := time.Now()
			time.AfterFunc(3500*time.Millisecond, func() { _ = log.Close() })
			require.NoError(t, f.workers.Run(t.Context()))
			require.Equal(t, 4*time.Second, time.Since(began), "it is looked at every second")
			require.Equal(t, []string{"1 done: done", "2 done: done"}, f.stands(t))
			var held []int64
			others := map[inbox.Others]bool{}
			for _, r := range f.reports {
				if r.Elsewhere {
					held = append(held, r.Request.ID)
				}
				if r.Event.Body == nil {
					others[r.Others] = true
				}
			}
			require.Equal(t, tt.held, held)
			require.Equal(t, map[inbox.Others]bool{{Count: 1}: true, {}: true}, others)
			require.NoError(t, f.journal.Close())
		})
	}
}

// TestOthersDied: reports have the time until the request of a dead process is free.
func TestOthersDied(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		left int64 // milliseconds of a lease of an hour
		dead bool
	}{{3_590_000, false}, {1_000_000, true}} {
		f := newFixture(t)
		f.add(t, "look")
		f.journal.Lease = time.Hour
		f.exec(t, `UPDATE toolloop_jobs SET state = 'running'`)
		f.exec(t, fmt.Sprintf(`INSERT INTO toolloop_sessions (name, seq, owner, expires) VALUES ('request-1', 0, 'other', CAST(unixepoch('subsec') * 1000 AS INTEGER) + %d)`, tt.left))
		var once sync.Once
		f.workers.Report = func(r inbox.Report) {
			once.Do(func() {
				f.report(r)
				f.exec(t, `UPDATE toolloop_sessions SET owner = ''`) // frees the request at once
			})
		}
		require.NoError(t, f.workers.Run(t.Context()))
		require.Equal(t, []string{"1 done: done"}, f.stands(t))
		told := f.reports[0].Others
		require.Equal(t, 1, told.Count)
		if !tt.dead {
			require.Zero(t, told.Free)
			continue
		}
		require.LessOrEqual(t, told.Free, time.Duration(tt.left)*time.Millisecond)
		require.Greater(t, told.Free, time.Duration(tt.left)*time.Millisecond-time.Minute)
	}
}
