package serve

import (
	"net/http"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Tell writes events as a page reads them, of one run or several.
func (c *Chat) Tell(w http.ResponseWriter, agui bool, events []event.Event) error {
	var to writer = newUIWriter(c, w)
	if agui {
		ag := newAGWriter(c, w, "c", "r")
		if err := ag.begin(nil); err != nil {
			return err
		}
		to = ag
	}
	var err error
	t := teller{tell: func(p piece) {
		if err == nil && p.kind != aUser {
			err = to.write(p)
		}
	}}
	for _, e := range events {
		t.add(c.public(e))
	}
	if err == nil {
		err = to.flush()
	}
	return err
}
