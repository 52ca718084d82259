package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/inspect"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

var start = time.Date(2026, 11, 29, 9, 30, 0, 0, time.UTC)

// keep adds events to a session. Their Seq go on from the session's last event.
func keep(t testing.TB, store journal.Journal, session string, events ...event.Event) {
	t.Helper()
	log, err := store.Open(t.Context(), session)
	require.NoError(t, err)
	defer func() { require.NoError(t, log.Close()) }()
	seq := int64(0)
	for ev, err := range log.Events(t.Context()) {
		require.NoError(t, err)
		seq = ev.Seq
	}
	for i := range events {
		seq++
		events[i].Seq = seq
	}
	require.NoError(t, log.Append(t.Context(), true, events...))
}

// told returns events, one second apart.
func told(from time.Time, bodies ...event.Body) (events []event.Event) {
	for i, b := range bodies {
		events = append(events, event.Event{Time: from.Add(time.Duration(i) * time.Second), Body: b})
	}
	return events
}

func begun(agent string) []event.Body {
	return []event.Body{
		event.RunStarted{Version: 1, Run: 1, Agent: agent, ID: "R4ND0M"}, event.UserMessaged{Message: llm.User("Refund W2.")},
		event.TurnPrepared{Turn: 1, Agent: agent, Instructions: new("You are the order desk."), Tools: []event.OfferedTool{{Name: "refund", Fingerprint: "f"}}},
	}
}

const arguments = `{"order":"W2","cents":48000}`

func refund() event.ModelAnswered {
	return event.ModelAnswered{Turn: 1, Finish: llm.FinishOf("tool_calls", ""), Message: llm.Assistant("", llm.ToolCall{ID: "c1", Name: "refund", Arguments: arguments})}
}

func asksRefund(agent string) []event.Body {
	return append(begun(agent), refund(),
		event.ApprovalAsked{Call: "r1.t1.c0", ID: "c1", Name: "refund", Arguments: arguments, Hash: event.HashArguments(arguments)},
		event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t1.c0"}})
}

func answers(agent string) []event.Body {
	return append(begun(agent), event.ModelAnswered{Turn: 1, Finish: llm.FinishOf("stop", ""), Message: llm.Assistant("It is done.")}, event.RunFinished{Run: 1, Turns: 1})
}

// got is the answer to a request.
type got struct {
	*httptest.ResponseRecorder
	text string // without tags and white space
}

var (
	acting = regexp.MustCompile(`(?s)<script>.*?</script>|<style>.*?</style>`)
	tag    = regexp.MustCompile(`<[^>]*>`)
	white  = regexp.MustCompile(`\s+`)
)

func squeezed(s string) string { return white.ReplaceAllString(s, "") }

func textOf(page string) string {
	return squeezed(html.UnescapeString(tag.ReplaceAllString(acting.ReplaceAllString(page, ""), "")))
}

func get(t testing.TB, h http.Handler, query string) got {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://desk.example/debug/"+query, nil))
	return got{w, textOf(w.Body.String())}
}

// rows returns the names in a list, and the query of its next page.
func rows(t testing.TB, page string) (names []string, next string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`<li><a href="([^"]*)">`).FindAllStringSubmatch(page, -1) {
		q, err := url.ParseQuery(strings.TrimPrefix(html.UnescapeString(m[1]), "?"))
		require.NoError(t, err)
		names = append(names, q.Get("session"))
	}
	if m := regexp.MustCompile(`rel="next" href="([^"]*)"`).FindStringSubmatch(page); m != nil {
		next = html.UnescapeString(m[1])
	}
	return names, next
}

// pagesOf follows a list to its end.
func pagesOf(t testing.TB, h http.Handler, query string) (names []string) {
	t.Helper()
	for query != "" {
		page := get(t, h, query)
		require.Equal(t, http.StatusOK, page.Code)
		var more []string
		more, query = rows(t, page.Body.String())
		require.True(t, query == "" || len(more) == 50)
		names = append(names, more...)
	}
	return names
}

