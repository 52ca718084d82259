package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/batched"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

func limited(after time.Duration) error {
	return &llm.APIError{Kind: llm.KindRateLimit, StatusCode: 429, RetryAfter: after}
}

var (
	overloaded = &llm.APIError{Kind: llm.KindOverloaded, StatusCode: 503}
	auth       = &llm.APIError{Kind: llm.KindAuth, StatusCode: 401}
	once       = &llm.APIError{Kind: llm.KindInvalidRequest, StatusCode: 400, Retries: 1}
	twice      = &llm.APIError{Kind: llm.KindInvalidRequest, StatusCode: 400, Retries: 2}
	never      = &llm.APIError{Kind: llm.KindOverloaded, StatusCode: 503, Retries: -1}
	answer     = &llm.Response{ID: "answer"}
)

// failing is a model that fails with errs, one after the other, and then answers.
type failing struct {
	errs  []error
	shows []llm.Delta // what each try shows first
	tries int
}

func (f *failing) Generate(_ context.Context, _ *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
	f.tries++
	for _, d := range f.shows {
		if sink != nil {
			sink(d)
		}
	}
	if f.tries <= len(f.errs) {
		return nil, f.errs[f.tries-1]
	}
	return answer, nil
}

func TestRetryWaits(t *testing.T) {
	t.Parallel()
	var many []error
	for range 9 {
		many = append(many, overloaded)
	}
	wrapped := fmt.Errorf("inside: %w", overloaded)
	plain := errors.New("no API error")
	for _, tt := range []struct {
		name   string
		retry  wrap.Retry
		random float64
		errs   []error
		tries  int
		took   time.Duration
		err    error
	}{
		{name: "no failure", tries: 1},
		{name: "zero value: doubling from half a second", errs: many[:3], tries: 4, took: 500*time.Millisecond + time.Second + 2*time.Second},
		{name: "zero value: four tries in all", errs: many, tries: 4, took: 3500 * time.Millisecond, err: overloaded},
		{name: "an error inside another", errs: []error{wrapped}, tries: 2, took: 500 * time.Millisecond},
		{name: "jitter takes up to a quarter off", random: 1, errs: many[:2], tries: 3, took: 375*time.Millisecond + 750*time.Millisecond},
		{name: "one attempt", retry: wrap.Retry{Attempts: 1}, errs: many, tries: 1, err: overloaded},
		{name: "no limit on attempts", retry: wrap.Retry{Attempts: -1, MaxDelay: time.Second}, errs: many, tries: 10, took: 8500 * time.Millisecond},
		{name: "the longest delay", retry: wrap.Retry{MinDelay: time.Second, MaxDelay: 3 * time.Second, Attempts: 6}, errs: many[:5], tries: 6, took: (1 + 2 + 3 + 3 + 3) * time.Second},
		{name: "no longest delay", retry: wrap.Retry{MaxDelay: -1, MinDelay: time.Minute, Attempts: 8}, errs: many[:7], tries: 8, took: 127 * time.Minute},
		{name: "no delay", retry: wrap.Retry{MinDelay: -1}, errs: many[:3], tries: 4},
		{name: "retry-after is a lower bound", errs: []error{limited(12 * time.Second)}, tries: 2, took: 12 * time.Second},
		{name: "and gets a little on top", random: 1, errs: []error{limited(12 * time.Second)}, tries: 2, took: 12*time.Second + 125*time.Millisecond},
		{name: "retry-after below the delay", random: 1, errs: []error{limited(450 * time.Millisecond)}, tries: 2, took: 450 * time.Millisecond},
		{name: "retry-after up to the patience", errs: []error{limited(time.Minute)}, tries: 2, took: time.Minute},
		{name: "retry-after beyond the patience", errs: []error{limited(61 * time.Second)}, tries: 1, err: limited(61 * time.Second)},
		{name: "a patience of one's own", retry: wrap.Retry{MaxWait: time.Hour}, errs: []error{limited(59 * time.Minute)}, tries: 2, took: 59 * time.Minute},
		{name: "no limit on patience", retry: wrap.Retry{MaxWait: -1}, errs: []error{limited(48 * time.Hour)}, tries: 2, took: 48 * time.Hour},
		{name: "an error that allows one more try", errs: []error{once, once}, tries: 2, took: 500 * time.Millisecond, err: once},
		{name: "and other errors beside it", errs: []error{overloaded, once, overloaded}, tries: 4, took: 3500 * time.Millisecond},
		{name: "an error that allows two, among others", retry: wrap.Retry{Attempts: -1}, errs: []error{twice, overloaded, twice, twice}, tries: 4, took: 3500 * time.Millisecond, err: twice},
		{name: "an error that allows more than there are attempts", retry: wrap.Retry{Attempts: 2}, errs: []error{twice, twice}, tries: 2, took: 500 * time.Millisecond, err: twice},
		{name: "an error that allows none", errs: []error{never}, tries: 1, err: never},
		{name: "a budget", retry: wrap.Retry{Attempts: -1, Budget: 4 * time.Second}, errs: many, tries: 4, took: 3500 * time.Millisecond, err: overloaded},
		{name: "a budget that is just enough", retry: wrap.Retry{Budget: 3500 * time.Millisecond}, errs: many[:3], tries: 4, took: 3500 * time.Millisecond},
		{name: "a budget below the wait that is asked for", retry: wrap.Retry{Budget: 10 * time.Second}, errs: []error{limited(11 * time.Second)}, tries: 1, err: limited(11 * time.Second)},
		{name: "what cannot succeed", errs: []error{auth}, tries: 1, err: auth},
		{name: "what becomes hopeless", errs: []error{overloaded, auth}, tries: 2, took: 500 * time.Millisecond, err: auth},
		{name: "another error", errs: []error{plain}, tries: 1, err: plain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := &failing{errs: tt.errs}
				begin := time.Now()
				resp, err := tt.retry.WithRandom(func() float64 { return tt.random }).Model(m).Generate(t.Context(), &llm.Request{}, nil)
				require.Equal(t, tt.took, time.Since(begin))
				require.Equal(t, tt.tries, m.tries)
				require.Equal(t, tt.err, err)
				if tt.err == nil {
					require.Equal(t, answer, resp)
				}
			})
		})
	}
}

func TestRetryOwnRandomStaysInBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			begin := time.Now()
			_, err := wrap.Retry{}.Model(&failing{errs: []error{overloaded}}).Generate(t.Context(), &llm.Request{}, nil)
			require.NoError(t, err)
			took := time.Since(begin)
			require.Greater(t, took, 374*time.Millisecond)
			require.LessOrEqual(t, took, 500*time.Millisecond)
		}
	})
}

func TestRetryAfterDeltas(t *testing.T) {
	t.Parallel()
	again := llm.Notice{Text: "503 overloaded; trying again in 500ms (try 2 of 4)"}
	for _, tt := range []struct {
		name    string
		shows   llm.Delta
		restart bool
		want    []llm.Delta
		err     error
	}{
		{name: "text", shows: llm.TextDelta{Text: "a"}, want: []llm.Delta{llm.TextDelta{Text: "a"}}, err: overloaded},
		{name: "reasoning", shows: llm.ReasoningDelta{Text: "a"}, want: []llm.Delta{llm.ReasoningDelta{Text: "a"}}, err: overloaded},
		{name: "call", shows: llm.CallDelta{Name: "f"}, want: []llm.Delta{llm.CallDelta{Name: "f"}}, err: overloaded},
		{name: "a notice is no answer", shows: llm.Notice{Text: "n"}, want: []llm.Delta{llm.Notice{Text: "n"}, again, llm.Notice{Text: "n"}}},
		{name: "restart allowed", shows: llm.TextDelta{Text: "a"}, restart: true,
			want: []llm.Delta{llm.TextDelta{Text: "a"}, again, llm.Restarted{Err: overloaded}, llm.TextDelta{Text: "a"}}},
		{name: "restart allowed, nothing shown", shows: llm.Notice{Text: "n"}, restart: true, want: []llm.Delta{llm.Notice{Text: "n"}, again, llm.Notice{Text: "n"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := &failing{errs: []error{overloaded}, shows: []llm.Delta{tt.shows}}
				var got []llm.Delta
				retry := wrap.Retry{Restart: tt.restart}.WithRandom(func() float64 { return 0 })
				_, err := retry.Model(m).Generate(t.Context(), &llm.Request{}, func(d llm.Delta) { got = append(got, d) })
				require.Equal(t, tt.want, got)
				if tt.err != nil {
					require.Equal(t, tt.err, err)
					return
				}
				require.NoError(t, err)
			})
		})
	}
}

