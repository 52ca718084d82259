package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

func TestLimiterHolds(t *testing.T) {
	t.Parallel()
	holds(t, func(_ *testing.T, m llm.Model) llm.Model {
		return (&wrap.Limiter{RequestsPerMinute: 100, TokensPerMinute: 100_000, AtOnce: 2}).Model(m)
	})
}

// clocked is a model that takes time, and notes when it was asked.
type clocked struct {
	takes time.Duration
	usage llm.Usage
	begin time.Time

	mu   sync.Mutex
	at   []time.Duration // since begin
	who  []string        // the texts of the requests
	most int             // at once
	now  int
}

func newClocked(takes time.Duration) *clocked { return &clocked{takes: takes, begin: time.Now()} }

func (c *clocked) Generate(ctx context.Context, req *llm.Request, _ func(llm.Delta)) (*llm.Response, error) {
	c.mu.Lock()
	c.at, c.who = append(c.at, time.Since(c.begin)), append(c.who, req.Messages[0].Text())
	c.now++
	c.most = max(c.most, c.now)
	c.mu.Unlock()
	defer func() { c.mu.Lock(); c.now--; c.mu.Unlock() }()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(c.takes):
	}
	return &llm.Response{Message: llm.Assistant("a"), Usage: c.usage}, nil
}

func saying(text string) *llm.Request {
	return &llm.Request{Messages: []llm.Message{llm.User(text)}}
}

// askAll sends n requests, one after the other, without waiting for answers, and waits
// for all in the end.
func askAll(t *testing.T, m llm.Model, n int) {
	t.Helper()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			_, err := m.Generate(t.Context(), saying(fmt.Sprint(i)), nil)
			require.NoError(t, err)
		})
		synctest.Wait() // the request stands in the queue
	}
	all.Wait()
}

func seconds(all ...int) []time.Duration {
	var out []time.Duration
	for _, s := range all {
		out = append(out, time.Duration(s)*time.Second)
	}
	return out
}

func TestLimiterTimes(t *testing.T) {
	t.Parallel()
	tokens := func(n int64) func(*llm.Request) int64 { return func(*llm.Request) int64 { return n } }
	for _, tt := range []struct {
		name    string
		limiter *wrap.Limiter
		takes   time.Duration
		usage   llm.Usage
		n       int
		want    []time.Duration
	}{
		{name: "no limit", limiter: &wrap.Limiter{}, n: 3, want: seconds(0, 0, 0)},
		{name: "requests a minute", limiter: &wrap.Limiter{RequestsPerMinute: 2}, n: 5, want: seconds(0, 0, 60, 60, 120)},
		{name: "at once", limiter: &wrap.Limiter{AtOnce: 2}, takes: 10 * time.Second, n: 5, want: seconds(0, 0, 10, 10, 20)},
		{name: "requests a minute, one at once", limiter: &wrap.Limiter{RequestsPerMinute: 2, AtOnce: 1}, takes: 10 * time.Second, n: 4, want: seconds(0, 10, 60, 70)},
		{name: "tokens that are estimated", limiter: &wrap.Limiter{TokensPerMinute: 100, Estimate: tokens(40)}, n: 5, want: seconds(0, 0, 60, 60, 120)},
		{name: "tokens that were too many", limiter: &wrap.Limiter{TokensPerMinute: 100, Estimate: tokens(40), AtOnce: 1}, takes: time.Second,
			usage: llm.Usage{InputTokens: 5, OutputTokens: 5}, n: 8, want: seconds(0, 1, 2, 3, 4, 5, 6, 60)},
		{name: "tokens that were too few", limiter: &wrap.Limiter{TokensPerMinute: 100, Estimate: tokens(1), AtOnce: 1}, takes: time.Second,
			usage: llm.Usage{InputTokens: 100, OutputTokens: 50, TotalTokens: 160}, n: 3, want: seconds(0, 60, 120)},
		{name: "a request beyond the limit", limiter: &wrap.Limiter{TokensPerMinute: 100, Estimate: tokens(1000)}, n: 3, want: seconds(0, 60, 120)},
		{name: "an estimate below zero", limiter: &wrap.Limiter{TokensPerMinute: 100, Estimate: tokens(-1000)}, n: 3, want: seconds(0, 0, 0)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newClocked(tt.takes)
				c.usage = tt.usage
				askAll(t, tt.limiter.Model(c), tt.n)
				require.Equal(t, tt.want, c.at)
				for i, who := range c.who {
					require.Equal(t, fmt.Sprint(i), who, "in the order of asking")
				}
			})
		})
	}
}

