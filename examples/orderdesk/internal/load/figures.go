package load

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

// Figures are the measurements of a [Load].
type Figures struct {
	Requests, Calls, Replies, Events, Errors int

	Took  time.Duration // of the whole load
	Whole []time.Duration
	Added []time.Duration // the latency without the provider's time
	Peak  Peak
}

// figures summarizes the jobs. Latencies do not include failed jobs.
func (l *Load) figures(took time.Duration) *Figures {
	f := &Figures{Requests: len(l.jobs), Took: took}
	for _, j := range l.jobs {
		f.Calls += j.got.Calls
		f.Replies += j.replies
		f.Events += int(j.events)
		if j.err == nil {
			f.Whole = append(f.Whole, j.took)
			f.Added = append(f.Added, j.took-time.Duration(j.replies)*Reply)
		}
	}
	slices.Sort(f.Whole)
	slices.Sort(f.Added)
	return f
}

// Print writes the figures for people.
func (f *Figures) Print(out io.Writer) {
	p := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(out, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	seconds := f.Took.Seconds()
	p("requests", "%d in %.1f s: %.0f/s", f.Requests, seconds, float64(f.Requests)/seconds)
	p("tool calls", "%d: %.0f/s", f.Calls, float64(f.Calls)/seconds)
	p("replies", "%d, each %v of the provider's time", f.Replies, Reply)
	p("events", "%d: %.0f/s", f.Events, float64(f.Events)/seconds)
	p("latency", "%s", percentiles(f.Whole))
	p("added", "%s (to the provider's time)", percentiles(f.Added))
	p("memory", "heap %s, resident %s", size(f.Peak.Heap), size(f.Peak.Resident))
	p("goroutines", "%d", f.Peak.Goroutines)
	p("errors", "%d", f.Errors)
}

// percentiles returns the percentiles of a sorted list.
func percentiles(sorted []time.Duration) string {
	if len(sorted) == 0 {
		return "none"
	}
	var parts []string
	for _, x := range []struct {
		name  string
		share int
	}{{"p50", 50}, {"p90", 90}, {"p99", 99}, {"max", 100}} {
		at := max(0, (len(sorted)*x.share+99)/100-1)
		parts = append(parts, fmt.Sprintf("%s %.2f s", x.name, sorted[at].Seconds()))
	}
	return strings.Join(parts, ", ")
}

func size(bytes uint64) string {
	if bytes == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.0f MB", float64(bytes)/1e6)
}

// Size returns the size of the database, in bytes.
func (l *Load) Size(ctx context.Context) (bytes uint64, err error) {
	j := l.desk.Journal()
	query := `SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()`
	if j.Dialect == sqljournal.Postgres {
		query = `SELECT pg_database_size(current_database())`
	}
	err = j.DB.QueryRowContext(ctx, query).Scan(&bytes)
	return bytes, err
}
