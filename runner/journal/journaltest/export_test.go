package journaltest

import (
	"context"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Run makes every check that the store is fit for, and returns the errors by the
// checks' names.
func Run(ctx context.Context, open func() Store) map[string]error {
	broken := map[string]error{}
	for _, c := range checks {
		s := open()
		if c.unfit(s) != "" {
			continue
		}
		if err := c.run(ctx, s); err != nil {
			broken[c.name] = err
		}
	}
	return broken
}

// Names are those of the checks.
func Names() []string {
	var names []string
	for _, c := range checks {
		names = append(names, c.name)
	}
	return names
}

// Bodies are those of the events that stores are checked with.
func Bodies() []event.Body { return bodies() }