// TestRestartedOnlyOfWhatWasShown has tries that show something and tries that
// do not: each thing shown is voided once.
func TestRestartedOnlyOfWhatWasShown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		shown []bool // by each try; all but the last fail
		want  string
	}{
		{name: "only the first try", shown: []bool{true, false, false}, want: "text again restarted again "},
		{name: "both", shown: []bool{true, true, false}, want: "text again restarted text again restarted "},
		{name: "the first and the third", shown: []bool{true, false, true, true}, want: "text again restarted again text again restarted text "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				try, got := 0, ""
				m := wrap.Retry{Restart: true}.Model(llm.ModelFunc(func(_ context.Context, _ *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
					if try++; tt.shown[try-1] {
						sink(llm.TextDelta{Text: "a"})
					}
					if try < len(tt.shown) {
						return nil, overloaded
					}
					return answer, nil
				}))
				_, err := m.Generate(t.Context(), &llm.Request{}, func(d llm.Delta) {
					switch d.(type) {
					case llm.TextDelta:
						got += "text "
					case llm.Notice:
						got += "again "
					case llm.Restarted:
						got += "restarted "
					}
				})
				require.NoError(t, err)
				require.Equal(t, tt.want, got)
			})
		})
	}
}

func TestRetryWithoutSinkMayStartOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &failing{errs: []error{overloaded}, shows: []llm.Delta{llm.TextDelta{Text: "a"}}}
		_, err := wrap.Retry{}.Model(m).Generate(t.Context(), &llm.Request{}, nil)
		require.NoError(t, err)
	})
}

func TestRetryEndsWithContext(t *testing.T) {
	t.Parallel()
	reason := errors.New("the user left")
	t.Run("during a wait", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(7*time.Second, func() { cancel(reason) })
			begin := time.Now()
			_, err := wrap.Retry{}.Model(&failing{errs: []error{limited(10 * time.Second)}}).Generate(ctx, &llm.Request{}, nil)
			require.Equal(t, reason, err)
			require.Equal(t, 7*time.Second, time.Since(begin))
		})
	})
	t.Run("during a try", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := wrap.Retry{}.Model(llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
			cancel(reason)
			return nil, overloaded
		})).Generate(ctx, &llm.Request{}, nil)
		require.Equal(t, reason, err)
	})
	t.Run("in the sink that hears of the wait", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			m := &failing{errs: []error{limited(10 * time.Second)}}
			begin := time.Now()
			_, err := wrap.Retry{Attempts: -1}.Model(m).Generate(ctx, &llm.Request{}, func(d llm.Delta) {
				require.Contains(t, d.(llm.Notice).Text, "(try 2)")
				cancel(reason)
			})
			require.Equal(t, reason, err)
			require.Zero(t, time.Since(begin))
		})
	})
	t.Run("in the sink that hears of the restart", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			m := &failing{errs: []error{overloaded}, shows: []llm.Delta{llm.TextDelta{Text: "a"}}}
			_, err := wrap.Retry{Restart: true}.Model(m).Generate(ctx, &llm.Request{}, func(d llm.Delta) {
				if _, ok := d.(llm.Restarted); ok {
					cancel(reason)
				}
			})
			require.Equal(t, reason, err)
			require.Equal(t, 1, m.tries)
		})
	})
}

