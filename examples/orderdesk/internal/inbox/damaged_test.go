package inbox_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/inbox"
)

// TestDamaged: an unreadable journal does not affect other requests, and its request
// can be retried after a repair.
func TestDamaged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(t, "pay", "look")
	require.NoError(t, f.workers.Run(t.Context()))
	_, err := f.Decide(t.Context(), 1, inbox.Decision{Approved: true})
	require.NoError(t, err)
	f.add(t, "look")
	f.exec(t, `UPDATE toolloop_events SET body = '{' || body WHERE session = 'request-1' AND seq = 2`)
	require.NoError(t, f.workers.Run(t.Context()))
	all, err := f.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"failed", "done", "done"}, f.states(t))
	require.Contains(t, all[0].Note, `journal: session "request-1": event 2 is damaged: table toolloop_events, seq 2: `)
	events, err := f.Events(t.Context(), all[0])
	require.Error(t, err)
	require.Contains(t, all[0].Note, err.Error())
	require.Len(t, events, 1, "what can be read")

	require.NoError(t, f.Retry(t.Context(), 1))
	require.NoError(t, f.workers.Run(t.Context()))
	require.Equal(t, "failed", f.states(t)[0])
	f.exec(t, `UPDATE toolloop_events SET body = substr(body, 2) WHERE session = 'request-1' AND seq = 2`)
	require.NoError(t, f.Retry(t.Context(), 1))
	require.NoError(t, f.workers.Run(t.Context()))
	require.Equal(t, []string{"done", "done", "done"}, f.states(t))
	require.Len(t, f.effects, 3)
}

// TestDamages: with any damage of a journal, its request fails once, and the workers
// go on without repeating it.
func TestDamages(t *testing.T) {
	t.Parallel()
	const of = ` toolloop_events WHERE session = 'request-1'`
	const last = `DELETE FROM` + of + ` AND seq = (SELECT MAX(seq) FROM` + of + `)`
	const unreadable = `UPDATE toolloop_events SET body = '{' || body WHERE session = 'request-1' AND seq = 2`
	for name, tt := range map[string]struct {
		damage []string
		note   string
	}{
		"what is not JSON":              {[]string{unreadable}, `event 2 is damaged`},
		"what is other JSON":            {[]string{`UPDATE toolloop_events SET sum = sum + 1 WHERE session = 'request-1' AND seq = 2`}, `event 2 is damaged: table toolloop_events, seq 2: the checksum does not match`},
		"an event is lost":              {[]string{`DELETE FROM` + of + ` AND seq = 2`}, `event 2 is damaged: table toolloop_events, seq 2: it is missing`},
		"the last is lost":              {[]string{last}, `event 6 is damaged: table toolloop_events, seq 6: it is missing`},
		"the last is lost, and no JSON": {[]string{last, unreadable}, `event 6 is damaged: table toolloop_events, seq 6: it is missing`},
		"all are lost":                  {[]string{`DELETE FROM` + of}, `event 1 is damaged: table toolloop_events, seq 1: it is missing`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.add(t, "pay")
			require.NoError(t, f.workers.Run(t.Context()))
			_, err := f.Decide(t.Context(), 1, inbox.Decision{Approved: true})
			require.NoError(t, err)
			f.add(t, "look")
			for _, statement := range append(tt.damage, `UPDATE requests SET tokens = 15 WHERE id = 1`) {
				f.exec(t, statement)
			}
			for range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				require.NoError(t, f.workers.Run(ctx))
				require.Equal(t, []string{"failed", "done"}, f.states(t))
				r, err := f.Get(t.Context(), 1)
				require.NoError(t, err)
				require.Contains(t, r.Note, `journal: session "request-1": `+tt.note)
				require.EqualValues(t, 15, r.Tokens, "what is lost was paid for")
				require.NoError(t, f.Retry(t.Context(), 1))
			}
			require.Equal(t, []string{"look request-2"}, f.effects)
		})
	}
}
