package flow

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// isOld reports whether the session should continue as a new execution.
func (s *session) isOld(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return info.GetContinueAsNewSuggested() || isAbove(ctx, fullSize, fullLength) ||
		s.updates >= maxSays || s.start.MaxHistory > 0 && info.GetCurrentHistoryLength() >= s.start.MaxHistory
}

// Bounds of the history, below those at which the server terminates an execution: 50 MB and
// 51,200 events. A session above a bound that cannot continue as a new execution, now or at all,
// takes no messages; above the second bounds, its run fails.
const (
	fullSize, fullLength = 30 << 20, 30_000
	lastSize, lastLength = 45 << 20, 45_000
)

// maxSays bounds the updates before a message. The server takes 2,000 updates, and decisions and
// results from outside need the rest.
const maxSays = 1500

// packEvery is the number of bytes after which new events are packed. Packing a long log at
// once takes so long that Temporal's SDK takes the workflow for hung.
const packEvery = 256 << 10

// A packed is a log in a compressed form, as far as the log was packed.
type packed struct {
	data   []byte
	events int // in data
	size   int // of the events behind, in bytes
	whole  int // of all events, in bytes
}

// add adds events to the log.
func (s *session) add(events []json.RawMessage) {
	s.log = append(s.log, events...)
	n := bytesOf(events)
	s.packed.size += n
	s.packed.whole += n
	if s.packed.size >= packEvery {
		s.pack()
	}
}

func bytesOf(events []json.RawMessage) (n int) {
	for _, e := range events {
		n += len(e)
	}
	return n
}

// pack packs the events that are not packed yet, unless the log is too long.
func (s *session) pack() {
	p := &s.packed
	if s.tooLong || p.events == len(s.log) {
		return
	}
	data, err := compress(s.log[p.events:])
	p.data, p.events, p.size = append(p.data, data...), len(s.log), 0
	if err != nil || len(p.data) > maxPacked || p.whole > maxLog {
		s.tooLong, p.data = true, nil
	}
}

// fits reports whether the log and the inputs that wait fit into the arguments of the next
// execution. If the log alone does not fit, the answer no is final, because the log only grows.
func (s *session) fits(waiting []*input) bool {
	s.pack()
	return !s.tooLong && len(s.packed.data)+size(waiting) <= maxArguments
}

// isAbove reports whether the history is larger than a bound.
func isAbove(ctx workflow.Context, size, length int) bool {
	info := workflow.GetInfo(ctx)
	return info.GetCurrentHistorySize() > size || info.GetCurrentHistoryLength() > length
}

// full returns the error of a full history.
func (s *session) full() error {
	if s.tooLong {
		return temporal.NewNonRetryableApplicationError(tooLarge, FullType, nil)
	}
	return temporal.NewNonRetryableApplicationError("the history is full until the next turn", BusyType, nil)
}

const tooLarge = "the session is too large for Temporal: end it with Session.End, and begin a new conversation with what is needed of this one; keep files and long results outside, and give the model references"

// next returns the error with which the session continues as a new execution, or nil if it
// must go on in this one: an input waits, the session is to be closed, or the arguments are too long.
func (s *session) next(ctx workflow.Context) error {
	if !s.fits(s.inputs) {
		return nil
	}
	s.renew = true
	var late []*input
	if s.start.Going != nil { // the inputs go on waiting in the next execution
		late, s.inputs = s.inputs, nil
		for _, p := range late {
			p.orphan = true
		}
	}
	err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) || len(s.inputs) > 0 })
	if err != nil {
		return err
	}
	if err := settle(ctx); err != nil {
		return err
	}
	if over := s.ended && s.start.Going == nil; over || len(s.inputs) > 0 || !s.fits(late) {
		s.renew, s.inputs = false, append(late, s.inputs...)
		return nil
	}
	for _, p := range late {
		s.start.Late = append(s.start.Late, p.Ticket)
	}
	s.start.Ended, s.start.Commands = s.ended, Commands
	return workflow.NewContinueAsNewError(ctx, SessionName, s.start, s.packed.data)
}

// settle lets the other goroutines of the workflow take what the same task brought: an execution
// that is over would lose a signal.
func settle(ctx workflow.Context) error {
	settled := false
	workflow.Go(ctx, func(workflow.Context) { settled = true }) // runs after the older goroutines
	return workflow.Await(ctx, func() bool { return settled })
}

// compress returns events in a compressed form. Two such forms, one behind the other, are a
// form of all their events.
func compress(events []json.RawMessage) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if err := json.NewEncoder(w).Encode(events); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// unpack returns a packed log.
func unpack(data []byte) (log []json.RawMessage, err error) {
	if len(data) == 0 {
		return nil, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("log of the session: %w", err)
	}
	for d := json.NewDecoder(r); ; {
		var part []json.RawMessage
		switch err := d.Decode(&part); {
		case errors.Is(err, io.EOF):
			return log, nil
		case err != nil:
			return nil, fmt.Errorf("log of the session: %w", err)
		}
		log = append(log, part...)
	}
}