// TestRetryHasNoTime: a wait beyond the deadline of the context can only end
// with it, so the error that is known comes at once.
func TestRetryHasNoTime(t *testing.T) {
	t.Parallel()
	busy := limited(50 * time.Second)
	for _, tt := range []struct {
		name  string
		left  time.Duration
		errs  []error
		tries int
		took  time.Duration
		err   string // "": an answer
	}{
		{name: "what the provider asks for", left: 10 * time.Second, errs: []error{busy}, tries: 1,
			err: "429 rate_limit (retry after 50s); no time to try again: the next try is due in 50s, and the context ends in 10s"},
		{name: "to the very end", left: 50 * time.Second, errs: []error{busy}, tries: 1,
			err: "429 rate_limit (retry after 50s); no time to try again: the next try is due in 50s, and the context ends in 50s"},
		{name: "time enough", left: 51 * time.Second, errs: []error{busy}, tries: 2, took: 50 * time.Second},
		{name: "our own delay", left: 700 * time.Millisecond, errs: []error{overloaded, overloaded}, tries: 2, took: 500 * time.Millisecond,
			err: "503 overloaded; no time to try again: the next try is due in 1s, and the context ends in 200ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.left)
				defer cancel()
				begin, m := time.Now(), &failing{errs: tt.errs}
				told := 0
				resp, err := wrap.Retry{}.WithRandom(func() float64 { return 0 }).Model(m).Generate(ctx, &llm.Request{}, func(llm.Delta) { told++ })
				require.Equal(t, tt.tries, m.tries)
				require.Equal(t, tt.took, time.Since(begin))
				require.Equal(t, tt.tries-1, told, "a wait that is not begun is not told of")
				if tt.err == "" {
					require.NoError(t, err)
					require.Equal(t, answer, resp)
					return
				}
				require.EqualError(t, err, tt.err)
				require.ErrorIs(t, err, tt.errs[tt.tries-1])
				require.NotErrorIs(t, err, context.DeadlineExceeded)
			})
		})
	}
}

func TestRetryRecoversNoPanic(t *testing.T) {
	t.Parallel()
	m := wrap.Retry{}.Model(llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) { panic("ours") }))
	require.PanicsWithValue(t, "ours", func() { _, _ = m.Generate(t.Context(), &llm.Request{}, nil) })
}

func TestRetryPrintsTheModelInside(t *testing.T) {
	t.Parallel()
	m := wrap.Retry{}.Model(named("inner"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		require.Equal(t, "retried inner", fmt.Sprintf(verb, m))
	}
}

type named string

func (n named) String() string { return string(n) }

func (n named) Generate(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
	return nil, nil
}

// A batchModel is a model that gives its sink a batch, and then fails.
type batchModel struct{ calls *int }

// Generate implements [llm.Model].
func (m batchModel) Generate(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
	return nil, errors.New("no batch was asked for")
}

// GenerateBatches implements the method of package batched.
func (m batchModel) GenerateBatches(_ context.Context, _ *llm.Request, sink func(llm.Delta), _ batched.Request) (*llm.Response, error) {
	*m.calls++
	sink(new(batched.Batch).Of([]string{"some", "text"}))
	return nil, &llm.APIError{Kind: llm.KindOverloaded}
}

// TestRetryOfBatches: a batch passes a Retry, and counts as text that the sink has seen.
func TestRetryOfBatches(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		calls, texts, restarts := 0, 0, 0
		m := wrap.Retry{Attempts: 2, MinDelay: -1, Restart: restart}.Model(batchModel{&calls})
		_, err := batched.Generate(t.Context(), m, &llm.Request{}, func(d llm.Delta) {
			texts += len(batched.Texts(d))
			if _, again := d.(llm.Restarted); again {
				restarts++
			}
		})
		require.Error(t, err)
		want := 1
		if restart {
			want = 2
		}
		require.Equal(t, []int{want, 2 * want, want - 1}, []int{calls, texts, restarts})
	}
}
