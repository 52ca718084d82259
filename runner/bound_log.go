package runner

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/internal/opening"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// storeBound is the time of a journal for one operation, and for each step of opening a
// session: a large session, and other sessions that open at the same time, are not the
// fault of the store. The end of the run does not cut an append short.
const storeBound = 30 * time.Second

// readAtOnce bounds the events of one batch.
const readAtOnce = 256

// A boundLog bounds the waits for the log of a journal. If a method ignores the end of
// its context, the boundLog leaves the method behind. From then on nobody knows whether
// the method added events, so the boundLog no longer uses the log, and closes the log when
// the method returns.
type boundLog struct {
	log    journal.Log
	logger func() *slog.Logger // the logger changes when the run begins

	mu   sync.Mutex
	lost error           // guarded by mu: the reason not to use the log any more
	late <-chan struct{} // guarded by mu: closed when the abandoned method returns
}

// openLog opens a session's log. A log that comes after the end of ctx is closed.
func openLog(ctx context.Context, j journal.Journal, session string, logger func() *slog.Logger) (journal.Log, error) {
	r := invoke.Apart(ctx, func(context.Context, onCaller) (journal.Log, error) {
		return j.Open(ctx, session) // with ctx itself: the inner context ends with this call
	})
	if r.Left {
		go func() { // ends when Open returns
			if late := <-r.Late; late.Err == nil && late.Value != nil {
				_ = late.Value.Close() // the caller of Open is gone
			}
		}()
		return nil, hung(ctx, logger(), "Open")
	}
	r.Resume()
	if r.Err != nil {
		return nil, r.Err
	}
	bound := &boundLog{log: r.Value, logger: logger}
	if t, ok := r.Value.(tailReader); ok {
		tail := &boundTail{boundLog: bound, tail: t}
		tail.keeper, _ = r.Value.(stateKeeper)
		return tail, nil
	}
	return bound, nil
}

// hung returns the error for a method of the journal that was left behind.
func hung(ctx context.Context, logger *slog.Logger, method string) error {
	logger.Warn("journal left behind: it ignores its context", "in", method)
	return fmt.Errorf("the journal did not return from %s: %w", method, causeOf(ctx))
}

// Context returns the context of the log.
func (l *boundLog) Context() context.Context { return l.log.Context() }

// call calls f on its own goroutine. f calls one method of the log.
func (l *boundLog) call(ctx context.Context, method string, f func(context.Context, onCaller) error) error {
	if err := l.lostReason(); err != nil {
		return err
	}
	r := invoke.Apart(ctx, func(ctx context.Context, c onCaller) (struct{}, error) { return struct{}{}, f(ctx, c) })
	if r.Left {
		return l.lose(hung(ctx, l.logger(), method), r.Late)
	}
	r.Resume()
	return r.Err
}

func (l *boundLog) lostReason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

func (l *boundLog) lose(err error, late <-chan invoke.Return[struct{}]) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == nil {
		returned := make(chan struct{})
		go func() { // ends when the method returns
			<-late
			close(returned)
		}()
		l.lost, l.late = err, returned
	}
	return err
}

// Append calls Append of the log.
func (l *boundLog) Append(ctx context.Context, sync bool, events ...event.Event) error {
	return l.call(ctx, "Append", func(ctx context.Context, _ onCaller) error { return l.log.Append(ctx, sync, events...) })
}

// Events yields the events of the log.
func (l *boundLog) Events(ctx context.Context) iter.Seq2[event.Event, error] {
	return l.read(ctx, "Events", l.log.Events)
}

// A boundTail is a boundLog that can read from a position on. It embeds the boundLog to
// have the methods of a journal.Log.
type boundTail struct {
	*boundLog
	tail   tailReader
	keeper stateKeeper // nil: the log keeps no state
}

// LoadState returns the saved state of the log.
func (l *boundTail) LoadState(ctx context.Context) (seq int64, state []byte, err error) {
	if l.keeper == nil {
		return 0, nil, nil
	}
	type saved struct {
		seq   int64
		state []byte
	}
	found := make(chan saved, 1) // a method that was left behind must not write to a result of ours
	err = l.call(ctx, "LoadState", func(ctx context.Context, _ onCaller) error {
		seq, state, err := l.keeper.LoadState(ctx)
		found <- saved{seq, state}
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	s := <-found
	return s.seq, s.state, nil
}

// SaveState keeps a state in the log.
func (l *boundTail) SaveState(ctx context.Context, seq int64, state []byte) error {
	if l.keeper == nil {
		return nil
	}
	return l.call(ctx, "SaveState", func(ctx context.Context, _ onCaller) error { return l.keeper.SaveState(ctx, seq, state) })
}

// EventsAfter yields the events of the log after a position.
func (l *boundTail) EventsAfter(ctx context.Context, after int64) iter.Seq2[event.Event, error] {
	return l.read(ctx, "EventsAfter", func(ctx context.Context) iter.Seq2[event.Event, error] { return l.tail.EventsAfter(ctx, after) })
}

// read yields events. The events come to the caller's goroutine in batches, because a
// switch of goroutines for each event costs more.
func (l *boundLog) read(ctx context.Context, method string, events func(context.Context) iter.Seq2[event.Event, error]) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		more := true
		err := l.call(ctx, method, func(ctx context.Context, call onCaller) error {
			var batch []event.Event
			size := 1 // a caller may stop after the first event
			flush := func() {
				call(func() {
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
		go func() { // ends when the method returns
			<-late
			_ = l.log.Close() // the run already reported the method
		}()
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeBound)
	defer cancel()
	return l.call(ctx, "Close", func(context.Context, onCaller) error { return l.log.Close() })
}
