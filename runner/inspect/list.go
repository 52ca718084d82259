package inspect

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/runner/internal/pages"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// The bounds of a list.
const (
	pageSize   = 50
	maxRefused = 10 // sessions that cannot be read
	listRest   = 20 // after a reading of all summaries for an open page, in times of the reading
)

// A pace bounds how often the handler reads all summaries for pages that are open. Without
// the bound, every open page would read them every few seconds. A visitor who loads a page
// does not wait.
type pace struct {
	mu   sync.Mutex
	next time.Time // guarded by mu; the next reading does not begin before
}

// begin reports whether a reading may begin. A reading that never calls rest blocks the next
// one for a minute.
func (p *pace) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Before(p.next) {
		return false
	}
	p.next = now.Add(time.Minute)
	return true
}

// rest ends a reading. The next one begins after d.
func (p *pace) rest(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = time.Now().Add(d)
}

// statuses are in the order of the page: the sessions that need somebody come first.
var statuses = []journal.Status{journal.Paused, journal.Late, journal.Running, journal.Waiting, journal.Failed, journal.Finished}

// A listing is the page of a list.
type listing struct {
	Query   filters
	Chips   []chip
	Rows    []row
	Broken  []row // sessions that cannot be read
	More    int   // sessions that cannot be read and are not shown
	Error   string
	First   string // the query of the first page; empty on the first page
	Next    string // the query of the next page, or empty
	Answers bool
	Visitor string
	Now     string
}

// filters has the fields of the form of a list.
type filters struct {
	Prefix, Status, Agent, Since, Before string
	ByName                               bool
	Wrong                                string // the name of a field that cannot be read
}

// A chip selects a status.
type chip struct {
	Title, Class, Query string
	Count               string
	On                  bool
}

// A row is a session in a list.
type row struct {
	Query, Name, Status, Class, Agent, Facts, Changed, Ago, Error string
}

// timeForm is the form of a time in a form of HTML.
const timeForm = "2006-01-02T15:04"

func readFilters(q url.Values) (f filters, want journal.Filter) {
	f = filters{Prefix: q.Get("prefix"), Status: q.Get("status"), Agent: q.Get("agent"), Since: q.Get("since"), Before: q.Get("before"), ByName: q.Get("order") == "name"}
	want = journal.Filter{Prefix: f.Prefix, Agent: f.Agent}
	for _, field := range []struct {
		text string
		to   *time.Time
	}{{f.Since, &want.ChangedSince}, {f.Before, &want.ChangedBefore}} {
		if field.text == "" {
			continue
		}
		at, err := time.Parse(timeForm, field.text)
		if err != nil {
			f.Wrong = "“" + field.text + "” is not a time such as 2006-01-02T15:04."
		}
		*field.to = at
	}
	return f, want
}

// values returns the query of the same filters.
func (f filters) values() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"prefix": f.Prefix, "status": f.Status, "agent": f.Agent, "since": f.Since, "before": f.Before} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.ByName {
		q.Set("order", "name")
	}
	return q
}

// list shows sessions. In the order of changes, it reads the summaries of all sessions that
// fit; in the order of names, only those of the page.
func (h *Handler) list(w http.ResponseWriter, r *http.Request, v Visitor) {
	q := r.URL.Query()
	f, want := readFilters(q)
	p := &listing{Query: f, Answers: v.Answers, Visitor: pages.Name(v.Name), Now: pages.Stamp(time.Now().Truncate(time.Second))}
	if f.Wrong != "" {
		p.Error = pages.Text(f.Wrong)
		h.write(w, http.StatusBadRequest, "Sessions", "list", p)
		return
	}
	switch {
	case f.ByName:
		want.Status, want.After = journal.Status(f.Status), q.Get("after")
		h.byName(r.Context(), p, want, v)
		p.chips(nil)
	case q.Has("again") && !h.lists.begin():
		w.WriteHeader(http.StatusNoContent) // the open page asks again in some seconds
		return
	default:
		began := time.Now()
		h.byChange(r.Context(), p, want, q, v)
		h.lists.rest(listRest * time.Since(began))
	}
	if q.Has("after") {
		p.First = "?" + f.values().Encode()
	}
	if r.Context().Err() == nil {
		h.write(w, http.StatusOK, "Sessions", "list", p)
	}
}

// broken notes a session that cannot be read, or the error that ends the list.
func (p *listing) broken(ctx context.Context, s journal.Summary, v Visitor, err error) {
	switch {
	case ctx.Err() != nil: // nobody reads it
	case s.Session == "":
		p.Error = "The list ends here. The log of the program has the reason."
		if why := told(ctx, v, "", err); why != "" {
			p.Error = "The list ends here: " + why
		}
	case len(p.Broken) == maxRefused:
		p.More++
	default:
		p.Broken = append(p.Broken, row{Query: link(s.Session), Name: pages.Name(s.Session), Error: told(ctx, v, s.Session, err)})
	}
}

