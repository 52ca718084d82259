package journal

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A Deleter deletes sessions. A [Journal] need not be a Deleter; the journals of this
// library are.
type Deleter interface {
	// Delete removes a session with all its events. A session that does not exist is no
	// error.
	//
	// seq is the Seq of the last event that the caller knows. If the session has other
	// events, it stays, and the error is a [*ConflictError]; so nothing is lost that came
	// after an [Export]. −1 deletes the session in any case. If the session is open, the
	// error is a [*BusyError].
	//
	// After Delete, the name is that of a new session: keys of runner.Once are forgotten.
	Delete(ctx context.Context, session string, seq int64) error
}

// Export writes a session as JSON lines, in the form of the files of [Dir]: a header with
// the name of the session, and a line with a checksum for each event. It returns the Seq of
// the last event, or 0 for a session without events, of which nothing is written.
//
// Export reads without a lock if j is a [Reader], and opens the session otherwise. To
// archive a session, export it and then delete it with the returned Seq.
func Export(ctx context.Context, j Journal, session string, to io.Writer) (seq int64, err error) {
	events, err := readAll(ctx, j, session)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	text, err := encodeAppend(encodeHeader(session), 0, events)
	if err == nil {
		_, err = to.Write(text)
	}
	if err != nil {
		return 0, fmt.Errorf("journal: export of session %q: %w", session, err)
	}
	return int64(len(events)), nil
}

// Import adds a session that [Export] has written, or a file of a [Dir]. session is the new
// name; empty means the name in the header. Import returns the name. All events are added
// by one append, or none.
//
// Import checks every line. A text that is damaged or cut off is a [*CorruptError]. If the
// session has events, the error is a [*ConflictError]; if it is open, a [*BusyError]. Calls
// of the session get other idempotency keys under another name.
func Import(ctx context.Context, j Journal, session string, from io.Reader) (name string, err error) {
	in := bufio.NewReader(from)
	raw, err := readLine(in)
	if err != nil {
		return "", fmt.Errorf("journal: import: %w", err)
	}
	h, err := parseHeader(bytes.TrimSuffix(raw, []byte("\n")))
	if err == nil && h.Version > formatVersion {
		err = errNewer
	}
	if err != nil {
		return "", fmt.Errorf("journal: import: line 1: %w", err)
	}
	if session == "" {
		session = h.Session
	}
	var events []event.Event
	s := &scan{session: session, path: "import", next: 1, lines: 1}
	for left := -1; ; {
		raw, err := readLine(in)
		if err == nil && len(raw) == 0 && left > 0 {
			err = s.corrupt(s.next, errors.New("the end is missing"))
		}
		if err != nil {
			return "", fmt.Errorf("journal: import: %w", err)
		}
		if len(raw) == 0 {
			break
		}
		s.lines++
		e, f, err := importLine(s, raw)
		if err == nil && left > 0 && f.left != left-1 {
			err = s.corrupt(s.next, errFrame)
		}
		if err != nil {
			return "", fmt.Errorf("journal: import: %w", err)
		}
		events, left = append(events, e), f.left
		s.next++
	}
	if len(events) == 0 {
		return "", fmt.Errorf("journal: import: %w", s.corrupt(1, errors.New("the end is missing")))
	}
	return session, addAll(ctx, j, session, events)
}

// importLine reads the line of the next event.
func importLine(s *scan, raw []byte) (e event.Event, f frame, err error) {
	line, ended := bytes.CutSuffix(raw, []byte("\n"))
	if !ended {
		return e, f, s.corrupt(s.next, errors.New("the line is cut off"))
	}
	if f, err = parseFrame(line); err == nil && f.seq != s.next {
		err = fmt.Errorf("the line is that of event %d", f.seq)
	}
	if err != nil {
		return e, f, s.corrupt(s.next, err)
	}
	return e, f, e.UnmarshalJSON(line)
}

// Fork makes a new session of the first events of a session, up to the event with the Seq
// last: for another try, or for a test. The session stays as it is, and the new session has
// no connection with it. 0 copies all events.
//
// The new session is like the session of a process that died at that event: a run continues
// it, and calls without a recorded end are in doubt. Calls get other idempotency keys,
// because a key has the name of the session: their effects happen again.
//
// If the session has no event with that Seq, nothing is copied, and there is an error. If
// the new session has events, the error is a [*ConflictError].
func Fork(ctx context.Context, j Journal, session string, last int64, fork string) error {
	events, err := readAll(ctx, j, session)
	if err != nil {
		return err
	}
	if last == 0 {
		last = int64(len(events))
	}
	if last < 1 || last > int64(len(events)) {
		return fmt.Errorf("journal: session %q has no event %d, but %d events", session, last, len(events))
	}
	return addAll(ctx, j, fork, events[:last])
}

// readAll returns the events of a session, without opening it if possible.
func readAll(ctx context.Context, j Journal, session string) (events []event.Event, err error) {
	if err := CheckName(session); err != nil {
		return nil, err
	}
	collect := func(seq iter.Seq2[event.Event, error]) error {
		for e, err := range seq {
			if err != nil {
				return err
			}
			events = append(events, e)
		}
		return nil
	}
	if r, ok := j.(Reader); ok {
		return events, collect(r.Read(ctx, session, 0))
	}
	log, err := j.Open(ctx, session)
	if err != nil {
		return nil, err
	}
	return events, errors.Join(collect(log.Events(ctx)), log.Close())
}

// addAll makes a session of events.
func addAll(ctx context.Context, j Journal, session string, events []event.Event) error {
	log, err := j.Open(ctx, session)
	if err != nil {
		return err
	}
	return errors.Join(log.Append(ctx, true, events...), log.Close())
}
