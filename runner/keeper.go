package runner

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A keeper records the beginning of a streamed answer, for Runner.KeepPartial: now and then
// while the model writes, because the process can die, and at the end of a request without an
// answer. Each event has only what is new, so a long answer is recorded once and not many
// times. A keeper belongs to the goroutine of the run's caller, except held.
type keeper struct {
	every           time.Duration // not positive: only at the end of the request
	turn            int
	again           bool // the next event begins anew
	text, reasoning strings.Builder
	since           time.Time // of the first text that is not recorded; zero: none
	timer           *time.Timer
	// held means that a check beside the request has not passed the input. A text that a check
	// stops is in no event.
	held atomic.Bool
}

// keepsPartial makes the keeper of an engine, if the runner wants one.
func (e *engine) keepsPartial() {
	if every := e.runner.KeepPartial; every != 0 && e.stream && e.session != "" {
		e.keeper = &keeper{every: every}
	}
}

// hold holds the texts of the next request back until release.
func (k *keeper) hold(held bool) {
	if k != nil {
		k.held.Store(held)
	}
}

// begin begins a request. wake gets a token when something must be recorded.
func (k *keeper) begin(about *question, wake chan struct{}) {
	k.turn, k.again, k.since = about.turn, about.again, time.Time{}
	k.text.Reset()
	k.reasoning.Reset()
	if k.every > 0 {
		k.timer = time.AfterFunc(k.every, func() { token(wake) })
		k.timer.Stop() // until the first text
	}
}

// end ends a request. The text that is not recorded stays for rest.
func (k *keeper) end() {
	if k != nil && k.timer != nil {
		k.timer.Stop()
	}
}

// take takes deltas.
func (k *keeper) take(deltas []waitingDelta, now time.Time) {
	for _, d := range deltas {
		if text, ok := d.answerText(); ok {
			k.text.WriteString(text)
		}
		if text, ok := d.reasoningText(); ok {
			k.reasoning.WriteString(text)
		}
		if _, restarted := d.delta.(llm.Restarted); restarted {
			k.text.Reset()
			k.reasoning.Reset()
			k.again, k.since = true, time.Time{}
		}
	}
	if k.since.IsZero() && k.text.Len()+k.reasoning.Len() > 0 {
		k.waitFrom(now)
	}
}

func (k *keeper) waitFrom(now time.Time) {
	if k.since = now; k.timer != nil {
		k.timer.Reset(k.every)
	}
}

// due reports whether the text has waited long enough.
func (k *keeper) due() bool {
	if k.every <= 0 || k.since.IsZero() || time.Since(k.since) < k.every {
		return false
	}
	if k.held.Load() {
		k.waitFrom(time.Now())
		return false
	}
	return true
}

// body returns the event of the text that is not recorded. ok is false without such a text.
func (k *keeper) body() (b event.AnswerStreamed, ok bool) {
	if k.text.Len()+k.reasoning.Len() == 0 || k.held.Load() {
		return b, false
	}
	b = event.AnswerStreamed{Turn: k.turn, Text: k.text.String(), Reasoning: k.reasoning.String(), Again: k.again}
	k.text.Reset()
	k.reasoning.Reset()
	k.again, k.since = false, time.Time{}
	return b, true
}

// keep records the text that is due.
func (q *deltaQueue) keep() {
	k, r := q.engine.keeper, q.engine.recorder
	if k == nil || !k.due() {
		return
	}
	b, ok := k.body()
	if !ok {
		return
	}
	err := r.record(false, b)
	if err == nil {
		err = r.deliver()
	}
	if err != nil {
		q.engine.leave(err)
	}
}

// rest returns the event of the text that the model had written when the request ended without
// an answer.
func (e *engine) rest(turn int, prepared bool) []event.Body {
	if e.keeper == nil || !prepared || e.keeper.turn != turn {
		return nil
	}
	if b, ok := e.keeper.body(); ok {
		return []event.Body{b}
	}
	return nil
}

// tellAgain tells the consumer that the deltas of an earlier process do not count.
func (e *engine) tellAgain(about *question) error {
	if !about.again {
		return nil
	}
	e.recorder.restarted(event.Restarted{Turn: about.turn, Error: "the answer was interrupted"})
	return e.recorder.deliver()
}
