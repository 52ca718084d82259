package runner

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/internal/opening"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// storeBound is how long a journal may take for one thing; when a session is opened,
// for each step that it makes: that a session is large, or that others are opened at
// the same time, is no fault of the store. An append is not cut short by the end of the
// run, since what happened is worth recording then, too.
const storeBound = 30 * time.Second

// readAtOnce bounds the events of one batch.
const readAtOnce = 256

// A boundLog bounds the waits for the log of a journal. It leaves a method behind that
// ignores the end of its context. After that it does not use the log any more, because
// nobody knows whether the method added events. It closes the log when the method
// returns.
type boundLog struct {
	journal.Log
	engine *engine

	mu   sync.Mutex
	lost error           // the reason not to use the log any more
	late <-chan struct{} // closed when the abandoned method returns
}

type none = struct{}

// openLog opens the session's log. It closes a log that comes too late.
func (e *engine) openLog(ctx context.Context, j journal.Journal) (journal.Log, error) {
	r := invoke.Apart(ctx, func(context.Context, here) (journal.Log, error) {
		return j.Open(ctx, e.session) // with ctx itself: the inner context ends with this call
	})
	if r.Left {
		go func() { // it ends when Open returns
			if late := <-r.Late; late.Err == nil && late.Value != nil {
				_ = late.Value.Close() // the caller is gone
			}
		}()
		return nil, e.hung(ctx, "Open")
	}
	r.Resume()
	if r.Err != nil {
		return nil, r.Err
	}
	bound := &boundLog{Log: r.Value, engine: e}
	if t, ok := r.Value.(tail); ok {
		return &boundTail{bound, t}, nil
	}
	return bound, nil
}

// hung is the error for a method of the journal that was left behind.
func (e *engine) hung(ctx context.Context, what string) error {
	e.logger.Warn("journal left behind: it ignores its context", "in", what)
	return fmt.Errorf("the journal did not return from %s: %w", what, causeOf(ctx))
}

// ask calls f, which calls one method of the log.
func (l *boundLog) ask(ctx context.Context, what string, f func(context.Context, here) error) error {
	if err := l.gone(); err != nil {
		return err
	}
	r := invoke.Apart(ctx, func(ctx context.Context, h here) (none, error) { return none{}, f(ctx, h) })
	if r.Left {
		return l.lose(l.engine.hung(ctx, what), r.Late)
	}
	r.Resume()
	return r.Err
}

func (l *boundLog) gone() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

func (l *boundLog) lose(err error, late <-chan invoke.Return[none]) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == nil {
		returned := make(chan struct{})
		go func() { // it ends when the method returns
			<-late
			close(returned)
		}()
		l.lost, l.late = err, returned
	}
	return err
}

// Append calls Append of the log.
func (l *boundLog) Append(ctx context.Context, sync bool, events ...event.Event) error {
	return l.ask(ctx, "Append", func(ctx context.Context, _ here) error { return l.Log.Append(ctx, sync, events...) })
}

// Events yields the events of the log.
func (l *boundLog) Events(ctx context.Context) iter.Seq2[event.Event, error] {
	return l.read(ctx, "Events", l.Log.Events)
}

// A boundTail is a boundLog that can read from a position on.
type boundTail struct {
	*boundLog
	tail tail
}

// EventsAfter yields the events of the log after a position.
func (l *boundTail) EventsAfter(ctx context.Context, after int64) iter.Seq2[event.Event, error] {
	return l.read(ctx, "EventsAfter", func(ctx context.Context) iter.Seq2[event.Event, error] { return l.tail.EventsAfter(ctx, after) })
}

// read yields events. It hands them to the caller's goroutine in batches: one switch
// of goroutines for each event costs more.
func (l *boundLog) read(ctx context.Context, what string, events func(context.Context) iter.Seq2[event.Event, error]) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		more := true
		err := l.ask(ctx, what, func(ctx context.Context, h here) error {
			var batch []event.Event
			size := 1 // a caller may stop after the first event
			flush := func() {
				h(func() {
					for _, ev := range batch {
						more = more && yield(ev, nil)
					}
				})
				batch, size = batch[:0], min(2*size, readAtOnce)
			}
			for ev, err := range events(ctx) {
				opening.Progress(ctx)
				if err != nil {
					flush()
					return err
				}
				if batch = append(batch, ev); len(batch) == size {
					flush()
				}
				if !more || ctx.Err() != nil { // the caller stopped, or left
					return ctx.Err()
				}
			}
			flush()
			return nil
		})
		if err != nil && more {
			yield(event.Event{}, err)
		}
	}
}

// Close closes the log, at once or when the abandoned method returns.
func (l *boundLog) Close() error {
	l.mu.Lock()
	late := l.late
	l.mu.Unlock()
	if late != nil {
		go func() { // it ends when the method returns
			<-late
			_ = l.Log.Close() // the run already reported the method
		}()
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeBound)
	defer cancel()
	return l.ask(ctx, "Close", func(context.Context, here) error { return l.Log.Close() })
}
