package queue

import (
	"context"
	"errors"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// errTaken says that somebody else was faster.
var errTaken = errors.New("another worker had the request meanwhile")

// A claim is a journal that opens the session of a request for a run. It looks
// once more whether there is something to do when it has the lease, since only
// then nobody else can do it.
type claim struct {
	journal.Journal
	begin func(context.Context) (bool, error) // marks the request as taken
	fresh bool                                // the request is to be said, which must happen once
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