// TestList: the list has every session that fits once, the newest first, or by name.
func TestList(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	var byName, newest []string
	for i := range 120 {
		name := fmt.Sprintf("order/%03d", i)
		at := start.Add(time.Duration(i%10) * time.Hour) // twelve sessions at each time
		switch {
		case i%40 == 0:
			keep(t, store, name, told(at, asksRefund("order desk")...)...)
		case i%3 == 0:
			keep(t, store, name, told(at, begun("invoices")...)...)
		default:
			keep(t, store, name, told(at, answers("order desk")...)...)
		}
		byName = append(byName, name)
	}
	keep(t, store, "other & <b>", told(start, answers("invoices")...)...)
	h := &inspect.Handler{Reader: store}
	require.Equal(t, append(byName, "other & <b>"), pagesOf(t, h, "?order=name"))
	newest = pagesOf(t, h, "?")
	require.ElementsMatch(t, append(byName, "other & <b>"), newest)
	require.Equal(t, "order/019", newest[0]) // its answer came later than the begin of order/009

	first := get(t, h, "")
	require.Contains(t, first.text, "all121")
	require.Contains(t, first.text, "paused3running39finished79") // what needs somebody comes first
	require.Contains(t, first.text, "order/019finished")
	require.NotContains(t, first.Body.String(), "other & <b>")

	require.Equal(t, []string{"order/000", "order/040", "order/080"}, pagesOf(t, h, "?status=paused"))
	require.Equal(t, []string{"order/000", "order/040", "order/080"}, pagesOf(t, h, "?status=paused&order=name"))
	require.Len(t, pagesOf(t, h, "?agent=invoices"), 40)
	require.Equal(t, byName[100:110], pagesOf(t, h, "?prefix=order/10&order=name"))
	require.Len(t, pagesOf(t, h, "?since=2026-11-29T18:30&order=name"), 12)
	require.Len(t, pagesOf(t, h, "?since=2026-11-29T17:30&before=2026-11-29T18:30"), 12)
	require.Contains(t, get(t, h, "?prefix=nothing").text, "Nosessionfits.")

	wrong := get(t, h, "?since=yesterday")
	require.Equal(t, http.StatusBadRequest, wrong.Code)
	require.Contains(t, wrong.text, "“yesterday”isnotatime")
}

// TestManySessions: 10,000 sessions are listed page by page, each page in time.
func TestManySessions(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	for i := range 10_000 {
		keep(t, store, fmt.Sprintf("s%05d", i*7919%10_000), told(start.Add(time.Duration(i)*time.Second), begun("a")...)...)
	}
	h := &inspect.Handler{Reader: store}
	for _, query := range []string{"?", "?order=name"} {
		seen := map[string]bool{}
		for range 15 { // not all: each page of the newest reads all summaries
			page := get(t, h, query)
			require.Less(t, page.Body.Len(), 100<<10)
			names, next := rows(t, page.Body.String())
			for _, name := range names {
				require.False(t, seen[name])
				seen[name] = true
			}
			query = next
		}
		require.Len(t, seen, 15*50)
		require.NotEmpty(t, query)
	}
}

// A slow is a journal whose list takes two seconds.
type slow struct {
	*journal.Memory
	lists atomic.Int64
}

func (s *slow) List(ctx context.Context, f journal.Filter) iter.Seq2[journal.Summary, error] {
	return func(yield func(journal.Summary, error) bool) {
		s.lists.Add(1)
		time.Sleep(2 * time.Second) // synctest: exact in a bubble
		s.Memory.List(ctx, f)(yield)
	}
}

