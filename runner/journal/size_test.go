package journal_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// TestMaxBytes: a session that holds more than is opened has an error of its own, is
// left as it is, and is opened with a higher limit. A log that is open goes beyond it.
func TestMaxBytes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, journal.Dir{Path: dir, MaxBytes: 400}, "s")
	require.NoError(t, log.Append(t.Context(), true, scripted[:5]...))
	require.NoError(t, log.Append(t.Context(), true, scripted[5]))
	require.NoError(t, log.Close())
	paths, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	require.NoError(t, err)
	before, err := os.ReadFile(paths[0])
	require.NoError(t, err)

	_, err = journal.Dir{Path: dir, MaxBytes: 400}.Open(t.Context(), "s")
	require.Equal(t, &journal.SizeError{Session: "s", Bytes: int64(len(before)), Max: 400}, err)
	_, err = journal.Dir{Path: dir, MaxBytes: int64(len(before)) - 1}.Open(t.Context(), "s")
	require.IsType(t, new(journal.SizeError), err)
	after, err := os.ReadFile(paths[0])
	require.NoError(t, err)
	require.Equal(t, before, after)
	for _, limit := range []int64{int64(len(before)), -1, 0} {
		log := open(t, journal.Dir{Path: dir, MaxBytes: limit}, "s")
		require.Equal(t, 6, count(t, log))
		require.NoError(t, log.Close())
	}

	// The default. Nothing of such a file is read.
	require.NoError(t, os.Truncate(paths[0], 923<<20))
	_, err = journal.Dir{Path: dir}.Open(t.Context(), "s")
	require.EqualError(t, err, `journal: session "s" holds 967835648 bytes, and at most 536870912 are opened: raise MaxBytes, or go on in a new session`)
}
