package desk_test

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
)

// TestOpenAtOnce: processes that open a new file at the same time find it ready.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	for range 10 {
		path := filepath.Join(t.TempDir(), "desk.db")
		errs := make([]error, 4)
		var opening sync.WaitGroup
		for i := range errs {
			opening.Go(func() {
				d, err := desk.Open(t.Context(), path)
				if errs[i] = err; err == nil {
					errs[i] = d.Close()
				}
			})
		}
		opening.Wait()
		require.Equal(t, make([]error, 4), errs)
	}
}

// TestExists: Exists creates no desk.
func TestExists(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a desk.db")
	for _, where := range []string{path, "file:" + path, pgtest.Database(t)} {
		there, err := desk.Exists(t.Context(), where)
		require.NoError(t, err)
		require.False(t, there, where)
	}
	require.NoFileExists(t, path)
	for _, where := range []string{path, pgtest.Database(t)} {
		d, err := desk.Open(t.Context(), where)
		require.NoError(t, err)
		require.NoError(t, d.Close())
		there, err := desk.Exists(t.Context(), where)
		require.NoError(t, err)
		require.True(t, there, where)
	}
}
