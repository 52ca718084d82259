package openai_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHostileStreams holds that the time a stream takes grows with its length,
// not with the square of it: each of these took half a minute where it did.
func TestHostileStreams(t *testing.T) {
	t.Parallel()
	n := 50_000
	if raced { // the time that it takes then says nothing
		n = 5_000
	}
	call := func(piece string) string { return events(calls(piece)) }
	open := call(`{"index":0,"id":"q","function":{"name":"f","arguments":"{\"a\":\"}"}}`)
	for _, tt := range []struct{ name, body string }{
		{"an id for every piece", open + strings.Repeat(call(`{"index":0,"id":"r","function":{"arguments":"}"}}`), n)},
		{"a call in every chunk", strings.Repeat(call(`{"function":{"name":"f","arguments":"{}"}}`), n)},
		{"a name in many pieces", open + strings.Repeat(call(`{"index":0,"function":{"name":"abcdefghijkl"}}`)+call(`{"index":0,"function":{"name":"mnopqrstuvwx"}}`), n)},
		{"details", strings.Repeat(events(delta(`{"reasoning_details":[{"a":1}]}`)), n)},
		{"parts", strings.Repeat(events(delta(`{"content":[{"type":"x"},{"type":"text","text":"a"}]}`)), n)},
		{"a transcript", strings.Repeat(events(delta(`{"audio":{"transcript":"abcdefghijklmnopqrstuvwxyz","data":"YWJj"}}`)), n)},
		{"lines of one event", "data: {\"a\":[\n" + strings.Repeat("data: {},\n", 10*n) + "data: {}]}\n\n"},
		{"backslashes", events(delta(`{"content":"` + strings.Repeat(`\\\"`, 10*n) + `"}`))},
		{"brackets", events(delta(`{"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := eventsOf()
			w.body = tt.body + events(finishStop)
			begin := time.Now()
			_, _, err := ask(t, w, true)
			require.NoError(t, err)
			require.Less(t, time.Since(begin), 20*time.Second, "%d bytes", len(w.body))
		})
	}
}
