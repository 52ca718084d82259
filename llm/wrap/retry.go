package wrap

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/batched"
	"github.com/seed-916e8f6a/toolloop/internal/prompt"
	"github.com/seed-916e8f6a/toolloop/internal/waited"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// The defaults of [Retry].
const (
	DefaultAttempts = 4
	DefaultMaxWait  = time.Minute
	DefaultMinDelay = 500 * time.Millisecond
	DefaultMaxDelay = 30 * time.Second
)

// Retry configures how a failed request is sent again. The zero value is a good
// start: four attempts. The waits between the attempts are about 0.5, 1 and 2 seconds,
// or longer (up to about one minute) if the provider asks for a longer wait.
//
//   - Only a retryable [*llm.APIError] is retried, at most as often as its [llm.APIError.Retries]
//     allows.
//   - The wait before retry n is MinDelay doubled n-1 times, at most MaxDelay, minus up
//     to a quarter at random. If the provider's RetryAfter is longer, the wait is
//     RetryAfter plus up to a quarter of MinDelay at random, so that clients do not
//     return together.
//   - Retry does not start a wait beyond the deadline of ctx. Generate then returns at
//     once, with an error that says so and wraps the provider's error.
//   - The sink gets an [llm.Notice] before each wait.
//
// A Retry is a plain value, safe for concurrent use.
type Retry struct {
	// Attempts is the number of attempts, the first included. Zero means four, 1 means
	// no retry, -1 means no limit.
	Attempts int
	// MaxWait bounds a wait requested by the provider. For a longer wait, Generate
	// returns the provider's error at once, with RetryAfter set. Zero means one
	// minute, -1 means no limit.
	MaxWait time.Duration
	// MinDelay is the first wait. Zero means half a second, -1 means no wait.
	MinDelay time.Duration
	// MaxDelay bounds the doubled wait, but not RetryAfter. Zero means 30 seconds, -1
	// means no limit.
	MaxDelay time.Duration
	// Budget bounds the sum of all waits of a Generate. A wait beyond the budget does not
	// start, and Generate returns the error. Zero and -1 mean no budget.
	Budget time.Duration
	// Restart allows a retry after the sink has already seen text, reasoning or a
	// piece of a call. The sink then gets an [llm.Restarted] before the request is
	// sent again. False means no retry after the first of these deltas.
	Restart bool

	random func() float64 // in [0,1); nil: math/rand. For tests.
}

// Model returns m with retries. When ctx ends, also during a wait, Generate returns
// context.Cause(ctx) at once. After the last attempt, Generate returns the last error
// unchanged. If the deadline of ctx leaves no time for the next wait, Generate returns
// the last error wrapped (see [Retry]). Panics are not recovered.
func (r Retry) Model(m llm.Model) llm.Model {
	r.Attempts = orDefault(r.Attempts, DefaultAttempts)
	r.MaxWait = orDefault(r.MaxWait, DefaultMaxWait)
	r.MinDelay = max(0, orDefault(r.MinDelay, DefaultMinDelay))
	r.MaxDelay = orDefault(r.MaxDelay, DefaultMaxDelay)
	if r.random == nil {
		r.random = rand.Float64
	}
	return &retrier{policy: r, inner: m}
}

func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

type retrier struct {
	policy Retry
	inner  llm.Model
}

// Format implements [fmt.Formatter].
func (r *retrier) Format(s fmt.State, _ rune) { format(s, "retried", r.inner) }

func (r *retrier) inside() []llm.Model { return []llm.Model{r.inner} }

// Prompt implements the method of package prompt: each wait ends with its context.
func (r *retrier) Prompt(ctx context.Context, _ prompt.Promise) bool { return prompt.Is(ctx, r.inner) }

// Generate implements [llm.Model].
func (r *retrier) Generate(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
	return r.generate(ctx, req, sink, false)
}

