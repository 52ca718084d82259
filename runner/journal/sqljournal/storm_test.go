package sqljournal_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// TestFullTogether: a disk that is full for one of those who write together leaves
// of each what it was told.
func TestFullTogether(t *testing.T) {
	t.Parallel()
	j := openSQLite(t, filepath.Join(t.TempDir(), "desk.db"))
	logs, errs := make([]journal.Log, 5), make([]error, 5)
	for i := range logs {
		logs[i] = open(t, j, fmt.Sprint("session ", i))
	}
	var pages int
	require.NoError(t, j.DB.QueryRowContext(t.Context(), `PRAGMA page_count`).Scan(&pages))
	execute(t, j.DB, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+20))
	big := []event.Event{{Seq: 1, Body: event.UserMessaged{Message: llm.User(strings.Repeat("x", 1<<20))}}}
	release := hold(t, j)
	var appending sync.WaitGroup
	for i, log := range logs {
		events := notes(1, 2)
		if i == 2 {
			events = big
		}
		appending.Go(func() { errs[i] = log.Append(context.Background(), true, events...) })
		waiting(t, j, i+1)
	}
	release()
	appending.Wait()
	require.ErrorContains(t, errs[2], "full")
	for i, log := range logs {
		if errs[i] != nil {
			require.NoError(t, log.Context().Err())
			require.NoError(t, log.Append(t.Context(), true, notes(1, 2)...))
		}
		require.NoError(t, log.Close())
		holds(t, j, fmt.Sprint("session ", i), notes(1, 2))
	}
}

// TestStorm: of many who append and give up at any moment, each has exactly what
// it was told.
func TestStorm(t *testing.T) {
	t.Parallel()
	const sessions = 24
	j := openSQLite(t, filepath.Join(t.TempDir(), "desk.db"))
	var made, gaveUp [sessions]int
	var storm sync.WaitGroup
	for i := range sessions {
		log, random := open(t, j, fmt.Sprint("session ", i)), rand.New(rand.NewPCG(7, uint64(i)))
		storm.Go(func() {
			for range 100 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.IntN(6000))*time.Microsecond)
				n := 1 + random.IntN(3)
				if err := log.Append(ctx, true, notes(int64(made[i]+1), n)...); err == nil {
					made[i] += n
				} else {
					gaveUp[i]++
				}
				cancel()
			}
			if err := log.Append(context.Background(), true, notes(int64(made[i]+1), 1)...); err == nil {
				made[i]++
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	storm.Wait()
	for i := range sessions {
		require.Positive(t, made[i])
		holds(t, j, fmt.Sprint("session ", i), notes(1, made[i]))
	}
	require.NotEqual(t, [sessions]int{}, gaveUp)
}
