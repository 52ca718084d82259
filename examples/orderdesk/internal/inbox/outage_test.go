package inbox_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/inbox"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// TestOutage: an unreachable provider fails a few requests, but not the whole queue.
func TestOutage(t *testing.T) {
	t.Parallel()
	down := &llm.APIError{Kind: llm.KindNetwork, Err: errors.New("connection refused")}
	for _, tt := range []struct {
		name    string
		workers int
		err     error
		failed  int
	}{
		{"one worker", 1, down, 3},
		{"five", 5, down, 5},
		{"the requests", 1, &llm.APIError{Kind: llm.KindContentFilter}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.add(t, slices.Repeat([]string{"fail"}, 20)...)
			f.workers.Count, f.failure = tt.workers, tt.err
			err := f.workers.Run(t.Context())
			totals, told := f.Totals(t.Context())
			require.NoError(t, told)
			if tt.failed == 0 {
				require.NoError(t, err)
				require.Equal(t, inbox.Totals{Failed: 20}, totals)
				return
			}
			outage, is := errors.AsType[*inbox.OutageError](err)
			require.True(t, is, err)
			require.Equal(t, tt.failed, outage.Failed)
			require.ErrorIs(t, err, down)
			require.Zero(t, totals.Running)
			require.Less(t, totals.Failed, 2*tt.failed) // including the requests that failed at the same moment

			f.broken = false
			for _, r := range f.in(t, inbox.Failed) {
				require.NoError(t, f.Retry(t.Context(), r))
			}
			require.NoError(t, f.workers.Run(t.Context()))
			require.Len(t, f.in(t, inbox.Done), 20)
			f.requireSaidOnce(t)
		})
	}
}

// in returns the requests in a state.
func (f *fixture) in(t *testing.T, state inbox.State) (ids []int64) {
	t.Helper()
	all, err := f.List(t.Context())
	require.NoError(t, err)
	for _, r := range all {
		if r.State == state {
			ids = append(ids, r.ID)
		}
	}
	return ids
}
