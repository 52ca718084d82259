package journaltest

import (
	"context"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Check runs one check.
func Check(ctx context.Context, name string, s Store) error {
	for _, c := range checks {
		if c.name == name && c.unfit(s) == "" {
			return c.run(ctx, s)
		}
	}
	return nil
}

// Names returns the names of the checks.
func Names() []string {
	var names []string
	for _, c := range checks {
		names = append(names, c.name)
	}
	return names
}

// Bodies returns the bodies of the events that every store must keep.
func Bodies() []event.Body { return bodies() }
