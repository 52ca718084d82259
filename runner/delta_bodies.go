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

// maxTogether is the number of events in one array, and minTogether the number from which
// an array pays. A consumer that keeps one event keeps the array, so the array is small.
const (
	maxTogether = 16
	minTogether = 4
)

// showAll shows the events of deltas, in order.
func (q *deltaQueue) showAll(deltas []llm.Delta) {
	for len(deltas) > 0 {
		n := 0
		switch deltas[0].(type) {
		case llm.TextDelta:
			n = showTogether[llm.TextDelta, event.TextDelta](deltas, q.show)
		case llm.ReasoningDelta:
			n = showTogether[llm.ReasoningDelta, event.ReasoningDelta](deltas, q.show)
		}
		if n == 0 {
			q.show(q.engine.deltaBody(q.run, q.turn, deltas[0]))
			n = 1
		}
		deltas = deltas[n:]
	}
}

// showTogether shows the events of the deltas of type D at the beginning, as many as fit
// in an array, and returns their number: zero if an array does not pay.
func showTogether[D llm.TextDelta | llm.ReasoningDelta, B event.TextDelta | event.ReasoningDelta](deltas []llm.Delta, show func(event.Body)) (n int) {
	var bodies [maxTogether]B
	for _, delta := range deltas[:min(len(deltas), maxTogether)] {
		d, same := delta.(D)
		if !same {
			break
		}
		bodies[n] = B(d)
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
