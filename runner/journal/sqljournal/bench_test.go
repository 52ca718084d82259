package sqljournal_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

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
