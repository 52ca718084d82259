package sqljournal_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

// TestGate: there are as many let in as the pool has connections, in the order in
// which they came; who gives up waits no longer.
func TestGate(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "desk.db"))
	require.NoError(t, err)
	defer db.Close()
	synctest.Test(t, func(t *testing.T) {
		free := new(sqljournal.Gate)
		for range 100 {
			_, err := free.Enter(t.Context(), db)
			require.NoError(t, err)
		}
		db.SetMaxOpenConns(2)
		g := new(sqljournal.Gate)
		leave, err := g.Enter(t.Context(), db)
		require.NoError(t, err)
		_, err = g.Enter(t.Context(), db)
		require.NoError(t, err)

		var order []int
		for i := range 50 {
			go func() {
				leave, err := g.Enter(t.Context(), db)
				if err == nil {
					order = append(order, i)
					leave()
				}
			}()
			synctest.Wait()
		}
		require.Empty(t, order)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errDead)
		_, err = g.Enter(ctx, db)
		require.Equal(t, errDead, err)
		leave()
		synctest.Wait()
		require.Len(t, order, 50)
		for i, got := range order {
			require.Equal(t, i, got)
		}
	})
}