func (h *Handler) byName(ctx context.Context, p *listing, want journal.Filter, v Visitor) {
	last := ""
	for s, err := range h.Reader.List(ctx, want) {
		switch {
		case s.Session != "" && !v.sees(s.Session):
		case err != nil:
			p.broken(ctx, s, v, err)
		case len(p.Rows) == pageSize:
			next := p.Query.values()
			next.Set("after", last)
			p.Next = "?" + next.Encode()
			return
		default:
			last = s.Session
			p.Rows = append(p.Rows, rowOf(s, time.Now()))
		}
	}
}

// newer is the order of changes: the newest first.
func newer(a, b journal.Summary) int {
	if c := b.Changed.Compare(a.Changed); c != 0 {
		return c
	}
	return strings.Compare(a.Session, b.Session)
}

func (h *Handler) byChange(ctx context.Context, p *listing, want journal.Filter, q url.Values, v Visitor) {
	from := journal.Summary{Session: q.Get("after")}
	paged := q.Has("after")
	if paged {
		from.Changed, _ = time.Parse(time.RFC3339Nano, q.Get("until")) // a wrong time begins an empty page
	}
	counts := map[journal.Status]int{}
	var kept []journal.Summary // the newest, unsorted after the first pageSize+1
	for s, err := range h.Reader.List(ctx, want) {
		if s.Session != "" && !v.sees(s.Session) {
			continue
		}
		if err != nil {
			p.broken(ctx, s, v, err)
			continue
		}
		counts[s.Status]++
		if p.Query.Status != "" && p.Query.Status != string(s.Status) || paged && newer(from, s) >= 0 {
			continue
		}
		if kept = append(kept, s); len(kept) >= 20*pageSize {
			kept = newest(kept)
		}
	}
	if kept = newest(kept); len(kept) > pageSize {
		last := kept[pageSize-1]
		next := p.Query.values()
		next.Set("after", last.Session)
		next.Set("until", last.Changed.Format(time.RFC3339Nano))
		kept, p.Next = kept[:pageSize], "?"+next.Encode()
	}
	now := time.Now()
	for _, s := range kept {
		p.Rows = append(p.Rows, rowOf(s, now))
	}
	p.chips(counts)
}

// newest returns the sessions of a page, and one more if there is one.
func newest(all []journal.Summary) []journal.Summary {
	slices.SortFunc(all, newer)
	return all[:min(len(all), pageSize+1)]
}

// chips makes the choices of a status. Without counts, all statuses are choices.
func (p *listing) chips(counts map[journal.Status]int) {
	add := func(title, class string, status journal.Status, n int) {
		f := p.Query
		f.Status = string(status)
		c := chip{Title: title, Class: class, Query: "?" + f.values().Encode(), On: p.Query.Status == string(status)}
		if counts != nil {
			c.Count = strconv.Itoa(n)
		}
		p.Chips = append(p.Chips, c)
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	add("all", "", "", total)
	for _, s := range statuses {
		if counts == nil || counts[s] > 0 || p.Query.Status == string(s) {
			add(string(s), class(s), s, counts[s])
		}
	}
}

func class(s journal.Status) string {
	switch s {
	case journal.Paused, journal.Late:
		return "wait"
	case journal.Failed:
		return "bad"
	case journal.Finished:
		return "good"
	case journal.Running:
		return "run"
	}
	return ""
}

// link returns the query of the page of a session.
func link(session string) string { return "?" + url.Values{"session": {session}}.Encode() }

func rowOf(s journal.Summary, now time.Time) row {
	facts := clip.Count(int(s.Seq), "event")
	if s.Run > 1 {
		facts = clip.Count(s.Run, "run") + ", " + facts
	}
	return row{
		Query: link(s.Session), Name: pages.Name(s.Session), Status: pages.Name(string(s.Status)), Class: class(s.Status), Agent: pages.Name(s.Agent),
		Facts: facts, Changed: pages.Stamp(s.Changed.Truncate(time.Second)), Ago: ago(now.Sub(s.Changed)),
	}
}

// ago returns a time for people.
func ago(d time.Duration) string {
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return clip.Count(int(d/time.Second), "second") + " ago"
	case d < time.Hour:
		return clip.Count(int(d/time.Minute), "minute") + " ago"
	case d < 48*time.Hour:
		return clip.Count(int(d/time.Hour), "hour") + " ago"
	}
	return clip.Count(int(d/(24*time.Hour)), "day") + " ago"
}