// TestOpenLists: 100 open pages read a slow list for a twentieth of the time, all together.
// A visitor who loads a page does not wait for them.
func TestOpenLists(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &slow{Memory: new(journal.Memory)}
		keep(t, store.Memory, "one", told(start, answers("order desk")...)...)
		h := &inspect.Handler{Reader: store}
		var shown, later atomic.Int64
		var open sync.WaitGroup
		for i := range 100 {
			open.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)                                              // synctest: exact in a bubble
				for end := time.Now().Add(7 * time.Minute); time.Now().Before(end); time.Sleep(5 * time.Second) { // synctest: exact in a bubble
					switch page := get(t, h, "?prefix=o&again"); {
					case page.Code == http.StatusOK && strings.Contains(page.text, "onefinished"):
						shown.Add(1)
					case page.Code == http.StatusNoContent:
						later.Add(1)
					default:
						shown.Store(-1000)
					}
				}
			})
		}
		open.Wait()
		require.Equal(t, shown.Load(), store.lists.Load())
		require.Equal(t, int64(10), shown.Load())
		require.Greater(t, later.Load(), int64(8000))
		began := time.Now()
		require.Equal(t, http.StatusOK, get(t, h, "?prefix=o").Code)
		require.Equal(t, http.StatusOK, get(t, h, "?order=name&again").Code)
		require.Equal(t, 4*time.Second, time.Since(began))
	})
}

// TestSession shows a session, and what a visitor reads about one that does not exist.
func TestSession(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	const name = "a/b?c#d%2F & <i>é"
	keep(t, store, name, told(start, asksRefund("order desk")...)...)
	h := &inspect.Handler{Reader: store}
	names, _ := rows(t, get(t, h, "?").Body.String())
	require.Equal(t, []string{name}, names)
	page := get(t, h, "?session="+url.QueryEscape(name))
	require.Equal(t, http.StatusOK, page.Code)
	for _, want := range []string{"order desk paused: waits for a decision", "You are the order desk.", "Refund W2.", "refund r1.t1.c0 waits for approval asked by order desk since 2026-11-29 09:30:04 UTC", squeezed(arguments), "read only", name} {
		require.Contains(t, page.text, squeezed(want))
	}
	require.NotContains(t, page.Body.String(), "<form method") // nobody may answer
	missing := get(t, h, "?session=nobody")
	require.Equal(t, http.StatusNotFound, missing.Code)
	require.Contains(t, missing.text, "Thereisnosuchsession")
	require.Equal(t, http.StatusNotFound, get(t, h, "?session=%FF").Code)
}

// TestPrefix: all links and forms of the pages are relative to the page, so that they work
// below any path.
func TestPrefix(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	for i := range 60 {
		keep(t, store, fmt.Sprintf("s%d", i), told(start, asksRefund("a")...)...)
	}
	h := asker(store, "ann")
	mux := http.NewServeMux()
	mux.Handle("/a/b/", http.StripPrefix("/a/b", h))
	mux.Handle("/plain", h)
	mux.Handle("/tree/", h)
	addresses := regexp.MustCompile(`(?:href|action|src|data-live)="([^"]*)"`)
	for _, path := range []string{"/a/b/", "/plain", "/tree/", "/tree/x"} {
		for _, query := range []string{"", "?session=s1", "?session=none"} {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path+query, nil))
			found := addresses.FindAllStringSubmatch(w.Body.String(), -1)
			require.NotEmpty(t, found)
			for _, m := range found {
				require.Regexp(t, `^[?#]`, m[1])
			}
		}
	}
}

// asker returns a handler whose only visitor may answer. The answers go nowhere.
func asker(store journal.Reader, name string) *inspect.Handler {
	return &inspect.Handler{
		Reader:  store,
		Visitor: func(*http.Request) inspect.Visitor { return inspect.Visitor{Name: name, Answers: true} },
		Answer:  nowhere,
	}
}

