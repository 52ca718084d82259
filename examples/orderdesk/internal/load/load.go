// Package load runs copies of the desk's own requests, all at once, against a slow
// provider. It measures the run and compares the results with the expected results.
package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/clerk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A Load is a number of requests, each of another user.
type Load struct {
	desk   *desk.Desk
	jobs   []*job
	before *desk.Data
	over   atomic.Int64
}

// A job is a copy of a request, and its result.
type job struct {
	number int // the number of the copy
	text   string
	want   clerk.Outcome // without the changes
	got    clerk.Outcome

	session string
	events  int64 // in the journal
	replies int   // the provider's replies
	took    time.Duration
	err     error
}

// New prepares n requests. Users and orders of the copies are added to the database
// under unused numbers; the database may already have users and orders.
func New(ctx context.Context, d *desk.Desk, n int) (*Load, error) {
	if _, err := d.Seed(ctx); err != nil {
		return nil, err
	}
	there, err := d.Export(ctx)
	if err != nil {
		return nil, err
	}
	l := &Load{desk: d}
	texts, outcomes := clerk.Requests(), clerk.Outcomes()
	copies, err := newCopies(texts)
	if err != nil {
		return nil, err
	}
	first := free(there)
	for i := range n {
		number, which := first+i, i%len(texts)
		want := outcomes[which]
		want.Answer = clerk.Copy(want.Answer, number)
		want.Changes = copyAll(want.Changes, number)
		l.jobs = append(l.jobs, &job{number: number, text: clerk.Copy(texts[which], number), want: want, session: fmt.Sprintf("load-%d", number)})
		if err := copies.add(which, number); err != nil {
			return nil, err
		}
	}
	if err := d.Import(ctx, copies.data); err != nil {
		return nil, err
	}
	l.before, err = d.Export(ctx)
	return l, err
}

func copyAll(lines []string, number int) []string {
	var all []string
	for _, line := range lines {
		all = append(all, clerk.Copy(line, number))
	}
	return all
}

// Run runs all requests at the same time, each in a session, and returns the
// measurements. The error names some of the failed requests.
func (l *Load) Run(ctx context.Context) (*Figures, error) {
	r := runner.Runner{
		Model:   clerk.Client(newSlow(clerk.Transport(0))),
		Journal: l.desk.Journal(),
		Decide:  func(_ context.Context, p runner.Pending) (runner.Input, error) { return p.Approve(), nil },
	}
	desk := l.desk.Agent(nil)
	peak := watch()
	began := time.Now()
	var working sync.WaitGroup
	for _, j := range l.jobs {
		working.Go(func() {
			j.work(ctx, r, desk)
			l.over.Add(1)
		})
	}
	working.Wait()
	f := l.figures(time.Since(began))
	f.Peak = peak.stop()
	var failed []string
	for _, j := range l.jobs {
		if j.err != nil {
			failed = append(failed, fmt.Sprintf("%s: %v", j.session, j.err))
		}
	}
	f.Errors = len(failed)
	return f, findings("requests that failed", failed)
}

// Over returns the number of finished requests during Run.
func (l *Load) Over() int { return int(l.over.Load()) }

// work runs the session and counts its events.
func (j *job) work(ctx context.Context, r runner.Runner, a *agent.Agent) {
	began := time.Now()
	for e, err := range r.Session(j.session).Stream(ctx, a, runner.Say(llm.User(j.text))) {
		if err != nil {
			j.err = err
			break
		}
		j.count(e)
	}
	j.took = time.Since(began)
}

func (j *job) count(e event.Event) {
	if e.Seq > 0 {
		j.events++
	}
	switch b := e.Body.(type) {
	case event.TurnPrepared:
		j.got.Answer = ""
	case event.TextDelta:
		j.got.Answer += b.Text
	case event.ModelAnswered:
		j.replies++
	case event.ToolCallStarted:
		j.got.Calls++
	case event.ApprovalAsked:
		j.got.Asks++
	}
}
