package journal

import (
	"context"
	"fmt"
	"iter"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A Journal keeps the events of sessions. It is safe for concurrent use.
type Journal interface {
	// Open opens a session's log, which need not exist, and takes its lock or
	// lease: nobody else can open it until it is closed. If somebody has it
	// open, the error is a [*BusyError], at once.
	Open(ctx context.Context, session string) (Log, error)
}

// A Log is the events of one session, held open by one user.
type Log interface {
	// Events yields the events in the order of their Seq, from 1 without a gap.
	// An error is the last pair.
	Events(ctx context.Context) iter.Seq2[event.Event, error]
	// Append adds durable events, all or none. The Seq of the first names the
	// position that the caller expects: one more than that of the last event
	// kept, else nothing is added and the error is a [*ConflictError]. With
	// sync, the events survive a crash of the machine once Append has returned;
	// without, they do so at the latest with the next synced Append.
	// The journal does not keep or change the slice.
	Append(ctx context.Context, sync bool, events ...event.Event) error
	// Context ends when the lock or lease is lost, with the reason as its cause,
	// and when the log is closed.
	Context() context.Context
	// Close gives the lock or lease back. It may be called more than once.
	Close() error
}

// BusyError says that a session is open, here or elsewhere.
type BusyError struct {
	Session string
}

// Error names the session.
func (e *BusyError) Error() string {
	return fmt.Sprintf("journal: session %q is open: another run of it is going on", e.Session)
}

// ConflictError says that a log is not where the one who appends believes it
// is: somebody else wrote to it.
type ConflictError struct {
	Session string
	Want    int64 // the Seq of the next event of this log
	Got     int64 // the Seq that was to be appended
}

// Error names the session and the positions.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("journal: session %q: next event is %d, got %d", e.Session, e.Want, e.Got)
}