// TestVisitors: a visitor sees only the sessions that the program shows.
func TestVisitors(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	for _, name := range []string{"acme/1", "acme/2", "other/1"} {
		keep(t, store, name, told(start, asksRefund("a")...)...)
	}
	h := &inspect.Handler{Reader: store, Visitor: func(*http.Request) inspect.Visitor {
		return inspect.Visitor{Name: "ann <b>", Sees: func(session string) bool { return strings.HasPrefix(session, "acme/") }}
	}}
	for _, query := range []string{"?", "?order=name"} {
		require.ElementsMatch(t, []string{"acme/1", "acme/2"}, pagesOf(t, h, query))
	}
	require.Contains(t, get(t, h, "").text, "all2")
	require.Contains(t, get(t, h, "").text, "ann<b>readonly")
	hidden, missing := get(t, h, "?session=other/1"), get(t, h, "?session=none")
	require.Equal(t, missing.Body.String(), hidden.Body.String())
	require.Equal(t, http.StatusNotFound, hidden.Code)
	require.Equal(t, http.StatusNotFound, get(t, h, "?session=other/1&live=1").Code)
}

// broken is a Reader with sessions that cannot be read.
type broken struct {
	journal.Reader
	names []string
	end   error
}

func (b broken) List(context.Context, journal.Filter) iter.Seq2[journal.Summary, error] {
	return func(yield func(journal.Summary, error) bool) {
		for _, name := range b.names {
			if !yield(journal.Summary{Session: name}, errors.New("damaged at 7")) {
				return
			}
		}
		yield(journal.Summary{}, b.end)
	}
}

func (b broken) Read(context.Context, string, int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) { yield(event.Event{}, b.end) }
}

// TestErrors: visitors who may answer read the errors of a Reader. Others read that there is
// an error, and the log has all.
func TestErrors(t *testing.T) { //nolint:paralleltest // sets the default logger
	var log strings.Builder
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	var names []string
	for i := range 14 {
		names = append(names, fmt.Sprintf("s%d", i))
	}
	store := broken{names: names, end: errors.New("the disk <b> is gone")}
	h, stranger := asker(store, "ann"), &inspect.Handler{Reader: store}
	for _, query := range []string{"?", "?order=name"} {
		page := get(t, h, query)
		require.Contains(t, page.text, "s9cannotberead:damagedat7")
		require.Contains(t, page.text, "4moresessionscannotberead.")
		require.Contains(t, page.text, "Thelistendshere:thedisk<b>isgone")
		page = get(t, stranger, query)
		require.Contains(t, page.text, "s9cannotberead.")
		require.Contains(t, page.text, "Thelistendshere.Thelog")
		require.NotContains(t, page.text, "damaged")
		require.NotContains(t, page.text, "disk")
	}
	for _, query := range []string{"?session=s1", "?session=s1&live=1"} {
		page := get(t, h, query)
		require.Equal(t, http.StatusInternalServerError, page.Code)
		require.Contains(t, page.text, "Thejournalcannotberead:thedisk<b>isgone")
		log.Reset()
		page = get(t, stranger, query)
		require.Equal(t, http.StatusInternalServerError, page.Code)
		require.Contains(t, page.text, "Thejournalcannotberead.Thelog")
		require.NotContains(t, page.text, "disk")
		require.Contains(t, log.String(), `session=s1 error="the disk <b> is gone"`)
	}
}

// TestHeaders: every answer has the policy, and changes nothing on GET.
func TestHeaders(t *testing.T) {
	t.Parallel()
	h := &inspect.Handler{Reader: new(journal.Memory)}
	for _, query := range []string{"", "?session=x", "?since=x", "?session=x&live=1"} {
		header := get(t, h, query).Header()
		require.Regexp(t, `^default-src 'none'; style-src ('sha256-[A-Za-z0-9+/=]+' ?){2}; script-src ('sha256-[A-Za-z0-9+/=]+' ?){2}; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$`, header.Get("Content-Security-Policy"))
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
		require.Equal(t, "no-store", header.Get("Cache-Control"))
		require.Equal(t, "same-origin", header.Get("Referrer-Policy"))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/", nil))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
}
