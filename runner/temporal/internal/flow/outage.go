package flow

import (
	"encoding/json"
	"time"

	"go.temporal.io/sdk/workflow"
)

// maxOutagePause bounds the pauses between two requests to a model that is down.
const maxOutagePause = 5 * time.Minute

// maxSummary bounds the text that Temporal shows beside a timer, in bytes of its JSON. The
// server refuses 400 bytes, and a converter of the program may need more than the JSON.
const maxSummary = 200

// outlast waits for a model that is down. It returns the failure that ends the run, or nil: then
// the run goes on.
func (s *session) outlast(ctx workflow.Context, d *Down) *Failure {
	g := s.start.Going
	if d == nil {
		g.Outage = nil
		return nil
	}
	now := workflow.Now(ctx)
	if g.Outage == nil || d.Answered {
		g.Outage = &Outage{Since: now}
	}
	o := g.Outage
	o.Tries, o.Error = o.Tries+1, d.Failure.Text
	pause := max(min(time.Second<<min(o.Tries-1, 10), maxOutagePause), d.RetryAfter)
	left := o.Since.Add(d.Longest).Sub(now)
	if !g.Deadline.IsZero() {
		left = min(left, g.Deadline.Sub(now))
	}
	if pause > left {
		return &d.Failure
	}
	timer := workflow.NewTimerWithOptions(ctx, pause, workflow.TimerOptions{Summary: summary("the model is down: " + o.Error)})
	if timer.Get(ctx, nil) != nil {
		return Canceled()
	}
	return nil
}

// summary returns the beginning of a text that Temporal can show.
func summary(text string) string {
	runes := []rune(text)
	for n := min(len(runes), maxSummary); ; n-- {
		raw, err := json.Marshal(string(runes[:n]))
		if err != nil || len(raw) <= maxSummary {
			return string(runes[:n])
		}
	}
}
