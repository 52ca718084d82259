package load

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/clerk"
)

// maxFindings limits the list in an error.
const maxFindings = 10

// Check compares the results with the expected results: the answer and the calls of
// each request, the changes of the database, and the number of events in the
// journal.
func (l *Load) Check(ctx context.Context) error {
	var found, want []string
	for _, j := range l.jobs {
		want = append(want, j.want.Changes...)
		if got, want := describe(j.got), describe(j.want); j.err == nil && got != want {
			found = append(found, fmt.Sprintf("%s: want %s, got %s", j.session, want, got))
		}
	}
	after, err := l.desk.Export(ctx)
	if err != nil {
		return err
	}
	got, err := clerk.Diff(l.before, after)
	if err != nil {
		return err
	}
	slices.Sort(want)
	found = append(found, compare(want, got)...)
	lost, err := l.lostEvents(ctx)
	if err != nil {
		return err
	}
	return findings("not as expected", append(found, lost...))
}

func describe(o clerk.Outcome) string {
	return fmt.Sprintf("%q after %d calls, %d of them approved", o.Answer, o.Calls, o.Asks)
}

// compare describes the differences of two sorted lists.
func compare(want, got []string) (found []string) {
	for len(want) > 0 || len(got) > 0 {
		switch {
		case len(want) == 0 || len(got) > 0 && got[0] < want[0]:
			found, got = append(found, "unexpected change: "+got[0]), got[1:]
		case len(got) == 0 || want[0] < got[0]:
			found, want = append(found, "not changed: "+want[0]), want[1:]
		default:
			want, got = want[1:], got[1:]
		}
	}
	return found
}

// lostEvents compares the number of events in the reports and in the journal.
func (l *Load) lostEvents(ctx context.Context) (found []string, err error) {
	kept := map[string]int64{}
	rows, err := l.desk.Journal().DB.QueryContext(ctx, `SELECT session, COUNT(*) FROM toolloop_events WHERE session LIKE 'load-%' GROUP BY session`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var session string
		var n int64
		if err := rows.Scan(&session, &n); err != nil {
			return nil, err
		}
		kept[session] = n
	}
	for _, j := range l.jobs {
		if j.err == nil && kept[j.session] != j.events {
			found = append(found, fmt.Sprintf("%s: %d events were reported, and %d are in the journal", j.session, j.events, kept[j.session]))
		}
	}
	return found, rows.Err()
}

// findings returns the findings as an error, or nil.
func findings(what string, found []string) error {
	if len(found) == 0 {
		return nil
	}
	errs := []error{fmt.Errorf("load: %s: %d", what, len(found))}
	for i, f := range found {
		if i == maxFindings {
			errs = append(errs, fmt.Errorf("and %d more", len(found)-i))
			break
		}
		errs = append(errs, errors.New(f))
	}
	return errors.Join(errs...)
}
