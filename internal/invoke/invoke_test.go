package invoke_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestDo: Do returns for every behaviour of a function, with the right outcome.
func TestDo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do      func(context.Context) (string, error)
		cancel  time.Duration // of the caller's context; 0: never
		failure tool.Failure
		took    time.Duration
		left    bool
		stack   bool // there is one, for the log
	}{
		"returns": {do: func(context.Context) (string, error) { return "done", nil }},
		"returns after its time, within the grace": {took: 4 * time.Second, do: func(context.Context) (string, error) {
			time.Sleep(4 * time.Second) // synctest: exact in a bubble
			return "done", nil
		}},
		"fails after its time": {took: 2 * time.Second, failure: tool.TimedOut, do: func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}},
		"ends as its caller does": {took: time.Second, cancel: time.Second, failure: tool.Failed, do: func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", errors.New("cut off")
		}},
		"ignores its context": {took: 2*time.Second + invoke.Grace, failure: tool.TimedOut, left: true, do: func(context.Context) (string, error) {
			time.Sleep(time.Minute) // synctest: exact in a bubble
			return "", nil
		}},
		"ignores that its caller ended": {took: time.Second + invoke.Grace, cancel: time.Second, failure: tool.OutcomeUnknown, left: true, do: func(context.Context) (string, error) {
			time.Sleep(time.Minute) // synctest: exact in a bubble
			return "", nil
		}},
		"panics after its time": {took: 2 * time.Second, failure: tool.TimedOut, stack: true, do: func(ctx context.Context) (string, error) {
			<-ctx.Done()
			panic("broken")
		}},
		"panics":       {failure: tool.Panicked, stack: true, do: func(context.Context) (string, error) { panic("broken") }},
		"calls Goexit": {failure: tool.Failed, do: func(context.Context) (string, error) { runtime.Goexit(); return "", nil }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.cancel > 0 {
					time.AfterFunc(test.cancel, cancel)
				}
				began := time.Now()
				f, err := tool.New("work", "Works.", func(ctx context.Context, _ struct{}) (string, error) {
					if d := tool.CallFrom(ctx).Deadline; !d.Equal(began.Add(2 * time.Second)) {
						return "", errors.New("wrong deadline")
					}
					return test.do(ctx)
				})
				require.NoError(t, err)
				o := invoke.Call{Tool: f, Args: json.RawMessage(`{}`), Timeout: 2 * time.Second}.Do(ctx)
				require.Equal(t, test.took, time.Since(began))
				require.Equal(t, test.left, o.Left)
				if test.failure == "" {
					require.Equal(t, invoke.Outcome{Parts: llm.Parts{llm.Text{Text: "done"}}}, o)
				} else {
					require.Equal(t, test.failure, o.Err.Failure)
					require.Equal(t, test.stack, o.Err.Stack != nil)
				}
				time.Sleep(time.Hour) // synctest: exact in a bubble; what was left behind ends
			})
		})
	}
}

// TestAsk: an answer counts if it comes before the context ends.
func TestAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err := invoke.Ask(ctx, func() (int, error) { return 7, nil })
		require.NoError(t, err)
		require.Equal(t, 7, got)
		got, err = invoke.Ask(ctx, func() (int, error) { runtime.Goexit(); return 7, nil })
		require.ErrorContains(t, err, "Goexit")
		require.Zero(t, got)
		got, err = invoke.Ask(ctx, func() (int, error) { time.Sleep(time.Minute); return 7, nil }) // synctest: exact in a bubble
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, got)
		time.Sleep(time.Hour) // synctest: exact in a bubble; what was left behind ends
	})
}

// TestError: no error is lost for not being a tool's.
func TestError(t *testing.T) {
	t.Parallel()
	own := tool.Fail(tool.NotRun, "", nil)
	require.Same(t, own, invoke.Error(fmt.Errorf("in vain: %w", own)))
	plain := errors.New("out of order")
	require.Equal(t, tool.Fail(tool.Failed, "out of order", plain), invoke.Error(plain))
}
