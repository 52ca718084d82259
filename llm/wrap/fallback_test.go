package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

func hello(stream bool) *llm.Request {
	return &llm.Request{Messages: []llm.Message{llm.User("Hello.")}, Stream: stream}
}

// counted is a model that answers with its name, or fails.
type counted struct {
	name  string
	asked atomic.Int64
	fails atomic.Pointer[llm.APIError]
}

func (c *counted) Generate(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
	c.asked.Add(1)
	if err := c.fails.Load(); err != nil {
		return nil, err
	}
	return &llm.Response{Model: c.name, Message: llm.Assistant(c.name)}, nil
}

func (c *counted) String() string { return c.name }

// two returns two models, of which the first fails with err if err is not nil.
func two(err *llm.APIError) (first, second *counted) {
	first, second = &counted{name: "first"}, &counted{name: "second"}
	first.fails.Store(err)
	return first, second
}

// notices returns a sink, and the texts of the notices that it has seen.
func notices() (sink func(llm.Delta), texts *[]string) {
	texts = new([]string)
	return func(d llm.Delta) {
		if n, ok := d.(llm.Notice); ok {
			*texts = append(*texts, n.Text)
		}
	}, texts
}

// unnoticed returns m without notices: the suite ends a context at the first delta, and
// demands that the script has been asked.
func unnoticed(m llm.Model) llm.Model {
	return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		if sink == nil {
			return m.Generate(ctx, req, nil)
		}
		return m.Generate(ctx, req, func(d llm.Delta) {
			if _, ok := d.(llm.Notice); !ok {
				sink(d)
			}
		})
	})
}

func TestFallbackHolds(t *testing.T) {
	t.Parallel()
	holds(t, func(_ *testing.T, m llm.Model) llm.Model { return wrap.Fallback{}.Model(m, m) })
}

func TestFallbackHoldsWithAModelThatIsDown(t *testing.T) {
	t.Parallel()
	holds(t, func(_ *testing.T, m llm.Model) llm.Model {
		return unnoticed(wrap.Fallback{}.Model(llm.ModelFunc(down), m))
	})
}

func TestFallbackAsksTheNextModelAfter(t *testing.T) {
	t.Parallel()
	for kind, next := range map[llm.ErrorKind]bool{
		llm.KindAuth: true, llm.KindPermission: true, llm.KindNotFound: true, llm.KindQuota: true, llm.KindRateLimit: true,
		llm.KindConflict: true, llm.KindOverloaded: true, llm.KindServer: true, llm.KindTimeout: true, llm.KindNetwork: true,
		llm.KindTruncated: true, llm.KindMalformed: true,
		llm.KindInvalidRequest: false, llm.KindTooLarge: false, llm.KindContextOverflow: false, llm.KindContentFilter: false,
	} {
		for _, retries := range []int{0, -1} {
			first, second := two(&llm.APIError{Kind: kind, Retries: retries})
			resp, err := wrap.Fallback{}.Model(first, second).Generate(t.Context(), hello(false), nil)
			if next && (kind != llm.KindConflict || retries == 0) {
				require.NoError(t, err, kind)
				require.Equal(t, "second", resp.Model)
				continue
			}
			require.Same(t, first.fails.Load(), err, kind)
			require.Zero(t, second.asked.Load())
		}
	}
	require.True(t, wrap.Fallback{}.TriesNext(fmt.Errorf("a retry: %w", overloaded)))
	require.True(t, wrap.Fallback{}.TriesNext(once), "the model may write a better call")
	require.False(t, wrap.Fallback{}.TriesNext(errors.New("no APIError")))
}

func TestFallbackLetsAFunctionDecide(t *testing.T) {
	t.Parallel()
	overflow := func(err error) bool {
		api, ok := errors.AsType[*llm.APIError](err)
		return ok && api.Kind == llm.KindContextOverflow || wrap.Fallback{}.TriesNext(err)
	}
	f := wrap.Fallback{When: overflow}
	require.True(t, f.TriesNext(overloaded))
	first, second := two(&llm.APIError{Kind: llm.KindContextOverflow})
	m := f.Model(first, second)
	for range 2 {
		resp, err := m.Generate(t.Context(), hello(false), nil)
		require.NoError(t, err)
		require.Equal(t, "second", resp.Model)
	}
	require.EqualValues(t, 2, first.asked.Load(), "one request was too long; the model is not down")
}