// TestLimiterIsShared: the limits hold over all models of a Limiter, for every period of
// a minute, with many runs.
func TestLimiterIsShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClocked(7 * time.Second)
		l := &wrap.Limiter{RequestsPerMinute: 10, AtOnce: 3}
		models := []llm.Model{l.Model(c), l.Model(c)}
		var runs sync.WaitGroup
		for run := range 16 {
			runs.Go(func() {
				for range 4 {
					_, err := models[run%2].Generate(t.Context(), saying("a"), nil)
					require.NoError(t, err)
				}
			})
		}
		runs.Wait()
		require.Len(t, c.at, 64)
		require.Equal(t, 3, c.most)
		for i := range c.at[10:] {
			require.GreaterOrEqual(t, c.at[i+10]-c.at[i], time.Minute)
		}
	})
}

// TestLimiterFirstComeFirstServed: a large request is not overtaken by small ones, and a
// request that leaves the queue takes nothing with it.
func TestLimiterFirstComeFirstServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClocked(0)
		sizes := map[string]int64{"large": 90, "leaves": 85}
		l := &wrap.Limiter{TokensPerMinute: 100, Estimate: func(req *llm.Request) int64 { return max(10, sizes[req.Messages[0].Text()]) }}
		m := l.Model(c)
		reason := errors.New("the user left")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(30*time.Second, func() { cancel(reason) })
		var all sync.WaitGroup
		for _, who := range []string{"small", "other", "leaves", "large", "last"} {
			all.Go(func() {
				if who == "leaves" {
					_, err := m.Generate(ctx, saying(who), nil)
					require.Equal(t, reason, err)
					return
				}
				_, err := m.Generate(t.Context(), saying(who), nil)
				require.NoError(t, err)
			})
			synctest.Wait()
		}
		all.Wait()
		require.Equal(t, []string{"small", "other", "large", "last"}, c.who)
		require.Equal(t, seconds(0, 0, 60, 60), c.at)
	})
}

// TestLimiterLosesNoPermit: requests that end while they wait or run, by a cancel, an
// error or a panic, leave all permits behind.
func TestLimiterLosesNoPermit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClocked(time.Second)
		l := &wrap.Limiter{AtOnce: 2}
		m := l.Model(c)
		bad := l.Model(llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) { panic("ours") }))
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				if i%5 == 0 {
					require.PanicsWithValue(t, "ours", func() { _, _ = bad.Generate(t.Context(), saying("a"), nil) })
					return
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i%2 == 0 {
					time.AfterFunc(time.Duration(i)*100*time.Millisecond, cancel)
				}
				_, err := m.Generate(ctx, saying("a"), nil)
				require.True(t, err == nil || i%2 == 0 && errors.Is(err, context.Canceled), err)
			})
		}
		all.Wait()
		require.Equal(t, 2, c.most)
		c.begin, c.at = time.Now(), nil
		askAll(t, m, 3)
		require.Equal(t, seconds(0, 0, 1), c.at)
	})
}

// TestLimiterHearsTheProvider: the headers of an answer, and the wait of an error.
func TestLimiterHearsTheProvider(t *testing.T) {
	t.Parallel()
	minute := func(name string, limit, rest int64) []llm.RateLimit {
		return []llm.RateLimit{{Name: name, Limit: limit, Remaining: rest, Reset: time.Minute}}
	}
	for _, tt := range []struct {
		name   string
		says   []llm.RateLimit
		err    *llm.APIError
		wait   time.Duration // before the second request
		notice string
	}{
		{name: "nothing"},
		{name: "enough is left", says: minute("requests", 60, 1)},
		{name: "requests come back one by one", says: minute("requests", 60, 0), wait: time.Second, notice: "the provider's rate limit: waiting for 1s"},
		{name: "tokens, too", says: minute("tokens", 600, 80), wait: (60 * 20 * time.Second / 520).Truncate(time.Microsecond)},
		{name: "a request larger than the limit", says: minute("tokens", 50, 10), wait: time.Minute},
		{name: "a limit without a name", says: minute("", 60, 0), wait: time.Minute},
		{name: "the requests of a day", says: minute("requests-day", 1000, 0), wait: time.Minute},
		{name: "a limit that is not stated", says: minute("tokens", 0, 99), wait: time.Minute},
		{name: "no reset", says: []llm.RateLimit{{Name: "requests", Limit: 60}}},
		{name: "pictures", says: minute("images", 5, 0)},
		{name: "an error", err: &llm.APIError{Kind: llm.KindRateLimit, RetryAfter: 20 * time.Second}, wait: 20 * time.Second},
		{name: "an error with headers", err: &llm.APIError{Kind: llm.KindRateLimit, RateLimits: minute("requests", 30, 0)}, wait: 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var at []time.Time
				l := &wrap.Limiter{Estimate: func(*llm.Request) int64 { return 100 }}
				m := l.Model(llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
					if at = append(at, time.Now()); tt.err != nil && len(at) == 1 {
						return nil, tt.err
					}
					return &llm.Response{RateLimits: tt.says}, nil
				}))
				sink, texts := notices()
				_, _ = m.Generate(t.Context(), saying("a"), sink)
				_, err := m.Generate(t.Context(), saying("a"), sink)
				require.NoError(t, err)
				require.Equal(t, tt.wait, at[1].Sub(at[0]).Truncate(time.Microsecond))
				require.Equal(t, tt.wait > 0, len(*texts) == 1)
				if tt.notice != "" {
					require.Equal(t, []string{tt.notice}, *texts)
				}
			})
		})
	}
}

