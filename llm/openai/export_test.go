package openai

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// Event is one event of [ReadEvents].
type Event struct{ Name, Data string }

// ReadEvents reads all events of r.
func ReadEvents(r io.Reader, max int) (events []Event, err error) {
	reader := newEventReader(r, max)
	for {
		e, err := reader.next()
		if err != nil {
			return events, err
		}
		events = append(events, Event{e.name, string(e.data)})
	}
}

// EncodedBytes returns how many bytes of messages were ever encoded into the
// memo, in the zero profile or in p.
func EncodedBytes(memo *llm.Memo, p ...Profile) int {
	profile := append(p, Profile{})[0]
	h, ok := memo.Slot(memoKey{profile.messageRules(DefaultMaxResultBytes)}, func() any { return nil }).(*messageCache)
	if !ok {
		return 0
	}
	return h.encoded
}

// RetryAfter is retryAfter for a header and a body.
func RetryAfter(h http.Header, body string, now time.Time) time.Duration {
	return retryAfter(h, readErrorBody([]byte(body)), now)
}

// SharedTransport is the transport of all models without a client of their own.
func SharedTransport() http.RoundTripper { return sharedTransport() }

// TimersLeft returns how many timers of a watch still run after it was stopped.
func TimersLeft(ctx context.Context) (n int) {
	w := newTimeLimits(ctx, Config{})
	w.startFirstByte()
	w.limitRest(time.Hour)
	timers := []*time.Timer{w.rest}
	w.limitRest(time.Hour)
	timers = append(timers, w.total, w.idle, w.rest)
	w.stop()
	for _, t := range timers {
		if t.Stop() {
			n++
		}
	}
	return n
}

// OpenBody returns a reader of a request body in segments.
func OpenBody(segments ...[]byte) io.ReadCloser {
	r, _ := body(segments).open()
	return r
}
