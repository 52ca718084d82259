package runner

import (
	"sync"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// A Budget is what all runs that share it may spend, for example a customer's tokens of a
// day. Set one of Tokens and Cost, or both; make a new Budget for the next day. A run
// reserves the estimated tokens of a request before the request, and pays the reported
// usage afterwards. So runs at the same time exceed the Budget by at most one request
// each. A run for which nothing is left ends with a *[LimitError] of "budget";
// [Runner.AtLimit] can give it a last turn, which may exceed the Budget, too, but not if the
// run has no answer yet. A provider that reports no usage pays the estimate.
//
// A Budget is safe for concurrent use, and must not be copied after its first use. Runs in
// several processes do not share a Budget: give each process a part.
type Budget struct {
	// Tokens bounds input and output tokens together. Zero means no bound.
	Tokens int64
	// Cost bounds the cost by Runner.Cost. Zero means no bound.
	Cost float64

	mu       sync.Mutex
	tokens   int64
	cost     float64
	reserved int64 // tokens of requests that are not answered yet
	requests int   // that are not answered yet
	answered int
}

// A reservation is a part of a Budget for one request. The zero reservation is none.
type reservation struct {
	made   bool
	tokens int64
}

// Used returns the tokens and the cost of all answers so far.
func (b *Budget) Used() (tokens int64, cost float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tokens, b.cost
}

// reserve reserves the tokens of a request, or returns the bound that is used up.
func (b *Budget) reserve(tokens int64) (r reservation, over loop.StopAtLimit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.Tokens > 0 && b.tokens+b.reserved >= b.Tokens:
		return r, loop.StopAtLimit{Limit: budget, Max: b.Tokens}
	case b.Cost > 0 && b.cost+b.expected() >= b.Cost:
		return r, loop.StopAtLimit{Limit: budget, Cost: b.Cost}
	}
	b.reserved += tokens
	b.requests++
	return reservation{true, tokens}, over
}

// expected is the cost of the requests that are not answered yet, at the mean of the
// answers so far.
func (b *Budget) expected() float64 {
	if b.answered == 0 {
		return 0
	}
	return float64(b.requests) * b.cost / float64(b.answered)
}

func (b *Budget) settle(r reservation, u *llm.Usage, cost float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.made {
		b.reserved -= r.tokens
		b.requests--
	}
	if u != nil {
		used := u.InputTokens + u.OutputTokens
		if used == 0 { // the provider counts nothing
			used = r.tokens
		}
		b.tokens += used
		b.cost += cost
		b.answered++
	}
}

// reserve reserves the next request in the Budget of the runner. If nothing is left, over
// is true and the limit stands in the limits of the run. The last turn of a run, and a turn
// that was prepared before a crash, need no reservation.
func (e *engine) reserve() (over bool) {
	b := e.runner.Budget
	if b == nil || e.reserved.made {
		return false
	}
	s := e.recorder.snapshot()
	r, stop := b.reserve(max(1, s.Estimate(e.limits.Overhead)))
	e.reserved = r
	if stop.Limit == "" || s.LastTurn {
		return false
	}
	stop.Outer = e.outer != nil // only the outermost run can get a last turn
	e.limits.Outside = &stop
	return true
}

// settle pays a request and ends its reservation. u is nil for a request without an answer.
func (e *engine) settle(u *llm.Usage, cost float64) {
	if e.runner.Budget != nil {
		e.runner.Budget.settle(e.reserved, u, cost)
		e.reserved = reservation{}
	}
}
