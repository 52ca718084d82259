package inspect_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/inspect"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// patience bounds a wait. The machines of tests are slow at times.
const patience = time.Minute

// served serves a handler on a loopback port.
func served(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() }) // a browser follows sessions for ever
	return s.URL
}

// A change is a message of a stream.
type change struct {
	id    string
	Title string
	Parts []struct{ Key, Run, HTML string }
	Waits []string
}

func (c change) keys() (keys []string) {
	for _, p := range c.Parts {
		keys = append(keys, p.Key)
	}
	return keys
}

// A follower reads a stream of changes.
type follower struct {
	t    testing.TB
	body io.ReadCloser
	r    *bufio.Reader
}

func follow(t testing.TB, address, lastID string) *follower {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	require.NoError(t, err)
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = answer.Body.Close() })
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "text/event-stream; charset=utf-8", answer.Header.Get("Content-Type"))
	require.Equal(t, "no", answer.Header.Get("X-Accel-Buffering"))
	return &follower{t, answer.Body, bufio.NewReader(answer.Body)}
}

func (f *follower) next() (c change) {
	f.t.Helper()
	for {
		line, err := f.r.ReadString('\n')
		require.NoError(f.t, err)
		line = strings.TrimSuffix(line, "\n")
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			c.id = id
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			require.NoError(f.t, json.Unmarshal([]byte(data), &c))
			return c
		}
	}
}

// TestLive: a page that follows a session gets what changes, also after a broken
// connection.
func TestLive(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	keep(t, store, "s", told(start, begun("order desk")...)...)
	h := asker(store, "ann")
	address := served(t, h)
	page := get(t, h, "?session=s")
	require.Contains(t, page.Body.String(), `data-live="?live=3&amp;session=s"`)

	f := follow(t, address+"?live=3&session=s", "")
	first := f.next()
	require.NotNil(t, first.Parts) // no null for a browser
	require.Empty(t, first.Parts)  // nothing is new
	keep(t, store, "s", told(start.Add(time.Minute), asksRefund("order desk")[3:]...)...)
	c := f.next()
	require.Equal(t, "6", c.id)
	require.Equal(t, "s: paused: waits for a decision", c.Title)
	require.Equal(t, []string{"top", "strip", "usage", "w5", "e1-e3", "e1-e6"}, c.keys()) // not the message
	require.Equal(t, []string{"w5"}, c.Waits)
	require.Equal(t, "e1", c.Parts[4].Run)
	require.Contains(t, c.Parts[4].HTML, `data-part="e1-e3"`)

	// Another visitor answers, and the session has not recorded the answer.
	require.Equal(t, http.StatusSeeOther, post(t, h, "s", with(question(t, store, "s"), "approve", "")).Code)
	c = f.next()
	require.Equal(t, []string{"w5"}, c.keys())
	require.Contains(t, c.Parts[0].HTML, "approved by ann")
	require.NoError(t, f.body.Close())

	keep(t, store, "s", told(start.Add(time.Hour), event.ApprovalDecided{Call: "r1.t1.c0", Hash: event.HashArguments(arguments), Approved: true},
		event.ToolCallStarted{Call: "r1.t1.c0", ID: "c1", Name: "refund", Arguments: arguments})...)
	f = follow(t, address+"?live=3&session=s", "6")
	c = f.next()
	require.Equal(t, "8", c.id)
	require.Equal(t, []string{"top", "strip", "e1-e3"}, c.keys())
	require.Empty(t, c.Waits)
}

// TestLiveParts: the parts that a stream sends make the page that a reload shows, after
// every event of a session.
func TestLiveParts(t *testing.T) {
	t.Parallel()
	events := story()
	store, whole := new(journal.Memory), new(journal.Memory)
	h := &inspect.Handler{Reader: store}
	address := served(t, h)
	keep(t, store, "s", events[:1]...)
	parts, order := map[string]string{}, []string{}
	f := follow(t, address+"?live=1&session=s", "")
	for _, ev := range events[1:] {
		keep(t, store, "s", ev)
		for c := (change{}); c.id != strconv.FormatInt(lastSeq(t, store), 10); {
			c = f.next()
			for _, p := range c.Parts {
				if _, known := parts[p.Key]; !known {
					order = append(order, p.Key)
				}
				parts[p.Key] = p.HTML
			}
		}
	}
	keep(t, whole, "s", events...)
	page := get(t, &inspect.Handler{Reader: whole}, "?session=s").Body.String()
	last := 0
	for _, key := range order {
		if strings.HasPrefix(key, "w") {
			continue // an answered question
		}
		require.True(t, strings.Contains(page, parts[key]), key)
		if strings.HasPrefix(key, "e") {
			at := strings.Index(page, parts[key])
			require.Greater(t, at, last, "%s stands at its place", key)
			last = at
		}
	}
}

func lastSeq(t testing.TB, store journal.Reader) (seq int64) {
	t.Helper()
	for s, err := range store.List(t.Context(), journal.Filter{}) {
		require.NoError(t, err)
		seq = s.Seq
	}
	return seq
}

// story is a session of two runs with calls, a helper and an approval.
func story() []event.Event {
	bodies := append(asksRefund("order desk"),
		event.ApprovalDecided{Call: "r1.t1.c0", Hash: event.HashArguments(arguments), Approved: true},
		event.ToolCallStarted{Call: "r1.t1.c0", ID: "c1", Name: "refund", Arguments: arguments},
		event.ToolCallFinished{Call: "r1.t1.c0", Result: llm.ToolResult{CallID: "c1", Name: "refund", Parts: llm.Parts{llm.Text{Text: "refunded"}}}, Began: start},
		event.TurnPrepared{Turn: 2, Agent: "order desk"},
		event.ModelAnswered{Turn: 2, Finish: llm.FinishOf("stop", ""), Message: llm.Assistant("It is done.")},
		event.RunFinished{Run: 1, Turns: 2},
		event.RunStarted{Version: 1, Run: 2, Agent: "order desk", ID: "R4"}, event.UserMessaged{Message: llm.User("And W3?")},
		event.UserMessaged{Message: llm.User("I am at home until six."), Said: true},
		event.TurnPrepared{Turn: 1, Agent: "order desk"},
		event.RunFailed{Run: 2, Error: "openai: 503"},
	)
	return told(start, bodies...)
}

// TestLiveEnds: a stream ends when its visitor leaves, and streams are bounded.
func TestLiveEnds(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	keep(t, store, "s", told(start, begun("a")...)...)
	h := &inspect.Handler{Reader: store}
	for _, query := range []string{"?session=s&live=x", "?session=s&live=0"} {
		require.Equal(t, http.StatusBadRequest, get(t, h, query).Code)
	}
	require.Equal(t, http.StatusNotFound, get(t, h, "?session=none&live=1").Code)
	for range 600 { // more than there may be at the same time
		ctx, cancel := context.WithCancel(t.Context())
		w := &leaver{header: http.Header{}, leave: cancel}
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/?session=s&live=3", nil))
		cancel()
		require.Positive(t, w.written)
	}
}

// A leaver leaves during the first write.
type leaver struct {
	header  http.Header
	leave   func()
	written int
}

func (l *leaver) Header() http.Header { return l.header }
func (l *leaver) WriteHeader(int)     {}
func (l *leaver) Flush()              {}
func (l *leaver) Write(p []byte) (int, error) {
	l.leave()
	l.written += len(p)
	return len(p), nil
}
