package runner

import (
	"context"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/batched"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A provider sends a delta for each few letters, and the model's goroutine reads many of
// them at a time. A switch to the goroutine of the consumer and back for each delta costs
// more than the rest of the delta. A deltaQueue therefore lets the model continue while the
// consumer works, and the consumer takes everything that waits at once.

// maxDeltas bounds the waiting deltas. A slow consumer slows the model down.
const maxDeltas = 64

// A deltaQueue carries the deltas of an answer to the goroutine of the run's caller.
type deltaQueue struct {
	engine    *engine
	run, turn int
	show      func(event.Body)
	now       time.Time     // of the caller's goroutine: the time of the events
	wake      chan struct{} // holds a token while deltas may wait
	room      chan struct{} // holds a token after the consumer took deltas

	mu      sync.Mutex
	waiting []waitingDelta // guarded by mu
	spare   []waitingDelta // of the caller's goroutine: memory for waiting
}

func newDeltaQueue(e *engine, about question) *deltaQueue {
	q := &deltaQueue{engine: e, run: about.run, turn: about.turn, wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	q.show = q.yield
	if e.stream && about.output {
		q.show = e.withPartials(q.yield)
	}
	return q
}

// add adds a delta, or a batch. If the queue is full, add waits for the consumer, or for the
// end of the model's context: nobody sees the delta then.
func (q *deltaQueue) add(ctx context.Context, d llm.Delta) {
	texts := batched.Texts(d)
	for !q.tryAdd(d, &texts) {
		select {
		case <-q.room:
		case <-ctx.Done():
			return
		}
	}
}

// tryAdd adds a delta, or as many texts of a batch as have room. left are the other texts.
// tryAdd reports whether nothing is left.
func (q *deltaQueue) tryAdd(d llm.Delta, left *[]string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	room := maxDeltas - len(q.waiting)
	if room == 0 {
		return false
	}
	if len(q.waiting) == 0 {
		token(q.wake)
	}
	if *left == nil {
		q.waiting = append(q.waiting, waitingDelta{delta: d})
		return true
	}
	n := min(room, len(*left))
	for _, text := range (*left)[:n] {
		q.waiting = append(q.waiting, waitingDelta{text: text, batch: true})
	}
	*left = (*left)[n:]
	return len(*left) == 0
}

// token puts a token into an empty channel.
func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// deliver yields the waiting deltas.
func (q *deltaQueue) deliver() {
	for deltas := q.take(); len(deltas) > 0; deltas = q.take() {
		q.now = time.Now().UTC().Round(0)
		if k := q.engine.keeper; k != nil {
			k.take(deltas, time.Now())
		}
		q.showAll(deltas)
		clear(deltas)
		q.spare = deltas[:0]
		if q.engine.outer != nil {
			_ = q.engine.recorder.deliver() // a slow consumer slows the model down
		}
	}
	q.keep()
}

// yield yields an event. A consumer that leaves ends the context of the run: the model
// learns of it in no other way.
func (q *deltaQueue) yield(b event.Body) {
	if r := q.engine.recorder; q.engine.outer != nil {
		r.push(event.Event{Time: q.now, Path: r.path, Body: b})
		return
	}
	if !q.engine.recorder.consumer.show(event.Event{Time: q.now, Body: b}) {
		q.engine.leave(errLeft)
	}
}

func (q *deltaQueue) take() []waitingDelta {
	q.mu.Lock()
	defer q.mu.Unlock()
	deltas := q.waiting
	q.waiting, q.spare = q.spare, nil
	if len(deltas) == maxDeltas {
		token(q.room)
	}
	return deltas
}