// TestLimiterCountsSinceTheHeaders: requests after the response with the headers take from
// what was left.
func TestLimiterCountsSinceTheHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClocked(time.Hour / 2) // no new headers meanwhile
		l := new(wrap.Limiter)
		first := l.Model(llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
			return &llm.Response{RateLimits: []llm.RateLimit{{Name: "requests", Limit: 6, Remaining: 2, Reset: 40 * time.Second}}}, nil
		}))
		_, err := first.Generate(t.Context(), saying("a"), nil)
		require.NoError(t, err)
		askAll(t, l.Model(c), 5)
		require.Equal(t, seconds(0, 0, 10, 20, 30), c.at)
	})
}

// The headers reach the Limiter in each seat.
func TestLimiterInAllSeats(t *testing.T) {
	t.Parallel()
	for name, script := range seats() {
		if name == "server, chat" || name == "server, responses" {
			continue // a server has no fake time, and TestRateLimits has its headers
		}
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", stream), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					full := llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) {
						limit := llm.RateLimit{Name: "requests", Limit: 60, Remaining: 0, Reset: time.Minute}
						return &llm.Response{Message: llm.Assistant("a"), RateLimits: []llm.RateLimit{limit}}, nil
					})
					busy := llmtest.Fail(&llm.APIError{Kind: llm.KindRateLimit, RetryAfter: 90 * time.Second})
					m := wrap.Retry{MaxWait: time.Hour}.WithRandom(func() float64 { return 0 }).Model(
						new(wrap.Limiter).Model(script(t, full, busy, llmtest.Text("b"))))
					begin := time.Now()
					for range 2 {
						_, err := m.Generate(t.Context(), hello(stream), func(llm.Delta) {})
						require.NoError(t, err)
					}
					require.Equal(t, 91*time.Second, time.Since(begin))
				})
			})
		}
	}
}

func TestLimiterWaitsNoLonger(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		limiter *wrap.Limiter
		timeout time.Duration // of the context; 0: none
		took    time.Duration
		err     string // "": an answer
	}{
		{name: "than MaxWait", limiter: &wrap.Limiter{RequestsPerMinute: 1, MaxWait: 59 * time.Second},
			err: "limiter: rate_limit: MaxWait ends in 59s (retry after 1m0s)"},
		{name: "than MaxWait, which is enough", limiter: &wrap.Limiter{RequestsPerMinute: 1, MaxWait: time.Minute}, took: time.Minute},
		{name: "than MaxWait, for an unknown time", limiter: &wrap.Limiter{AtOnce: 1, MaxWait: 10 * time.Second}, took: 10 * time.Second,
			err: "limiter: rate_limit: the request has waited for MaxWait"},
		{name: "than an hour", limiter: &wrap.Limiter{AtOnce: 1}, took: time.Hour, err: "limiter: rate_limit: the request has waited for MaxWait"},
		{name: "than a day, without a bound", limiter: &wrap.Limiter{AtOnce: 1, MaxWait: -1}, took: 24 * time.Hour},
		{name: "than the context", limiter: &wrap.Limiter{RequestsPerMinute: 1}, timeout: time.Minute,
			err: "limiter: rate_limit: the context ends in 1m0s (retry after 1m0s)"},
		{name: "than the context, which is enough", limiter: &wrap.Limiter{RequestsPerMinute: 1}, timeout: 61 * time.Second, took: time.Minute},
		{name: "than the context, for an unknown time", limiter: &wrap.Limiter{AtOnce: 1}, timeout: 5 * time.Second, took: 5 * time.Second, err: "context deadline exceeded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := tt.limiter.Model(newClocked(24 * time.Hour))
				quick := tt.limiter.Model(newClocked(0))
				var first sync.WaitGroup
				first.Go(func() { _, _ = m.Generate(t.Context(), saying("a"), nil) })
				synctest.Wait()
				ctx, begin := t.Context(), time.Now()
				if tt.timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.timeout)
					defer cancel()
				}
				_, err := quick.Generate(ctx, saying("b"), nil)
				require.Equal(t, tt.took, time.Since(begin))
				if tt.err == "" {
					require.NoError(t, err)
				} else {
					require.EqualError(t, err, tt.err)
				}
				first.Wait()
			})
		})
	}
}

