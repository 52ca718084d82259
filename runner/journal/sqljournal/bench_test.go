package sqljournal_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
)

// BenchmarkAppend appends events, one or ten at a time, to disks that are synced.
func BenchmarkAppend(b *testing.B) {
	for _, s := range []struct {
		name string
		open func() *sqljournal.Journal
	}{
		{"SQLite", func() *sqljournal.Journal { return openSQLite(b, filepath.Join(b.TempDir(), "desk.db")) }},
		{"PostgreSQL", func() *sqljournal.Journal { return openPostgres(b, pgtest.Start(b).URL("postgres")) }},
	} {
		b.Run(s.name, func(b *testing.B) {
			j := s.open()
			for _, n := range []int{1, 10} {
				b.Run(fmt.Sprint(n), func(b *testing.B) {
					log := open(b, j, fmt.Sprint(b.Name(), b.N))
					next := int64(1)
					for b.Loop() {
						require.NoError(b, log.Append(context.Background(), true, notes(next, n)...))
						next += int64(n)
					}
					b.ReportMetric(float64(next-1)/b.Elapsed().Seconds(), "events/s")
					require.NoError(b, log.Close())
				})
			}
		})
	}
}

// BenchmarkSessions appends an event to each of 64 sessions at once.
func BenchmarkSessions(b *testing.B) {
	const sessions = 64
	j := openSQLite(b, filepath.Join(b.TempDir(), "desk.db"))
	logs := make([]journal.Log, sessions)
	for i := range logs {
		logs[i] = open(b, j, fmt.Sprint("session ", i))
	}
	n := 0
	for b.Loop() {
		n++
		var appending errgroup.Group
		for _, log := range logs {
			appending.Go(func() error { return log.Append(context.Background(), true, notes(int64(n), 1)...) })
		}
		require.NoError(b, appending.Wait())
	}
	b.ReportMetric(float64(n*sessions)/b.Elapsed().Seconds(), "events/s")
	for _, log := range logs {
		require.NoError(b, log.Close())
	}
}
