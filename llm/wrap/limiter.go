package wrap

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/waited"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// DefaultLimiterWait is the default of [Limiter].MaxWait.
const DefaultLimiterWait = time.Hour

// Limiter delays requests so that they stay within limits. All models of a Limiter, and
// all runs that use these models, share the limits. The zero value obeys only what the
// provider says: no request is sent before a RetryAfter is over, or while the headers of
// the last response (see [llm.RateLimit]) say that the limit is used up.
//
//   - Requests wait in the order in which they came, large and small ones alike. A request
//     whose context ends leaves the queue, and counts for nothing.
//   - The limits hold for every period of sixty seconds, by the time of sending. A failed
//     request counts, too.
//   - The tokens of a request are an estimate until the answer reports its usage. A request
//     with more tokens than TokensPerMinute waits until no other request counts.
//   - A request that would have to wait beyond MaxWait or beyond the deadline of its context
//     gets an [*llm.APIError] of kind rate limit as soon as the Limiter knows. A [Fallback]
//     around the model then asks the next model, and a [Retry] does not try again.
//   - The sink gets an [llm.Notice] before a wait that the provider has demanded.
//
// The retries of a model inside count as one request. Put the Retry outside to count each:
//
//	once := openai.Config{Retry: wrap.Retry{Attempts: 1}}.Model("gpt-4o")
//	model := wrap.Retry{}.Model(limiter.Model(once))
//
// A Limiter is safe for concurrent use and must not be copied. Do not change the fields
// after the first Generate.
type Limiter struct {
	RequestsPerMinute int   // zero means no limit
	TokensPerMinute   int64 // input and output together; zero means no limit
	AtOnce            int   // the requests that run at the same time; zero means no limit
	// Estimate returns the tokens of a request and of its answer before the request is
	// sent. Estimate must be safe for concurrent use. Nil means a token for each four bytes
	// of text, 1,000 for each image, sound or file, and MaxOutputTokens.
	Estimate func(req *llm.Request) int64
	// MaxWait bounds the wait of a request. Zero means one hour, -1 means no bound but the
	// context.
	MaxWait time.Duration

	mu       sync.Mutex
	queue    []*waiter
	sent     []*charge // the requests of the last minute, in their order
	tokens   int64     // the sum of sent
	running  int
	provider providerLimits
}

// A waiter is a request in the queue.
type waiter struct {
	tokens int64
	wake   chan struct{} // buffered: the waiter should look again
}

// A charge is a request that was sent.
type charge struct {
	at     time.Time
	tokens int64
	over   bool // longer than a minute ago: not in Limiter.sent
}

// Model returns m within the limits. Several models of a Limiter share its limits. A nil
// model and a negative limit are errors of the first Generate. When ctx ends, also during
// a wait, Generate returns context.Cause(ctx).
func (l *Limiter) Model(m llm.Model) llm.Model { return &limited{limiter: l, inner: m} }

func (l *Limiter) check(m llm.Model) error {
	switch {
	case m == nil:
		return errors.New("wrap: the model of a Limiter is nil")
	case l.RequestsPerMinute < 0:
		return fmt.Errorf("wrap: Limiter.RequestsPerMinute is %d", l.RequestsPerMinute)
	case l.TokensPerMinute < 0:
		return fmt.Errorf("wrap: Limiter.TokensPerMinute is %d", l.TokensPerMinute)
	case l.AtOnce < 0:
		return fmt.Errorf("wrap: Limiter.AtOnce is %d", l.AtOnce)
	case l.MaxWait < -1:
		return fmt.Errorf("wrap: Limiter.MaxWait is %v", l.MaxWait)
	}
	return nil
}

type limited struct {
	limiter *Limiter
	inner   llm.Model
}

// Format implements [fmt.Formatter].
func (m *limited) Format(s fmt.State, _ rune) { format(s, "limited", m.inner) }

func (m *limited) inside() []llm.Model { return []llm.Model{m.inner} }

// Generate implements [llm.Model].
func (m *limited) Generate(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (resp *llm.Response, err error) {
	l := m.limiter
	if err := l.check(m.inner); err != nil {
		return nil, err
	}
	estimate := l.Estimate
	if estimate == nil {
		estimate = estimateTokens
	}
	tokens := max(0, estimate(req))
	if wait := l.demanded(tokens); wait > 0 && sink != nil { // not in the queue: a slow sink must not delay others
		sink(llm.Notice{Text: fmt.Sprintf("the provider's rate limit: waiting for %v", wait.Round(10*time.Millisecond))})
	}
	c, err := l.acquire(ctx, tokens)
	if err != nil {
		return nil, err
	}
	defer func() { l.release(c, resp, err) }() // also after a panic
	return m.inner.Generate(ctx, req, sink)
}

// demanded returns the wait that the provider demands of a request of n tokens.
func (l *Limiter) demanded(n int64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.provider.wait(time.Now(), n)
}

// acquire waits for the turn of a request of n tokens.
func (l *Limiter) acquire(ctx context.Context, n int64) (*charge, error) {
	w := &waiter{tokens: n, wake: make(chan struct{}, 1)}
	latest := time.Now().Add(l.maxWait())
	l.mu.Lock()
	l.queue = append(l.queue, w)
	l.mu.Unlock()
	defer l.leave(w)
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		now := time.Now()
		c, wait := l.try(w, now)
		if c != nil {
			return c, nil
		}
		left := latest.Sub(now)
		if err := tooLong(ctx, now, wait, left); err != nil {
			return nil, err
		}
		w.sleep(ctx, min(wait, left))
	}
}

