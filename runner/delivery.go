package runner

import (
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// show gives events to the consumer. A collector gets recorded events at once, because no
// code of the program sees them before the end of the run. The caller has the lock.
func (r *recorder) show(events ...event.Event) {
	if r.collector != nil {
		r.collector.add(events)
		return
	}
	r.queue = append(r.queue, events...)
	r.wakeConsumer()
}

// notify queues notices, which no journal keeps.
func (r *recorder) notify(texts []string) {
	if r.collector != nil {
		return // a Result has no notices
	}
	r.acquire()
	defer r.release()
	for _, text := range texts {
		r.root.queue = append(r.root.queue, r.ephemeral(event.Notice{Text: text}))
	}
}

// restarted queues that deltas of a turn do not count. No journal keeps the event.
func (r *recorder) restarted(b event.Restarted) {
	if r.collector != nil {
		return // a Result has no deltas
	}
	r.acquire()
	defer r.release()
	r.root.queue = append(r.root.queue, r.ephemeral(b))
}

// report queues a report of a running call, and never waits for the consumer. A report
// of the same call that is still in the queue is removed, so the queue has one report for
// each call, and events keep the order of their times.
func (r *recorder) report(x *execution, done, total float64, message string) {
	if message != "" {
		message = r.redactor.text(message)
	}
	r.acquire()
	defer r.release()
	if x.reported {
		return
	}
	root := r.root
	root.queue = slices.DeleteFunc(root.queue, func(ev event.Event) bool {
		other, ok := ev.Body.(event.ToolProgress)
		return ok && other.Call == x.call.Ref
	})
	root.queue = append(root.queue, r.ephemeral(event.ToolProgress{
		Call: x.call.Ref, Name: x.call.Call.Name, Done: done, Total: total, Message: message,
	}))
	root.wakeConsumer()
}

// endReports drops later reports of a call, as from a function that was left behind. The
// lock makes sure that no report comes after the call's result.
func (r *recorder) endReports(x *execution) {
	if r.collector != nil {
		return // a Result has no reports
	}
	r.acquire()
	defer r.release()
	x.reported = true
}

// ephemeral returns an event that no journal keeps.
func (r *recorder) ephemeral(b event.Body) event.Event {
	return event.Event{Time: time.Now().UTC().Round(0), Path: r.path, Body: b}
}

// wakeConsumer tells the consumer's goroutine that the queue has events.
func (r *recorder) wakeConsumer() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// deliver yields the queued events. The error is errLeft. The consumer's code runs
// without the lock, so running calls can record their results meanwhile.
func (r *recorder) deliver() error {
	if r.root != r {
		return r.waitShown()
	}
	for {
		events, shown := r.takeQueue()
		if len(events) == 0 && shown == nil {
			return nil
		}
		for _, ev := range events {
			if !r.consumer.show(ev) {
				return errLeft
			}
		}
		if shown != nil {
			close(shown)
		}
		clear(events)
		r.spare = events[:0]
	}
}

func (r *recorder) takeQueue() (events []event.Event, shown chan struct{}) {
	r.acquire()
	defer r.release()
	events, shown = r.queue, r.shown
	r.queue, r.spare, r.shown = r.spare, nil, nil
	return events, shown
}

// push queues ephemeral events of a helper's run.
func (r *recorder) push(events ...event.Event) {
	r.acquire()
	defer r.release()
	r.root.show(events...)
}

// waitShown is deliver for a helper's run: the goroutine of the caller yields the events,
// and this run waits. So a consumer that leaves at a ToolCallStarted keeps also the function
// of a helper from running. The error is the cause of the end of the run's context.
func (r *recorder) waitShown() error {
	if r.collector != nil {
		return nil
	}
	r.acquire()
	if r.root.shown == nil {
		r.root.shown = make(chan struct{})
	}
	done := r.root.shown
	r.root.wakeConsumer()
	r.release()
	select {
	case <-done:
		return nil
	case <-r.ctx.Done():
		return causeOf(r.ctx)
	}
}

// A consumer is the loop over Stream, or the collector of a Result. It is used on the
// goroutine of the run's caller alone.
type consumer struct {
	yield func(event.Event) bool
	left  bool // the consumer left its loop, so yield must not be called again
}

// show yields one event, and reports whether the consumer stays. The loop body may
// panic, and a model may recover from that panic inside of its sink: left is therefore
// set before the call.
func (c *consumer) show(ev event.Event) bool {
	if c.left {
		return false
	}
	c.left = true
	c.left = !c.yield(ev)
	return !c.left
}
