package runner

import (
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// A watch takes what a running call reports of itself.
type watch struct {
	*engine
	call loop.Call
	over bool // held by the engine's lock
}

// progress queues a report. It never waits for the consumer: one of the same call
// that is still in the queue gives way, so a call has one there at most, and
// events keep the order of their times.
func (w *watch) progress(done, total float64, message string) {
	if message != "" {
		message = w.redactText(message)
	}
	w.acquire()
	defer w.release()
	if w.over {
		return
	}
	w.queue = slices.DeleteFunc(w.queue, func(ev event.Event) bool {
		p, ok := ev.Body.(event.ToolProgress)
		return ok && p.Call == w.call.Ref
	})
	w.queue = append(w.queue, w.ephemeralEvent(event.ToolProgress{
		Call: w.call.Ref, Name: w.call.Call.Name, Done: done, Total: total, Message: message,
	}))
	w.poke()
}

// end drops what a function that was left behind still reports.
func (w *watch) end() {
	w.acquire()
	defer w.release()
	w.over = true
}

// ephemeralEvent is one that no journal keeps.
func (e *engine) ephemeralEvent(b event.Body) event.Event {
	return event.Event{Time: time.Now().UTC().Round(0), Body: b}
}

// poke tells the consumer's goroutine that there is something in the queue.
func (e *engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}