// TestLimiterInsideFallback: what does not fit into the first account goes to the second,
// and comes back as soon as it fits.
func TestLimiterInsideFallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, second := two(nil)
		l := &wrap.Limiter{RequestsPerMinute: 1, MaxWait: time.Second}
		m := wrap.Fallback{}.Model(wrap.Retry{}.Model(l.Model(first)), second)
		begin := time.Now()
		for _, want := range []string{"first", "second", "second"} {
			resp, err := m.Generate(t.Context(), hello(false), nil)
			require.NoError(t, err)
			require.Equal(t, want, resp.Model)
		}
		require.Zero(t, time.Since(begin), "a Retry does not wait for a Limiter")
		time.Sleep(59 * time.Second) // synctest: exact in a bubble
		resp, err := m.Generate(t.Context(), hello(false), nil)
		require.NoError(t, err)
		require.Equal(t, "first", resp.Model)
		require.Equal(t, time.Minute, time.Since(begin))
	})
}

// TestLimiterEstimates: the default estimate counts what is sent.
func TestLimiterEstimates(t *testing.T) {
	t.Parallel()
	text := "12345678" // two tokens
	for name, tt := range map[string]struct {
		change func(req *llm.Request)
		tokens int64
	}{
		"a message":    {func(*llm.Request) {}, 6},
		"instructions": {func(r *llm.Request) { r.Instructions = text }, 8},
		"the answer":   {func(r *llm.Request) { r.MaxOutputTokens = 100 }, 106},
		"a tool":       {func(r *llm.Request) { r.Tools = []llm.ToolDef{{Name: "1234", Description: text, Schema: []byte(text)}} }, 11},
		"a form":       {func(r *llm.Request) { r.Output = &llm.OutputFormat{Schema: []byte(text)} }, 8},
		"hosted tools": {func(r *llm.Request) { r.HostedTools = append(r.HostedTools, []byte(text)) }, 8},
		"parts": {func(r *llm.Request) {
			r.Messages = append(r.Messages,
				llm.Assistant(text, llm.Reasoning{Text: text}, llm.Refusal{Text: text}, llm.ToolCall{Name: "1234", Arguments: "1234"}, llm.RawPart{JSON: text}),
				llm.User("", llm.Image{}, llm.Audio{}, llm.File{}),
				llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{Parts: llm.Parts{llm.Text{Text: text}, llm.Image{}}}}})
		}, 6 + 14 + 3004 + 1006},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				req := saying(text)
				tt.change(req)
				for extra, wait := range []time.Duration{0, time.Minute} { // a first request leaves room, or a token too little
					l := &wrap.Limiter{TokensPerMinute: 10_000}
					c := newClocked(0)
					c.usage = llm.Usage{TotalTokens: 10_000 - tt.tokens + int64(extra)}
					m := l.Model(c)
					for range 2 {
						_, err := m.Generate(t.Context(), req, nil)
						require.NoError(t, err)
					}
					require.Equal(t, wait, c.at[1])
				}
			})
		})
	}
}

func TestLimiterRefusesBadConfiguration(t *testing.T) {
	t.Parallel()
	c := newClocked(0)
	for want, bad := range map[string]*wrap.Limiter{
		"wrap: Limiter.RequestsPerMinute is -1": {RequestsPerMinute: -1},
		"wrap: Limiter.TokensPerMinute is -1":   {TokensPerMinute: -1},
		"wrap: Limiter.AtOnce is -2":            {AtOnce: -2},
		"wrap: Limiter.MaxWait is -1s":          {MaxWait: -time.Second},
	} {
		_, err := bad.Model(c).Generate(t.Context(), hello(false), nil)
		require.EqualError(t, err, want)
	}
	_, err := new(wrap.Limiter).Model(nil).Generate(t.Context(), hello(false), nil)
	require.EqualError(t, err, "wrap: the model of a Limiter is nil")
	require.Empty(t, c.at)
}