func TestFallbackCoolsDown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		f     wrap.Fallback
		err   *llm.APIError
		until time.Duration // the first model is tried again; 0: at once
	}{
		{name: "for a minute", err: overloaded, until: time.Minute},
		{name: "as configured", f: wrap.Fallback{CoolDown: time.Hour}, err: overloaded, until: time.Hour},
		{name: "as long as the provider says", err: &llm.APIError{Kind: llm.KindRateLimit, RetryAfter: 5 * time.Minute}, until: 5 * time.Minute},
		{name: "not at all", f: wrap.Fallback{CoolDown: -1}, err: overloaded},
		{name: "not after a broken answer", err: &llm.APIError{Kind: llm.KindTruncated}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				first, second := two(tt.err)
				m := tt.f.Model(first, second)
				ask := func() {
					resp, err := m.Generate(t.Context(), hello(false), nil)
					require.NoError(t, err)
					require.Equal(t, "second", resp.Model)
				}
				ask()
				if tt.until > 0 {
					time.Sleep(tt.until - time.Nanosecond) // synctest: exact in a bubble
					ask()
					require.EqualValues(t, 1, first.asked.Load())
					time.Sleep(time.Nanosecond) // synctest: exact in a bubble
				}
				ask()
				require.EqualValues(t, 2, first.asked.Load())
			})
		})
	}
}

// TestFallbackComesBack: after the cool-down a single request tries the model, and all
// do once it has answered.
func TestFallbackComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, second := two(overloaded)
		gate := make(chan struct{})
		slow := llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
			<-gate
			return first.Generate(ctx, req, sink)
		})
		m := wrap.Fallback{}.Model(slow, second)
		ask := func() string {
			resp, err := m.Generate(t.Context(), hello(false), nil)
			require.NoError(t, err)
			return resp.Model
		}
		go func() { gate <- struct{}{} }()
		require.Equal(t, "second", ask())
		time.Sleep(time.Minute) // synctest: exact in a bubble
		first.fails.Store(nil)
		var tried sync.WaitGroup
		tried.Go(func() { require.Equal(t, "first", ask()) })
		synctest.Wait()
		require.Equal(t, "second", ask(), "while one request tries")
		close(gate)
		tried.Wait()
		require.Equal(t, "first", ask())
	})
}

// TestFallbackIgnoresOldSuccess: an answer to a request from before the outage does not
// end the outage.
func TestFallbackIgnoresOldSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		slow := llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
			if asked.Add(1) > 1 {
				return nil, overloaded
			}
			time.Sleep(10 * time.Second) // synctest: exact in a bubble
			return answer, nil
		})
		m := wrap.Fallback{}.Model(slow, &counted{name: "second"})
		var old sync.WaitGroup
		old.Go(func() { _, _ = m.Generate(t.Context(), hello(false), nil) })
		time.Sleep(time.Second) // synctest: exact in a bubble
		_, _ = m.Generate(t.Context(), hello(false), nil)
		old.Wait()
		_, _ = m.Generate(t.Context(), hello(false), nil)
		require.EqualValues(t, 2, asked.Load())
	})
}

func TestFallbackSaysWhoAnswers(t *testing.T) {
	t.Parallel()
	first, second := two(overloaded)
	m := wrap.Fallback{}.Model(first, llm.ModelFunc(down), second)
	sink, texts := notices()
	for range 2 {
		_, err := m.Generate(t.Context(), hello(true), sink)
		require.NoError(t, err)
	}
	require.Equal(t, []string{
		"503 overloaded; asking model 2 of 3", // a function has no name
		"503 overloaded; asking model 3 of 3 (second)",
		"model 1 of 3 (first) is down (503 overloaded); asking model 3 of 3 (second)",
	}, *texts)
}

// TestFallbackTriesAllThatAreDown: a model that is down is better than none.
func TestFallbackTriesAllThatAreDown(t *testing.T) {
	t.Parallel()
	first, second := two(overloaded)
	second.fails.Store(auth)
	m := wrap.Fallback{}.Model(first, second)
	for range 2 {
		_, err := m.Generate(t.Context(), hello(false), nil)
		require.EqualError(t, err, "401 auth (before: model 1 of 2 (first): 503 overloaded)")
		api, _ := errors.AsType[*llm.APIError](err)
		require.Same(t, auth, api, "the last error is the error")
		require.ErrorIs(t, err, overloaded)
	}
	require.EqualValues(t, 2, first.asked.Load())
	second.fails.Store(nil)
	_, err := m.Generate(t.Context(), hello(false), nil)
	require.NoError(t, err)
	_, err = m.Generate(t.Context(), hello(false), nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, first.asked.Load(), "the second model is up again, and the first is not")
}

