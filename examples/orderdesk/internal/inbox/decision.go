package inbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
)

// A Decision is a person's answer to calls that wait.
type Decision struct {
	// Call is the call to decide about. "" means all waiting calls.
	Call event.CallRef
	// Approved lets the call run. A call in doubt runs again.
	Approved bool
	// Reason is the reason of a denial. The model reads it.
	Reason string
}

// input returns the decision as an input of a run.
func (d Decision) input(p runner.Pending) runner.Input {
	switch {
	case p.InDoubt && d.Approved:
		return p.RunAgain()
	case p.InDoubt:
		return p.Unknown()
	case d.Approved:
		return p.Approve()
	}
	return p.Deny(d.Reason)
}

var errAlready = errors.New("inbox: somebody was faster")

// Decide records a decision about the waiting calls of a request, and returns the calls
// that had no decision before. A worker in any process then continues the request.
func (in *Inbox) Decide(ctx context.Context, id int64, d Decision) (decided []runner.Pending, err error) {
	var r Request
	err = in.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if r, err = in.get(ctx, tx, id); err != nil {
			return err
		}
		if r.State != Paused && r.State != Decided {
			return fmt.Errorf("request %d %s: there is nothing to decide", id, r.State.Phrase())
		}
		decided = nil
		for _, p := range r.Pending {
			if d.Call != "" && d.Call != p.Call {
				continue
			}
			added, err := in.queue.Put(ctx, tx, queue.Job{Session: r.Session()}, d.input(p))
			if err != nil {
				return err
			}
			if added > 0 {
				decided = append(decided, p)
			}
		}
		if len(decided) == 0 {
			return errAlready // undoes the wake-ups
		}
		return nil
	})
	if errors.Is(err, errAlready) {
		return nil, in.notAsked(ctx, r, d.Call)
	}
	if err != nil {
		return nil, err
	}
	return decided, nil
}

// notAsked returns the reason why a call needs no decision. "" stands for all calls.
func (in *Inbox) notAsked(ctx context.Context, r Request, call event.CallRef) error {
	before, err := in.Decisions(ctx, r)
	if err != nil {
		return err
	}
	before = slices.DeleteFunc(before, func(d Decision) bool { return call != "" && d.Call != call })
	if len(before) == 0 {
		return fmt.Errorf("request %d does not ask about call %s", r.ID, call)
	}
	what := fmt.Sprintf("request %d", r.ID)
	if call != "" {
		what = fmt.Sprintf("call %s of request %d", call, r.ID)
	}
	return fmt.Errorf("%s was %s already; a worker goes on with it", what, summary(before))
}

// summary summarizes several decisions.
func summary(all []Decision) string {
	differs := func(d Decision) bool { return d.Approved != all[0].Approved }
	switch {
	case slices.ContainsFunc(all, differs):
		return "decided"
	case all[0].Approved:
		return "approved"
	}
	return "denied"
}

// Decisions returns the decisions about a request that wait for a worker.
func (in *Inbox) Decisions(ctx context.Context, r Request) (all []Decision, err error) {
	inputs, err := in.queue.Inputs(ctx, r.Session())
	for _, i := range inputs {
		// The JSON of an input is the same as in the table of the queue.
		body, merr := json.Marshal(i)
		var stored struct {
			Call                    event.CallRef
			Approval, Doubt, Reason string
		}
		if err := errors.Join(merr, json.Unmarshal(body, &stored)); err != nil {
			return nil, fmt.Errorf("inbox: %w", err)
		}
		if stored.Call != "" {
			approved := stored.Approval == "approve" || stored.Doubt == string(event.RunAgain)
			all = append(all, Decision{Call: stored.Call, Approved: approved, Reason: stored.Reason})
		}
	}
	return all, err
}
