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
	// Open opens the log of a session and takes its lock or lease. The session need not
	// exist. Nobody else can open the session until the log is closed.
	//
	//   - If the log of the session is open already, in any process, Open returns a
	//     [*BusyError] at once.
	//   - A damaged session is a [*CorruptError] and stays unchanged. A store may find
	//     damage inside an event only when the event is read.
	//   - A session above the size limit of the store is a [*SizeError].
	//   - A name is valid UTF-8, not empty and without NUL bytes. Other names are an
	//     error. Equal bytes name the same session.
	//
	// ctx is for opening alone: the log outlives ctx.
	Open(ctx context.Context, session string) (Log, error)
}

// A Log is the open log of a session. Its methods may be called concurrently.
//
// A Log may have three methods more, as the logs of this library do:
//
//	EventsAfter(ctx context.Context, after int64) iter.Seq2[event.Event, error]
//	LoadState(ctx context.Context) (seq int64, state []byte, err error)
//	SaveState(ctx context.Context, seq int64, state []byte) error
//
// EventsAfter is like Events, but begins behind the event with that Seq. 0 yields all
// events. A runner.Session uses EventsAfter to read only new events.
//
// LoadState returns what the last SaveState of the session kept, also in an earlier opening:
// JSON of the runner, and the Seq of the event that it stands for. 0 means that nothing is
// kept. A runner.Session saves a state now and then, so that opening the session costs by
// the length of the conversation and not of its past. A state may be lost at any time, but
// never changed; it needs no sync. The caller keeps the slices.
type Log interface {
	// Events yields the events in the order of their Seq, from 1 without a gap, up to the
	// last event at the start of the loop. The loop body may append. An error is the last
	// pair. A closed log yields an error.
	Events(ctx context.Context) iter.Seq2[event.Event, error]
	// Append adds durable events, all or none.
	//
	//   - The Seq of the first event names the position that the caller expects: the Seq of
	//     the last stored event plus one. At any other position nothing is added, and the
	//     error is a [*ConflictError].
	//   - With sync, the events survive a crash of the machine when Append has returned.
	//     Without sync, they survive at the latest after the next synced Append, which may
	//     have no events. The surviving events are always a prefix, cut between two appends.
	//   - After an error, look at Context. If Context has not ended, nothing was added, and
	//     the same events can be appended again. If Context has ended, it is not known
	//     whether the events were added: open the session again.
	//   - If ctx ended before the call, nothing is added.
	//   - The journal neither keeps nor changes the slice.
	Append(ctx context.Context, sync bool, events ...event.Event) error
	// Context ends when the log is closed, when the lock or lease is lost, or when the log
	// can no longer be written to. The cause of the context is the reason. If a store
	// cannot notice at once that the lock is lost, the store must refuse the next synced
	// Append.
	//
	// The runner calls Context().Err() right before it invokes the function of a tool. In a
	// store with leases, Err itself checks whether the lease has run out. Err measures the
	// time since the last renewal with the monotonic clock and with the wall clock, and the
	// larger value counts. A timer is not enough: a process that was stopped may continue
	// before its timers fire.
	Context() context.Context
	// Close gives the lock or lease back. Close may be called more than once. A closed log
	// holds no memory, file, connection or goroutine.
	Close() error
}

// BusyError says that the log of a session is open, in this process or in another process.
type BusyError struct {
	Session string
	// Lease is how long the session stays blocked if the process that holds the session
	// has died. Lease assumes that this process used the same lease time as the store that
	// returned the error. 0 means that a dead process blocks nothing.
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

// ConflictError says that a log is not at the position that the caller expects:
// somebody else wrote to the log.
type ConflictError struct {
	Session string
	Want    int64 // the Seq of the next event of this log
	Got     int64 // the Seq that was to be appended
}

// Error names the session and the positions.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("journal: session %q: next event is %d, got %d", e.Session, e.Want, e.Got)
}

// conflict returns an error unless the events continue at next.
func conflict(session string, next int64, events []event.Event) error {
	for i, e := range events {
		if want := next + int64(i); e.Seq != want {
			return &ConflictError{Session: session, Want: want, Got: e.Seq}
		}
	}
	return nil
}

// CorruptError says that the stored events of a session are damaged. The store leaves
// them unchanged and does not open the session.
type CorruptError struct {
	Session string
	Seq     int64  // the first event that cannot be trusted, counted from 1
	Place   string // the place in the store, such as a file and a line
	Reason  string
}

// Error names the session, the position and the place.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal: session %q: event %d is damaged: %s: %s", e.Session, e.Seq, e.Place, e.Reason)
}

// SizeError says that a session is larger than the limit up to which the store opens
// sessions. The session stays unchanged. The limit exists because a run keeps the session
// in memory, where the session takes several times its stored size.
//
// To continue, raise the limit of the store, or read the session with a higher limit
// (runner.Session.Messages) and begin a new session with the part of the conversation
// that still matters.
type SizeError struct {
	Session string
	Bytes   int64 // the stored size
	Max     int64
}

// Error names the session and the sizes.
func (e *SizeError) Error() string {
	return fmt.Sprintf("journal: session %q holds %d bytes, and at most %d are opened: raise MaxBytes, or go on in a new session", e.Session, e.Bytes, e.Max)
}

// DefaultMaxBytes is the default limit on the size of a session.
const DefaultMaxBytes = 512 << 20

// CheckSize returns a [*SizeError] if a session is above a limit. Limit 0 means
// DefaultMaxBytes, and a negative limit means no limit.
func CheckSize(session string, bytes, limit int64) error {
	if limit = cmp.Or(limit, DefaultMaxBytes); limit > 0 && bytes > limit {
		return &SizeError{Session: session, Bytes: bytes, Max: limit}
	}
	return nil
}

// StoreError says that an operation of the store failed, for example because the disk
// is full.
type StoreError struct {
	Session string
	Seq     int64 // of the first event to write or read; 0 for opening and closing
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

// CheckName checks the rules of [Journal] for names, so that every store can keep every
// name as text.
func CheckName(session string) error {
	switch {
	case session == "":
		return errors.New("journal: the session has no name")
	case !utf8.ValidString(session) || strings.ContainsRune(session, 0):
		return fmt.Errorf("journal: the session's name %q is not valid UTF-8, or has a NUL byte", session)
	}
	return nil
}
