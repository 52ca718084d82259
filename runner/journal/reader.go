package journal

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A Reader reads sessions without opening them: no lock and no lease, also while a run is
// going on, in this process or in another process. A Reader never keeps a writer from its
// work. A [Journal] need not be a Reader; the journals of this library are. A Reader is
// safe for concurrent use.
//
// A Reader sees a prefix of the recorded events, cut between two appends. The newest
// events may have come by an Append without sync, or by one that has not returned: after a
// crash of the machine, they can be gone.
type Reader interface {
	// List yields a summary of each session that has events and fits the filter, in the
	// order of the bytes of the names. A session that cannot be read is a pair with its name
	// and an error, and other sessions follow. Any other error is the last pair.
	List(ctx context.Context, f Filter) iter.Seq2[Summary, error]
	// Read yields the events behind the event with the Seq after, up to the last event at
	// the start of the loop. 0 yields all events. A session without events yields nothing.
	// An error is the last pair: a [*CorruptError] or a [*StoreError], or the cause of ctx.
	Read(ctx context.Context, session string, after int64) iter.Seq2[event.Event, error]
	// Watch is like Read, and then yields each event that comes, until ctx ends or the
	// caller leaves the loop. The end of ctx is the last pair, with its cause. The session
	// need not exist.
	Watch(ctx context.Context, session string, after int64) iter.Seq2[event.Event, error]
}

// A Filter selects sessions. The zero Filter selects all sessions.
type Filter struct {
	// Prefix begins the names of the sessions.
	Prefix string
	// After selects the names behind a name, in the order of bytes. For the next page, set
	// After to the last name of the page before.
	After string
	// Status is the status of the sessions. Empty means any.
	Status Status
	// Agent is the name of the agent. Empty means any.
	Agent string
	// ChangedSince and ChangedBefore bound the time of the last event: at or after the
	// first, before the second. Zero means no bound.
	ChangedSince, ChangedBefore time.Time
}

// fitsName reports whether a name can be that of a session that is wanted.
func (f Filter) fitsName(name string) bool {
	return name > f.After && strings.HasPrefix(name, f.Prefix)
}

// Fits reports whether the filter selects a session.
func (f Filter) Fits(s Summary) bool {
	return f.fitsName(s.Session) &&
		(f.Status == "" || f.Status == s.Status) && (f.Agent == "" || f.Agent == s.Agent) &&
		(f.ChangedSince.IsZero() || !s.Changed.Before(f.ChangedSince)) &&
		(f.ChangedBefore.IsZero() || s.Changed.Before(f.ChangedBefore))
}

// A Status says what a session is doing, as far as its events tell: Waiting, Running, Paused, Late,
// Finished or Failed. A session without events has the Status "".
type Status string

// The statuses.
const (
	Waiting  Status = "waiting"  // messages wait for a run
	Running  Status = "running"  // a run began and has not ended; its process may have died
	Paused   Status = "paused"   // calls wait for decisions of people
	Late     Status = "late"     // calls wait, all of them for results from outside
	Finished Status = "finished" // the last run finished
	Failed   Status = "failed"   // the last run failed
)

// A Summary is what a list says about a session.
type Summary struct {
	Session string    `json:"session,omitempty"`
	Seq     int64     `json:"seq"` // of the last event
	Status  Status    `json:"status"`
	Since   time.Time `json:"since"`           // of the status
	Changed time.Time `json:"changed"`         // the time of the last event
	Agent   string    `json:"agent,omitempty"` // of the last turn or run
	Said    bool      `json:"said,omitempty"`  // a message of runner.Session.Say waits for a turn
	Run     int       `json:"run"`             // number of the last run, from 1; 0: no run began
	// Until is the earliest time after which one of the calls of a Paused or Late session no
	// longer waits: a run then has something to do without an input. Zero means no such time.
	Until time.Time `json:"until,omitzero"`
}

// Add changes the summary by the next event of the session. Stores use Add; a summary
// needs only the events since the last RunStarted.
func (s *Summary) Add(e event.Event) {
	s.Seq, s.Changed = e.Seq, e.Time
	status := s.Status
	if e.Path != "" && !decides(e.Body) { // a decision about a helper's call, or its result, ends the pause of the outer run, too
		return
	}
	switch b := e.Body.(type) {
	case event.RunStarted:
		s.Run, s.Agent, s.Status = b.Run, b.Agent, ""
		status = Running
	case event.TurnPrepared:
		s.Agent, s.Said = b.Agent, false
	case event.RunPaused:
		if status = Paused; len(b.Late) > 0 && len(b.Late) == len(b.Calls) {
			status = Late
		}
	case event.ApprovalDecided, event.InDoubtDecided, event.ToolCallFinished:
		if status == Paused || status == Late {
			status = Running
		}
	case event.UserMessaged:
		if s.Said = s.Said || b.Said; status == "" || status == Finished || status == Failed {
			status = Waiting
		}
	case event.RunFinished:
		if status = Finished; s.Said {
			status = Waiting
		}
	case event.RunFailed:
		status = Failed
	}
	if status != s.Status {
		s.Status, s.Since, s.Until = status, e.Time, time.Time{}
	}
	if b, paused := e.Body.(event.RunPaused); paused && e.Path == "" {
		s.Until = b.Until
	}
}

func decides(b event.Body) bool {
	switch b.(type) {
	case event.ApprovalDecided, event.InDoubtDecided, event.ToolCallFinished:
		return true
	}
	return false
}

// watchPause is the time between two looks at a store that does not tell about new events.
const watchPause = 100 * time.Millisecond

// poll calls look, which yields what is new, again and again. more is false if the caller
// of the sequence has left.
func poll(ctx context.Context, look func() (more bool, err error)) error {
	tick := time.NewTicker(watchPause)
	defer tick.Stop()
	for {
		if more, err := look(); !more || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
