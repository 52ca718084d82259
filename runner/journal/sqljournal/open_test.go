package sqljournal_test

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

// TestOpenAtOnce: whoever opens a new file at the same time as others finds it
// ready. Each has a pool of its own, as processes have.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	for range 5 {
		path := filepath.Join(t.TempDir(), "desk.db")
		errs := make([]error, 12)
		var opening sync.WaitGroup
		for i := range errs {
			opening.Go(func() {
				j, err := sqljournal.OpenSQLite(t.Context(), path)
				if errs[i] = err; err == nil {
					errs[i] = j.Close()
				}
			})
		}
		opening.Wait()
		require.Equal(t, make([]error, 12), errs)
	}
}
