package journal_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// cutSession is a directory with a session of three synced appends and one that is not
// synced, whose file is as long as size says.
func cutSession(t *testing.T, size func(whole int) int) (d journal.Dir, path string) {
	t.Helper()
	d = journal.Dir{Path: t.TempDir()}
	log := open(t, d, "s")
	for i := int64(0); i < 4; i++ {
		require.NoError(t, log.Append(t.Context(), i < 3, started(2*i+1), started(2*i+2)))
	}
	require.NoError(t, log.Close())
	path = onlyFile(t, d.Path)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, int64(size(len(data)))))
	return d, path
}

// TestLostEnd: a file is cut off anywhere. Where what is missing was on the disk, the
// session says so and stays as it is; what was not synced may be missing.
func TestLostEnd(t *testing.T) {
	t.Parallel()
	d, path := cutSession(t, func(n int) int { return n })
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	mark, err := os.ReadFile(path + ".synced")
	require.NoError(t, err)
	require.Regexp(t, `^[0-9]{20} [0-9a-f]{8}\n$`, string(mark))
	log := open(t, d, "s")
	require.Equal(t, 8, count(t, log))
	require.NoError(t, log.Close())
	told, lost := 0, 0
	for n := range whole {
		require.NoError(t, os.WriteFile(path, whole[:n], 0o600))
		log, err := d.Open(t.Context(), "s")
		if err == nil {
			require.GreaterOrEqual(t, count(t, log), 6, n)
			require.NoError(t, log.Close())
			lost++
			continue
		}
		require.IsType(t, new(journal.CorruptError), err, n)
		require.ErrorContains(t, err, "the file has lost its end", n)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(whole[:n]), string(after), n)
		told++
	}
	require.Equal(t, len(whole), told+lost)
	require.Greater(t, told, 2*lost)
}

// TestLostEndAccepted: who removes the second file goes on with what there is; who
// removes the first begins a new session; what is damaged in the second counts for
// nothing.
func TestLostEndAccepted(t *testing.T) {
	t.Parallel()
	half := func(n int) int { return n / 2 }
	for name, tt := range map[string]struct {
		do   func(path string) error
		want int
	}{
		"the second file is removed": {func(path string) error { return os.Remove(path + ".synced") }, 2},
		"the second file is empty":   {func(path string) error { return os.Truncate(path+".synced", 0) }, 2},
		"the second file is damaged": {func(path string) error {
			return os.WriteFile(path+".synced", []byte("00000000000000009999 00000000\n"), 0o600)
		}, 2},
		"the session is removed": {func(path string) error { return os.Remove(path) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, path := cutSession(t, half)
			_, err := d.Open(t.Context(), "s")
			require.IsType(t, new(journal.CorruptError), err)
			require.NoError(t, tt.do(path))
			log := open(t, d, "s")
			require.Equal(t, tt.want, count(t, log))
			next := int64(tt.want) + 1
			require.NoError(t, log.Append(t.Context(), true, started(next)))
			require.NoError(t, log.Close())
			log = open(t, d, "s")
			require.Equal(t, tt.want+1, count(t, log))
			require.NoError(t, log.Close())
		})
	}
}
