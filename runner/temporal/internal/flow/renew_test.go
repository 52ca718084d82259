package flow

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPackedInPieces: a log that is packed as it grows is the same log, and never much of it
// is left to pack.
func TestPackedInPieces(t *testing.T) {
	t.Parallel()
	s := new(session)
	for i := range 300 {
		s.add([]json.RawMessage{json.RawMessage(fmt.Sprintf("{\"n\":%d,\"text\":%q}", i, strings.Repeat("x", 10<<10)))})
		require.Less(t, s.packed.size, packEvery)
	}
	require.Positive(t, s.packed.events)
	require.True(t, s.fits(nil))
	log, err := unpack(s.packed.data)
	require.NoError(t, err)
	require.Equal(t, s.log, log)

	next := &session{log: log, packed: packed{data: s.packed.data, events: len(log)}}
	next.add([]json.RawMessage{json.RawMessage("{}")})
	require.True(t, next.fits(nil))
	log, err = unpack(next.packed.data)
	require.NoError(t, err)
	require.Equal(t, next.log, log)
}

// TestKept: the next execution gets the last ends, of which none is large.
func TestKept(t *testing.T) {
	t.Parallel()
	var ends []End
	for i := range 3 * maxEnds {
		ends = kept(append(ends, End{Ticket: fmt.Sprint(i), Failure: &Failure{Text: "no"}}))
		require.Equal(t, fmt.Sprint(i), ends[len(ends)-1].Ticket)
	}
	require.Len(t, ends, maxEnds)
	require.Equal(t, fmt.Sprint(2*maxEnds), ends[0].Ticket)

	text := strings.Repeat("x", maxData)
	for i := range 9 {
		given := &Failure{Text: text, Kind: KindLimit, Cause: CauseDeadline, Data: json.RawMessage(`"` + text + `"`)}
		ends = kept(append(ends, End{Ticket: fmt.Sprint(i), Failure: given}))
		require.NotEmpty(t, given.Data) // the client that waits gets all of it
		require.Equal(t, &Failure{Text: text, Kind: KindLimit, Cause: CauseDeadline}, ends[len(ends)-1].Failure)
	}
	require.Len(t, ends, maxKept/maxData)
}