// TestFallbackAfterDeltas: an answer that breaks off is taken back.
func TestFallbackAfterDeltas(t *testing.T) {
	t.Parallel()
	inAllSeats(t, func(t *testing.T, script seat) {
		for _, stream := range []bool{true, false} {
			first := script(t, llmtest.Text("One, two, three, four.").With(llmtest.Cut(2)))
			m := wrap.Fallback{}.Model(first, script(t, llmtest.Text("Five.")))
			shown, restarts := "", 0
			resp, err := m.Generate(t.Context(), hello(stream), func(d llm.Delta) {
				switch d := d.(type) {
				case llm.TextDelta:
					shown += d.Text
				case llm.Restarted:
					api, _ := errors.AsType[*llm.APIError](d.Err)
					require.Equal(t, llm.KindTruncated, api.Kind)
					shown, restarts = "", restarts+1
				}
			})
			require.NoError(t, err)
			require.Equal(t, "Five.", resp.Message.Text())
			if stream {
				require.Equal(t, "Five.", shown)
				require.Equal(t, 1, restarts)
				continue
			}
			require.Zero(t, restarts)
		}
	})
}

func TestFallbackEndsWithContext(t *testing.T) {
	t.Parallel()
	reason := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	leaves := llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
		cancel(reason)
		return nil, overloaded
	})
	second := &counted{name: "second"}
	m := wrap.Fallback{When: func(error) bool { panic("asked") }}.Model(leaves, second)
	_, err := m.Generate(ctx, hello(false), nil)
	require.Equal(t, reason, err)
	require.Zero(t, second.asked.Load())

	first, _ := two(overloaded)
	first.fails.Store(overloaded)
	ctx, cancel = context.WithCancelCause(t.Context())
	var got []llm.Delta
	_, err = wrap.Fallback{}.Model(first, second).Generate(ctx, hello(true), func(d llm.Delta) { got = append(got, d); cancel(reason) })
	require.Equal(t, reason, err)
	require.Len(t, got, 1)
	require.Zero(t, second.asked.Load())

	ctx, cancel = context.WithCancelCause(t.Context())
	shows := &failing{errs: []error{overloaded}, shows: []llm.Delta{llm.TextDelta{Text: "a"}}}
	_, err = wrap.Fallback{}.Model(shows, second).Generate(ctx, hello(true), func(d llm.Delta) {
		require.NotEqual(t, llm.Restarted{Err: overloaded}, d, "after the end of the context")
		if _, ok := d.(llm.Notice); ok {
			cancel(reason)
		}
	})
	require.Equal(t, reason, err)
	require.Zero(t, second.asked.Load())
}

// TestFallbackAroundRetries: the models of openai retry first.
func TestFallbackAroundRetries(t *testing.T) {
	t.Parallel()
	for _, api := range []openai.API{openai.APIChat, openai.APIResponses} {
		t.Run(string(api), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				first := llmtest.Script(t, llmtest.Fail(overloaded).Forever())
				retry := wrap.Retry{}.WithRandom(func() float64 { return 0 })
				m := wrap.Fallback{}.Model(
					openai.Config{HTTPClient: first.Client(), Key: "k", API: api, Retry: retry}.Model("m"),
					llmtest.Script(t, llmtest.Text("Hello."), llmtest.Text("Hello.")))
				begin := time.Now()
				for range 2 {
					resp, err := m.Generate(t.Context(), hello(true), nil)
					require.NoError(t, err)
					require.Equal(t, "Hello.", resp.Message.Text())
				}
				require.Len(t, first.Requests(), 4)
				require.Equal(t, 3500*time.Millisecond, time.Since(begin))
			})
		})
	}
}

// TestRetryAroundFallback: what one model has shown and the fallback has taken back does
// not forbid a retry.
func TestRetryAroundFallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := &failing{errs: []error{overloaded, overloaded}, shows: []llm.Delta{llm.TextDelta{Text: "a"}}}
		second := &failing{errs: []error{overloaded}}
		resp, err := wrap.Retry{}.Model(wrap.Fallback{CoolDown: -1}.Model(first, second)).Generate(t.Context(), hello(true), func(llm.Delta) {})
		require.NoError(t, err)
		require.Equal(t, answer, resp)
		require.Equal(t, 2, second.tries)
	})
}

func TestFallbackConcurrently(t *testing.T) {
	t.Parallel()
	first, second := two(overloaded)
	m := wrap.Fallback{}.Model(first, second)
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			if i == 32 {
				first.fails.Store(nil)
			}
			_, err := m.Generate(t.Context(), hello(false), nil)
			require.NoError(t, err)
		})
	}
	all.Wait()
}

func TestFallbackRefusesBadConfiguration(t *testing.T) {
	t.Parallel()
	m := &counted{}
	for want, bad := range map[string]llm.Model{
		"wrap: a Fallback needs a model":     wrap.Fallback{}.Model(),
		"wrap: model 2 of a Fallback is nil": wrap.Fallback{}.Model(m, nil),
		"wrap: Fallback.CoolDown is -1m0s":   wrap.Fallback{CoolDown: -time.Minute}.Model(m),
	} {
		_, err := bad.Generate(t.Context(), hello(false), nil)
		require.EqualError(t, err, want)
	}
	require.Zero(t, m.asked.Load())
}
