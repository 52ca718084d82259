package temporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"go.temporal.io/api/workflowservice/v1"

	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// Sessions yields the names of the sessions with the TaskQueue and the Prefix of the Client,
// from Temporal's visibility store. An empty query means the open sessions. Another query is a
// condition of Temporal's list filter, such as "CloseTime > '2026-11-01T00:00:00Z'"; a name
// then comes once for each conversation. An error is the last pair. The
// store follows the sessions with a delay of up to seconds, and does not know what a session
// waits for: [Session.Pending] does.
func (c Client) Sessions(ctx context.Context, query string) iter.Seq2[string, error] {
	all := fmt.Sprintf("WorkflowType = %s AND TaskQueue = %s AND (%s)", quoted(flow.SessionName),
		quoted(cmp.Or(c.TaskQueue, defaultQueue)), cmp.Or(query, "ExecutionStatus = 'Running'"))
	if query != "" { // an execution that continues as another one is the same conversation
		all += " AND ExecutionStatus != 'ContinuedAsNew'"
	}
	if begin := plain(c.Prefix); begin != "" { // fewer answers; below, the whole prefix counts
		all += " AND WorkflowId STARTS_WITH " + quoted(begin)
	}
	return func(yield func(string, error) bool) {
		if c.Temporal == nil {
			yield("", errors.New("temporal: the Client has no Temporal client"))
			return
		}
		for request := (&workflowservice.ListWorkflowExecutionsRequest{Query: all}); ; {
			page, err := c.Temporal.ListWorkflow(ctx, request)
			if err != nil {
				yield("", fmt.Errorf("temporal: list of sessions: %w", err))
				return
			}
			for _, w := range page.GetExecutions() {
				name, is := strings.CutPrefix(w.GetExecution().GetWorkflowId(), c.Prefix)
				if is && !yield(name, nil) {
					return
				}
			}
			if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
				return
			}
		}
	}
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
