package invoke_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A work is a call for a Group.
type work struct {
	task invoke.Task
	call func(ctx context.Context) (llm.Parts, error)
	end  func(invoke.Outcome)
}

func (w *work) Call(ctx context.Context) (llm.Parts, error) { return w.call(ctx) }
func (w *work) End(o invoke.Outcome)                        { w.end(o) }

// TestGroup: each call of a group has its own timeout. Calls that ignore the end of the
// group's context are left behind together.
func TestGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		g := invoke.NewGroup(ctx)
		defer g.Close()
		start := time.Now()
		took, left := make([]time.Duration, 4), make([]bool, 4)
		for i, timeout := range []time.Duration{3 * time.Second, time.Second, 0, time.Hour} {
			w := &work{end: func(o invoke.Outcome) { took[i], left[i] = time.Since(start), o.Left }}
			w.call = func(ctx context.Context) (llm.Parts, error) {
				if i == 1 {
					time.Sleep(24 * time.Hour) // synctest: exact in a bubble; ignores its context
				}
				<-ctx.Done()
				if i == 3 {
					time.Sleep(24 * time.Hour) // synctest: exact in a bubble; ignores its context
				}
				return nil, context.Cause(ctx)
			}
			g.Go(&w.task, w, timeout)
		}
		time.Sleep(10 * time.Second) // synctest: exact in a bubble
		cancel()
		time.Sleep(10 * time.Second) // synctest: exact in a bubble
		synctest.Wait()
		require.Equal(t, []time.Duration{3 * time.Second, time.Second + invoke.Grace, 10 * time.Second, 10*time.Second + invoke.Grace}, took)
		require.Equal(t, []bool{false, true, false, true}, left)
		time.Sleep(48 * time.Hour) // synctest: exact in a bubble; what was left behind ends
		synctest.Wait()
		require.Equal(t, time.Second+invoke.Grace, took[1])
	})
}

type valueKey struct{}

// TestCallContext: the context of a call, and the contexts made of it, are those of package
// context in all that a function can see.
func TestCallContext(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"return", "timeout", "cancel"} {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), valueKey{}, "v"))
			defer cancel(nil)
			var own, child context.Context
			var stop context.CancelFunc // never called before the end of the test: the end of own ends child
			after := 0
			f := tool.Must(tool.New("work", "Works.", func(ctx context.Context, _ struct{}) (string, error) {
				own = ctx
				child, stop = context.WithCancel(ctx)
				context.AfterFunc(ctx, func() { after++ })
				require.True(t, context.AfterFunc(ctx, func() { after += 100 })())
				require.Equal(t, "v", ctx.Value(valueKey{}))
				require.NoError(t, ctx.Err())
				if way == "return" {
					return "done", nil
				}
				<-child.Done()
				return "", nil
			}))
			if way == "cancel" {
				time.AfterFunc(time.Second, func() { cancel(errPlanted) })
			}
			invoke.Call{Tool: f, Args: json.RawMessage(`{}`), Timeout: time.Minute}.Do(parent)
			want, cause := context.Canceled, context.Canceled
			switch way {
			case "timeout":
				want, cause = context.DeadlineExceeded, context.DeadlineExceeded
			case "cancel":
				cause = errPlanted
			}
			synctest.Wait()
			for _, ctx := range []context.Context{own, child} {
				<-ctx.Done()
				require.Equal(t, want, ctx.Err())
				require.Equal(t, cause, context.Cause(ctx))
			}
			stop()
			require.Equal(t, 1, after)
			late, stop := context.WithCancel(own)
			defer stop()
			require.Equal(t, want, late.Err())
		})
	}
}

// TestAttend: visits happen on the caller's goroutine. A panic of a visit ends the
// function's context, and the caller unwinds.
func TestAttend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wake, visits := make(chan struct{}), 0 // no lock: the race detector would tell
		got := invoke.Attend(t.Context(), wake, func() { visits++ }, func(context.Context) (int, error) {
			wake <- struct{}{}
			wake <- struct{}{}
			return 1, nil
		})
		require.Equal(t, invoke.Return[int]{Value: 1}, got)
		require.Equal(t, 2, visits)
		ended := false
		require.PanicsWithValue(t, errPlanted, func() {
			invoke.Attend(t.Context(), wake, func() { panic(errPlanted) }, func(ctx context.Context) (int, error) {
				wake <- struct{}{}
				<-ctx.Done()
				ended = true
				return 1, nil
			})
		})
		require.True(t, ended)
	})
}
