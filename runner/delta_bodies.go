package runner

import (
	"reflect"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// An event of a text delta is one small piece of memory, and was three quarters of what a
// stream of 2,000 deltas allocated. The consumer's goroutine takes many deltas at a time.
// Their events therefore stand in one array, in which each is a value of its own. Deltas of
// other kinds, and few deltas, go the general way, through [engine.deltaBody].

// A waitingDelta is a delta that waits for the consumer.
type waitingDelta struct {
	delta llm.Delta // unless batch; a Model can give nil
	text  string    // if batch
	batch bool      // a text delta of a batch
}

// answerText returns the text of a text delta.
func (w waitingDelta) answerText() (text string, ok bool) {
	if w.batch {
		return w.text, true
	}
	d, ok := w.delta.(llm.TextDelta)
	return d.Text, ok
}

// reasoningText returns the text of a reasoning delta.
func (w waitingDelta) reasoningText() (text string, ok bool) {
	d, ok := w.delta.(llm.ReasoningDelta)
	return d.Text, ok
}

// maxTogether is the number of events in one array, and minTogether the number from which
// an array pays. A consumer that keeps one event keeps the array, so the array is small.
const (
	maxTogether = 16
	minTogether = 4
)

// showAll shows the events of deltas, in order.
func (q *deltaQueue) showAll(deltas []waitingDelta) {
	for len(deltas) > 0 {
		n := showTogether[event.TextDelta](deltas, waitingDelta.answerText, q.show)
		if n == 0 {
			n = showTogether[event.ReasoningDelta](deltas, waitingDelta.reasoningText, q.show)
		}
		if n == 0 {
			q.show(q.bodyOf(deltas[0]))
			n = 1
		}
		deltas = deltas[n:]
	}
}

// bodyOf returns the event of one delta.
func (q *deltaQueue) bodyOf(d waitingDelta) event.Body {
	if d.batch {
		return event.TextDelta{Text: d.text}
	}
	return q.engine.deltaBody(q.run, q.turn, d.delta)
}

// showTogether shows the events B of the deltas at the beginning that have a text of this
// kind, as many as fit in an array, and returns their number: zero if an array does not pay.
func showTogether[B event.TextDelta | event.ReasoningDelta](deltas []waitingDelta, textOf func(waitingDelta) (string, bool), show func(event.Body)) (n int) {
	var bodies [maxTogether]B
	for _, delta := range deltas[:min(len(deltas), maxTogether)] {
		text, same := textOf(delta)
		if !same {
			break
		}
		bodies[n] = B(struct{ Text string }{text})
		n++
	}
	if n < minTogether {
		return 0
	}
	array := reflect.ValueOf(bodies) // one copy; an element as an interface points into it
	for i := range n {
		show(array.Index(i).Interface().(event.Body))
	}
	return n
}