func (l *Limiter) maxWait() time.Duration {
	if l.MaxWait < 0 {
		return unknown
	}
	return orDefault(l.MaxWait, DefaultLimiterWait)
}

// limiterProvider is the Provider of the errors of a Limiter.
const limiterProvider = "limiter"

// tooLong returns an error if no time is left, or if the wait is known to end too late.
func tooLong(ctx context.Context, now time.Time, wait, left time.Duration) error {
	e := &llm.APIError{Kind: llm.KindRateLimit, Provider: limiterProvider, Retries: -1}
	if wait != unknown {
		e.RetryAfter = wait
	}
	deadline, ok := ctx.Deadline()
	switch {
	case left <= 0:
		e.Message = "the request has waited for MaxWait"
	case wait != unknown && wait > left:
		e.Message = "MaxWait ends in " + left.Round(10*time.Millisecond).String()
	case wait != unknown && ok && wait >= deadline.Sub(now):
		e.Message = "the context ends in " + deadline.Sub(now).Round(10*time.Millisecond).String()
	default:
		return nil
	}
	return e
}

// sleep waits for d, for a wake, or for the end of ctx.
func (w *waiter) sleep(ctx context.Context, d time.Duration) {
	defer waited.Since(ctx, time.Now())
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-w.wake:
	case <-timer.C:
	}
}

// unknown is a wait until another request ends or leaves the queue.
const unknown time.Duration = math.MaxInt64 / 2 // half: the time of now plus unknown exists

// try charges the request if its turn has come. Otherwise try returns the wait until the
// next look.
func (l *Limiter) try(w *waiter, now time.Time) (*charge, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue[0] != w {
		return nil, unknown
	}
	if wait := l.wait(now, w.tokens); wait > 0 {
		return nil, wait
	}
	c := &charge{at: now, tokens: w.tokens}
	if l.RequestsPerMinute > 0 || l.TokensPerMinute > 0 {
		l.sent = append(l.sent, c)
		l.tokens += c.tokens
	}
	l.running++
	l.provider.take(c.tokens)
	return c, 0
}

// leave takes w out of the queue.
func (l *Limiter) leave(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.queue, w)
	l.queue = slices.Delete(l.queue, i, i+1)
	l.wakeFirst()
}

func (l *Limiter) wakeFirst() {
	if len(l.queue) == 0 {
		return
	}
	select {
	case l.queue[0].wake <- struct{}{}:
	default: // the waiter will look
	}
}

// release ends a request: it corrects the tokens and learns what the provider said.
func (l *Limiter) release(c *charge, resp *llm.Response, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.running--
	if resp != nil {
		l.correct(c, resp.Usage)
		l.provider.learn(now, resp.RateLimits, 0)
	}
	if api, ok := errors.AsType[*llm.APIError](err); ok {
		l.provider.learn(now, api.RateLimits, api.RetryAfter)
	}
	l.wakeFirst()
}

// correct replaces the estimate of a request by the reported usage.
func (l *Limiter) correct(c *charge, u llm.Usage) {
	used := max(u.InputTokens+u.OutputTokens, u.TotalTokens)
	if used <= 0 || c.over || l.TokensPerMinute == 0 {
		return
	}
	l.tokens += used - c.tokens
	c.tokens = used
}

// wait returns how long the first request of the queue, of n tokens, has to wait.
func (l *Limiter) wait(now time.Time, n int64) time.Duration {
	if l.AtOnce > 0 && l.running >= l.AtOnce {
		return unknown
	}
	for len(l.sent) > 0 && now.Sub(l.sent[0].at) >= time.Minute {
		l.sent[0].over = true
		l.tokens -= l.sent[0].tokens
		l.sent = l.sent[1:]
	}
	wait := l.provider.wait(now, n)
	if most := l.RequestsPerMinute; most > 0 && len(l.sent) >= most {
		wait = max(wait, l.sent[len(l.sent)-most].at.Add(time.Minute).Sub(now))
	}
	if l.TokensPerMinute == 0 {
		return wait
	}
	sum := l.tokens
	for _, c := range l.sent {
		if sum+n <= l.TokensPerMinute {
			break
		}
		sum -= c.tokens
		wait = max(wait, c.at.Add(time.Minute).Sub(now))
	}
	return wait
}
