package sqljournal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

// TestMaxBytes: a session that holds more than is opened has an error of its own, and
// is not taken.
func TestMaxBytes(t *testing.T) {
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		j, other := process(), process()
		keep(t, j, "order-42", 5)
		log := open(t, j, "order-42")
		require.NoError(t, log.Append(t.Context(), true, notes(6, 1)...))
		require.NoError(t, log.Close())
		size := number(t, j, `SELECT SUM(octet_length(body)) FROM toolloop_events`)
		j.MaxBytes = size - 1
		_, err := j.Open(t.Context(), "order-42")
		require.Equal(t, &journal.SizeError{Session: "order-42", Bytes: size, Max: size - 1}, err)
		holds(t, other, "order-42", notes(1, 6))
		for _, limit := range []int64{size, -1} {
			j.MaxBytes = limit
			holds(t, j, "order-42", notes(1, 6))
		}

		execute(t, j.DB, `UPDATE toolloop_sessions SET bytes = 967835648`) // as if
		_, err = other.Open(t.Context(), "order-42")
		require.Equal(t, &journal.SizeError{Session: "order-42", Bytes: 923 << 20, Max: 512 << 20}, err)
	})
}
