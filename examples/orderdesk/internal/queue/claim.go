package queue

import (
	"context"
	"errors"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// errTaken says that the request already has a worker.
var errTaken = errors.New("another worker has taken the request")

// A claim is a journal that opens the session of a request for a run. Once the claim
// has the lease on the session, it checks again whether the request needs a worker,
// because only then no other worker can take the request.
type claim struct {
	journal.Journal                                     // embedded: a claim changes only Open
	begin           func(context.Context) (bool, error) // marks the request as taken
	fresh           bool                                // the run begins with the text of the request, which must happen once
}

func (c claim) Open(ctx context.Context, session string) (journal.Log, error) {
	log, err := c.Journal.Open(ctx, session)
	if err != nil {
		return nil, err
	}
	if err := c.check(ctx, log); err != nil {
		_ = log.Close()
		return nil, err
	}
	return log, nil
}

func (c claim) check(ctx context.Context, log journal.Log) error {
	if c.fresh {
		for _, err := range log.Events(ctx) {
			return errors.Join(errTaken, err)
		}
	}
	if mine, err := c.begin(ctx); err != nil || !mine {
		return errors.Join(errTaken, err)
	}
	return nil
}
