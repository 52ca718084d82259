package loop

import (
	"slices"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Try returns the error of Apply for events in a row, and changes nothing. The events are those
// of an answer of the caller and the messages beside it.
func (s *State) Try(events []event.Event) error {
	c := s.Snapshot()
	c.Messages = slices.Clone(c.Messages) // Apply can change a message in place
	c.office, c.Partial = c.office.clipped(), c.Partial.clipped()
	c.adopt()
	for _, e := range events {
		if err := c.Apply(e); err != nil {
			return err
		}
	}
	return nil
}