// GenerateBatches implements the method of package batched.
func (r *retrier) GenerateBatches(ctx context.Context, req *llm.Request, sink func(llm.Delta), _ batched.Request) (*llm.Response, error) {
	return r.generate(ctx, req, sink, true)
}

func (r *retrier) generate(ctx context.Context, req *llm.Request, sink func(llm.Delta), batches bool) (*llm.Response, error) {
	seen := sinkWatcher{sink: sink}
	var past retryCount
	for try := 1; ; try++ {
		var resp *llm.Response
		var err error
		if batches {
			resp, err = batched.Generate(ctx, r.inner, req, seen.sinkOrNil())
		} else {
			resp, err = r.inner.Generate(ctx, req, seen.sinkOrNil())
		}
		if err == nil {
			return resp, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		wait, ok := r.wait(err, try)
		if !ok || seen.shown && !r.policy.Restart || !r.allows(&past, err, wait) {
			return nil, err
		}
		if err := outlasted(ctx, err, wait); err != nil {
			return nil, err
		}
		seen.notice(r.announce(err, wait, try))
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
		if seen.restart(err); ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// outlasted returns an error that wraps err and names the deadline if ctx ends before
// the wait, and nil otherwise.
func outlasted(ctx context.Context, err error, wait time.Duration) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	left := time.Until(deadline)
	if wait < left || wait <= 0 {
		return nil
	}
	return fmt.Errorf("%w; no time to try again: the next try is due in %v, and the context ends in %v",
		err, wait.Round(10*time.Millisecond), left.Round(10*time.Millisecond))
}

// announce reports a wait to the sink.
func (r *retrier) announce(err error, wait time.Duration, try int) string {
	text := fmt.Sprintf("%v; trying again in %v (try %d", err, wait.Round(10*time.Millisecond), try+1)
	if r.policy.Attempts > 0 {
		text += fmt.Sprintf(" of %d", r.policy.Attempts)
	}
	return text + ")"
}

// wait returns the time to wait after attempt number try has failed, and false if no
// other attempt follows.
func (r *retrier) wait(err error, try int) (time.Duration, bool) {
	api, ok := errors.AsType[*llm.APIError](err)
	switch {
	case !ok || !api.Retryable():
		return 0, false
	case r.policy.Attempts > 0 && try >= r.policy.Attempts:
		return 0, false
	case r.policy.MaxWait > 0 && api.RetryAfter > r.policy.MaxWait:
		return 0, false
	}
	delay := r.backoff(try)
	if api.RetryAfter > delay {
		return api.RetryAfter + r.jitter(r.policy.MinDelay), true
	}
	return max(delay-r.jitter(delay), api.RetryAfter), true
}

// A retryCount counts the retries and waits of a Generate.
type retryCount struct {
	bounded int           // retries after errors with their own number of retries
	waited  time.Duration // all waits
}

// allows counts a retry in h, and reports false if the retry is over the limit.
func (r *retrier) allows(h *retryCount, err error, wait time.Duration) bool {
	if api, ok := errors.AsType[*llm.APIError](err); ok && api.Retries > 0 {
		if h.bounded++; h.bounded > api.Retries {
			return false
		}
	}
	h.waited += wait
	return r.policy.Budget <= 0 || h.waited <= r.policy.Budget
}

func (r *retrier) backoff(try int) time.Duration {
	const longest = 24 * time.Hour // of the doubling without a MaxDelay: keeps it from overflowing
	delay, bound := r.policy.MinDelay, r.policy.MaxDelay
	if bound < 0 {
		bound = longest
	}
	for ; try > 1 && delay > 0 && delay < bound; try-- {
		delay *= 2
	}
	return min(delay, bound)
}

// jitter is up to a quarter of d.
func (r *retrier) jitter(d time.Duration) time.Duration {
	return time.Duration(r.policy.random() * float64(d) / 4)
}

func sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil { // a select with both cases ready chooses at random
		return context.Cause(ctx)
	}
	defer waited.Since(ctx, time.Now())
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
