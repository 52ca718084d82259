package journaltest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

const session = "order-42"

// note makes an event with a text.
func note(seq int64, text string) event.Event {
	return event.Event{Seq: seq, Time: moment.Add(time.Duration(seq)), Body: event.UserMessaged{Message: llm.User(text)}}
}

// notes makes n events from position first on.
func notes(first int64, n int) []event.Event {
	events := make([]event.Event, n)
	for i := range events {
		seq := first + int64(i)
		events[i] = note(seq, fmt.Sprintf("message %d", seq))
	}
	return events
}

// with opens a session, calls do and closes the session.
func with(ctx context.Context, j journal.Journal, session string, do func(journal.Log) error) error {
	log, err := j.Open(ctx, session)
	if err != nil {
		return fmt.Errorf("open %.40q: %w", session, err)
	}
	if err := do(log); err != nil {
		_ = log.Close()
		return err
	}
	if err := log.Close(); err != nil {
		return fmt.Errorf("close %.40q: %w", session, err)
	}
	return nil
}

// kept checks the events that a new process reads from a session.
func kept(ctx context.Context, s Store, session string, want []event.Event) error {
	return with(ctx, s.Open(), session, func(log journal.Log) error { return holds(ctx, log, want) })
}

// holds checks the events of a log.
func holds(ctx context.Context, log journal.Log, want []event.Event) error {
	return same(log.Events(ctx), want)
}

func same(events iter.Seq2[event.Event, error], want []event.Event) error {
	i := 0
	for e, err := range events {
		if err != nil {
			return fmt.Errorf("reading event %d: %w", i+1, err)
		}
		if i == len(want) {
			return fmt.Errorf("there are events after the last one, %d: %s", len(want), brief(e))
		}
		if !reflect.DeepEqual(e, want[i]) { // DeepEqual is fast, but only the JSON decides
			if got, want := brief(e), brief(want[i]); got != want {
				return fmt.Errorf("event %d was changed:\n got %s\nwant %s", i+1, cut(got), cut(want))
			}
		}
		i++
	}
	if i < len(want) {
		return fmt.Errorf("%d events were read, %d are kept", i, len(want))
	}
	return nil
}

// brief returns the JSON of an event.
func brief(e event.Event) string {
	data, err := e.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// cut shortens a text for a message.
func cut(text string) string {
	if len(text) > 2000 {
		text = text[:1000] + " … " + text[len(text)-1000:]
		return strings.ToValidUTF8(text, "") // a cut can split a character
	}
	return text
}

// add appends events in batches of n.
func add(ctx context.Context, log journal.Log, sync bool, n int, events []event.Event) error {
	for len(events) > 0 {
		n := min(n, len(events))
		if err := log.Append(ctx, sync, events[:n]...); err != nil {
			return fmt.Errorf("append of %d events from %d: %w", n, events[0].Seq, err)
		}
		events = events[n:]
	}
	return nil
}

// refuses checks that a log refuses an append because of its position.
func refuses(ctx context.Context, log journal.Log, want journal.ConflictError, events ...event.Event) error {
	for _, sync := range []bool{false, true} {
		err := log.Append(ctx, sync, events...)
		got, ok := errors.AsType[*journal.ConflictError](err)
		if !ok {
			return fmt.Errorf("append of event %d, where %d is next: got error %s, want a *ConflictError", want.Got, want.Want, fmt.Sprint(err))
		}
		if *got != want {
			return fmt.Errorf("append of event %d, where %d is next: the error says %+v, want %+v", want.Got, want.Want, *got, want)
		}
	}
	return nil
}

// isBusy checks that a session cannot be opened.
func isBusy(ctx context.Context, j journal.Journal, session string) error {
	log, err := j.Open(ctx, session)
	if err == nil {
		_ = log.Close()
		return fmt.Errorf("session %q was opened a second time", session)
	}
	got, ok := errors.AsType[*journal.BusyError](err)
	if !ok || got.Session != session {
		return fmt.Errorf("session %q is open: got error %s, want a *BusyError that names it", session, fmt.Sprint(err))
	}
	return nil
}

// firstOf returns the first error.
func firstOf(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// large makes a text of n bytes that compresses badly and has every kind of character
// that JSON escapes.
func large(n int, seed uint64) string {
	var b strings.Builder
	const unit = "\"\\\n\x00<&>\u2028é😀 "
	for b.Len() < n-64 {
		seed = seed*6364136223846793005 + 1442695040888963407
		fmt.Fprintf(&b, "%x%s", seed, unit)
	}
	b.WriteString(strings.Repeat("x", n-b.Len()))
	return b.String()
}
