package loop

import (
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A wait is what an open call waits for.
type wait struct {
	handle string    // of a deferred call
	until  time.Time // zero: for ever
}

// Handle returns the tool's name for what a deferred call waits for.
func (c *Call) Handle() string {
	return c.checked().wait.handle
}

// Until returns the time after which the call no longer waits, for approval or for its
// result. Zero means for ever.
func (c *Call) Until() time.Time {
	if c.Status != Asked && c.Status != Late {
		return time.Time{}
	}
	return c.checked().wait.until
}

// waitFor sets what the call waits for.
func (c *Call) waitFor(handle string, until time.Time) {
	if handle != "" || !until.IsZero() || c.verdicts != nil {
		v := c.checked()
		v.wait = wait{handle, until}
		c.verdicts = &v
	}
}

// callDeferred may come again for a call that is Late already: the tool has another time.
func (s *State) callDeferred(b event.ToolCallDeferred, at time.Time) error {
	c := s.call(b.Call)
	if c == nil || c.Status != Started && c.Status != Late || c.Nested != nil || !s.callsCanChange() {
		return errOrder
	}
	c.Status = Late
	c.waitFor(b.Handle, b.Until)
	if !b.Began.IsZero() { // the wait for the result is no work
		s.longest = max(s.longest, at.Sub(b.Began))
	}
	return nil
}

// TakesResult reports whether a result from outside can be that of the call: the call waits
// for it, or is in doubt, or may have had its effect in an earlier attempt.
func (c *Call) TakesResult() bool {
	return c.Status == Late || c.Status == Started && c.Nested == nil || c.MayHaveRun && c.Status != Finished
}

// ID identifies the call among all calls of all sessions, but for forks of a session.
func (c *Call) ID() string { return c.RunID + "/" + string(c.Ref) }

// maxEnds bounds the ends that a session remembers.
const maxEnds = 1000

// An End is the end of a call whose result came, or was to come, from outside.
type End struct {
	ID    string // of the call
	Given int64  // of the ToolCallFinished; 0: the call ended without its result
	Done  int    // the first run of the session that finished after that; 0: none
}

// End returns the end of such a call, by the id of the call. The session remembers the
// newest 1,000.
func (s *State) End(id string) (end End, known bool) {
	if s.office == nil {
		return end, false
	}
	i := slices.IndexFunc(s.office.ends, func(e End) bool { return e.ID == id })
	if i < 0 {
		return end, false
	}
	return s.office.ends[i], true
}

// keepEnd notes the end of a call, and of the deferred calls in the helper's run whose call
// it is.
func (s *State) keepEnd(c *Call, given *event.Given) {
	if c.Nested != nil {
		for _, below := range c.Nested.OpenBelow() {
			s.keepEnd(&below, nil)
		}
	}
	if c.Status != Late && given == nil {
		return
	}
	end := End{ID: c.ID()}
	if given != nil {
		end.Given = given.Checksum
	}
	s.inOffice(func(o *office) {
		ends := o.ends
		if n := len(ends) - maxEnds; n >= 0 {
			ends = ends[n+1:]
		}
		o.ends = append(ends, end)
	})
}

// finishEnds notes the end of a run of the session.
func (s *State) finishEnds() {
	if s.office == nil || !slices.ContainsFunc(s.office.ends, func(e End) bool { return e.Done == 0 }) {
		return
	}
	s.inOffice(func(o *office) {
		o.ends = slices.Clone(o.ends)
		for i := range o.ends {
			if o.ends[i].Done == 0 {
				o.ends[i].Done = s.Run
			}
		}
	})
}
