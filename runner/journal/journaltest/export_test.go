package journaltest

import (
	"context"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Check makes one check.
func Check(ctx context.Context, name string, s Store) error {
	for _, c := range checks {
		if c.name == name && c.unfit(s) == "" {
			return c.run(ctx, s)
		}
	}
	return nil
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
