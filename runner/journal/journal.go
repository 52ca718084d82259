package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A Journal keeps the events of sessions. It is safe for concurrent use.
type Journal interface {
	// Open opens a session's log, which need not exist, and takes its lock or
	// lease: nobody else can open it until it is closed. If somebody has it
	// open, the error is a [*BusyError], at once. A session whose events were
	// damaged is a [*CorruptError], and stays as it is; a store may find damage
	// inside an event only when it is read. A session that holds more than the store
	// opens is a [*SizeError].
	//
	// Names are not empty, valid UTF-8 and without NUL bytes; others are an
	// error. Two names are one session only if their bytes are equal.
	//
	// ctx is for opening alone: the log outlives it.
	Open(ctx context.Context, session string) (Log, error)
}

// A Log is the events of one session, held open by one user. Its methods may be
// called concurrently.
//
// A Log may have one method more, as those of this library do:
//
//	EventsAfter(ctx context.Context, after int64) iter.Seq2[event.Event, error]
//
// It is Events from behind the event with the Seq after: 0 yields all, and the last
// one or more yields none. A runner.Session uses it to read only what it has not seen.
type Log interface {
	// Events yields the events in the order of their Seq, from 1 without a gap:
	// those that are there when the loop begins. The loop body may append. An
	// error is the last pair; there is one if the log is closed.
	Events(ctx context.Context) iter.Seq2[event.Event, error]
	// Append adds durable events, all or none. The Seq of the first names the
	// position that the caller expects: one more than that of the last event
	// kept, else nothing is added and the error is a [*ConflictError]. With
	// sync, the events survive a crash of the machine once Append has returned;
	// without, they do so at the latest with the next synced Append, which may
	// be one of no events. Whatever survives is a prefix of what was appended,
	// cut between two appends.
	//
	// After an error nothing was added, and the same events can be appended
	// again; or it is not known, and then Context has ended as well. If ctx
	// ended before Append was called, nothing is added. The journal does not
	// keep or change the slice.
	Append(ctx context.Context, sync bool, events ...event.Event) error
	// Context ends when the lock or lease is lost or the log can no longer be
	// written to, with the reason as its cause, and when the log is closed. A
	// store that cannot be told of a loss notices it with the next synced
	// Append, which is refused.
	//
	// Its Err is asked right before each function of a tool. In a store with leases it
	// compares the lease with the clock there, by the larger of the monotonic and the
	// wall-clock difference: a process that was stopped for longer than its lease wakes
	// up before its timers have run.
	Context() context.Context
	// Close gives the lock or lease back. It may be called more than once. A
	// closed log holds no memory, file, connection or goroutine.
	Close() error
}

// BusyError says that a session is open, here or elsewhere.
type BusyError struct {
	Session string
	// Lease is how long a process that died keeps the session, if its leases last as
	// long as those of this store. 0: it does not keep it.
	Lease time.Duration
}

// Error names the session.
func (e *BusyError) Error() string {
	text := fmt.Sprintf("journal: session %q is open: another run of it is going on", e.Session)
	if e.Lease > 0 {
		text += fmt.Sprintf(", or its process died less than %v ago", e.Lease)
	}
	return text
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

// conflict says whether events do not follow the one before next.
func conflict(session string, next int64, events []event.Event) error {
	for i, e := range events {
		if want := next + int64(i); e.Seq != want {
			return &ConflictError{Session: session, Want: want, Got: e.Seq}
		}
	}
	return nil
}

// CorruptError says that what is kept of a session is not what was written. The
// store leaves it as it is, and does not open the session.
type CorruptError struct {
	Session string
	Seq     int64  // the first event that cannot be trusted, counted from 1
	Place   string // where that is in the store, such as a file and a line of it
	Reason  string
}

// Error names the session, the position and the place.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal: session %q: event %d is damaged: %s: %s", e.Session, e.Seq, e.Place, e.Reason)
}

// SizeError says that a session holds more than its store opens. It stays as it is.
// A session is held in memory while a run of it goes on, where it takes several times
// what it takes in the store.
//
// To go on, open it with a higher limit, or read it with one (runner.Session.Messages)
// and begin a new session with that part of the conversation which still matters.
type SizeError struct {
	Session string
	Bytes   int64 // what it holds, as it is kept
	Max     int64
}

// Error names the session and the sizes.
func (e *SizeError) Error() string {
	return fmt.Sprintf("journal: session %q holds %d bytes, and at most %d are opened: raise MaxBytes, or go on in a new session", e.Session, e.Bytes, e.Max)
}

// DefaultMaxBytes is how much a session may hold if its store does not say so.
const DefaultMaxBytes = 512 << 20

// CheckSize holds a session to a limit: 0 is DefaultMaxBytes, below 0 there is none.
// The error is a [*SizeError].
func CheckSize(session string, bytes, limit int64) error {
	if limit = cmp.Or(limit, DefaultMaxBytes); limit > 0 && bytes > limit {
		return &SizeError{Session: session, Bytes: bytes, Max: limit}
	}
	return nil
}

// StoreError says that the store could not do what it was asked for, such as a
// disk that is full.
type StoreError struct {
	Session string
	Seq     int64 // of the first event that was to be written or read; 0: of none, when opening or closing
	Err     error
}

// Error names the session, the position and the cause.
func (e *StoreError) Error() string {
	if e.Seq == 0 {
		return fmt.Sprintf("journal: session %q: %v", e.Session, e.Err)
	}
	return fmt.Sprintf("journal: session %q: event %d: %v", e.Session, e.Seq, e.Err)
}

// Unwrap returns the cause.
func (e *StoreError) Unwrap() error { return e.Err }

var errClosed = errors.New("journal: the log is closed")

// CheckName holds what [Journal] says of names, so that every store can keep
// every name as text.
func CheckName(session string) error {
	switch {
	case session == "":
		return errors.New("journal: the session has no name")
	case !utf8.ValidString(session) || strings.ContainsRune(session, 0):
		return fmt.Errorf("journal: the session's name %q is no UTF-8, or has a NUL byte", session)
	}
	return nil
}
