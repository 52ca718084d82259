package temporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// A Client is a [journal.Reader] of the sessions.
var _ journal.Reader = Client{}

// listAhead is the number of sessions that List asks at the same time.
const listAhead = 16

// List implements [journal.Reader] for the open sessions with the TaskQueue and the Prefix of
// the Client. Temporal's visibility store has the names, and follows the sessions with a delay
// of up to seconds. Each summary costs a query to a worker, and List asks only as far as its
// caller reads. A session that ended ([Session.End]) is not in the list: [Worker.Archive] has it.
func (c Client) List(ctx context.Context, f journal.Filter) iter.Seq2[journal.Summary, error] {
	return func(yield func(journal.Summary, error) bool) {
		names, err := c.names(ctx, f)
		if err != nil {
			yield(journal.Summary{}, c.unread(ctx, "", err))
			return
		}
		for some := range slices.Chunk(names, listAhead) {
			sums, errs := make([]journal.Summary, len(some)), make([]error, len(some))
			var asking sync.WaitGroup
			for i, name := range some {
				asking.Go(func() { sums[i], errs[i] = c.summary(ctx, name) })
			}
			asking.Wait()
			for i, sum := range sums {
				switch {
				case ctx.Err() != nil:
					yield(journal.Summary{}, context.Cause(ctx))
					return
				case errs[i] == nil && (sum.Seq == 0 || !f.Fits(sum)):
				case !yield(sum, errs[i]):
					return
				}
			}
		}
	}
}

// summary returns the summary of a session.
func (c Client) summary(ctx context.Context, name string) (journal.Summary, error) {
	sum := journal.Summary{Session: name}
	for e, err := range c.Read(ctx, name, 0) {
		if err != nil {
			return journal.Summary{Session: name}, err
		}
		sum.Add(e)
	}
	return sum, nil
}

// names returns the names of the open sessions that a filter can select, in the order of their
// bytes.
func (c Client) names(ctx context.Context, f journal.Filter) (names []string, err error) {
	if c.Temporal == nil {
		return nil, errNoClient
	}
	query := fmt.Sprintf("WorkflowType = %s AND TaskQueue = %s AND ExecutionStatus = 'Running'",
		quoted(flow.SessionName), quoted(cmp.Or(c.TaskQueue, defaultQueue)))
	if begin := plain(c.Prefix + f.Prefix); begin != "" { // fewer answers; below, the whole prefix counts
		query += " AND WorkflowId STARTS_WITH " + quoted(begin)
	}
	for request := (&workflowservice.ListWorkflowExecutionsRequest{Query: query}); ; {
		page, err := c.Temporal.ListWorkflow(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, w := range page.GetExecutions() {
			name, is := strings.CutPrefix(w.GetExecution().GetWorkflowId(), c.Prefix)
			if is && name > f.After && strings.HasPrefix(name, f.Prefix) {
				names = append(names, name)
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			break
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil // an execution can end, and the next begin, between two pages
}

// plain returns the beginning of a string without characters that a list filter may read in
// another way.
func plain(s string) string {
	if i := strings.IndexAny(s, "'\"\\%_"); i >= 0 {
		return s[:i]
	}
	return s
}

// quoted returns a string of Temporal's list filter.
func quoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// Read implements [journal.Reader]. A worker answers for the session. A session that ended has
// its events until the retention time of the namespace is over, or until a new conversation
// begins under the name.
func (c Client) Read(ctx context.Context, session string, after int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		s, to := c.Session(session), 0
		var of conversation
		for {
			events, total, err := s.page(ctx, &of, flow.Range{From: int(after), To: to})
			if err != nil {
				yield(event.Event{}, c.unread(ctx, session, err))
				return
			}
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
			to = cmp.Or(to, total) // the end at the start of the loop
			if after += int64(len(events)); len(events) == 0 || after >= int64(to) {
				return
			}
		}
	}
}

// Watch implements [journal.Reader]. The server tells about new events, so a session without
// news costs a waiting request to the server, and no worker. A session that ends and begins
// again under the same name is an error.
func (c Client) Watch(ctx context.Context, session string, after int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		if err := c.Session(session).watch(ctx, after, func(e event.Event) bool { return yield(e, nil) }); err != nil {
			yield(event.Event{}, c.unread(ctx, session, err))
		}
	}
}

// errNoClient is the error of a Client without a connection.
var errNoClient = errors.New("the Client has no Temporal client")

// unread returns the error of a Reader.
func (c Client) unread(ctx context.Context, session string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if session == "" {
		return fmt.Errorf("temporal: list of sessions: %w", err)
	}
	return &journal.StoreError{Session: session, Err: fmt.Errorf("temporal: %w", err)}
}

// watch yields the events after an event, also those that come, until ctx ends. It returns nil
// if yield returns false.
func (s *Session) watch(ctx context.Context, after int64, yield func(event.Event) bool) error {
	if s.client.Temporal == nil {
		return errNoClient
	}
	ctx, cancel := context.WithCancel(ctx)
	news := make(chan struct{}, 1)
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	listening.Go(func() {
		s.listen(ctx, func() {
			select {
			case news <- struct{}{}:
			default:
			}
		})
	})
	var of conversation
	for begun := false; ; {
		events, total, err := s.page(ctx, &of, flow.Range{From: int(after)})
		if err != nil {
			return err
		}
		if begun && total > 0 && after > int64(total) { // an operator reset the session
			return errAnew
		}
		for _, e := range events {
			begun = true
			if !yield(e) {
				return nil
			}
		}
		if after += int64(len(events)); len(events) > 0 && after < int64(total) {
			continue // the next page
		}
		select {
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// listen calls tell when the session may have new events, until ctx ends.
func (s *Session) listen(ctx context.Context, tell func()) {
	heard := "" // the execution that is heard to its end
	for ctx.Err() == nil {
		if execution, err := s.execution(ctx); err == nil && execution != heard {
			if s.hear(ctx, execution, tell) == nil {
				heard = execution
				continue // the next execution may have begun
			}
		}
		select { // no session, no server, or nobody needs the session any more
		case <-time.After(maxPoll):
		case <-ctx.Done():
		}
	}
}

// execution returns the id of the session's newest execution.
func (s *Session) execution(ctx context.Context) (string, error) {
	about, err := s.client.Temporal.DescribeWorkflow(ctx, s.id(), "")
	if err != nil {
		return "", err
	}
	return about.WorkflowExecution.RunID, nil
}

// hear reads the history of an execution as it grows, to its end. The events of a session come
// by activities and by [Session.Say].
func (s *Session) hear(ctx context.Context, execution string, tell func()) error {
	history := s.client.Temporal.GetWorkflowHistory(ctx, s.id(), execution, true, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		e, err := history.Next()
		if err != nil {
			tell()
			return err
		}
		switch e.GetEventType() {
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
			tell()
		}
	}
	return nil
}
