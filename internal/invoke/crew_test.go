package invoke_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// goroutine returns the name of the current goroutine.
func goroutine() string {
	buf := make([]byte, 64)
	fields := bytes.Fields(buf[:runtime.Stack(buf, false)])
	return string(fields[1])
}

// TestNobodyWaits: each function begins, even if none returns or some end their goroutine.
func TestNobodyWaits(t *testing.T) {
	t.Parallel()
	for _, kept := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			g := invoke.NewGroup(t.Context())
			defer g.Close()
			if kept {
				g.Keep()
			}
			hang := make(chan struct{})
			var mu sync.Mutex
			var began, ended []int
			note := func(list *[]int, i int) {
				mu.Lock()
				defer mu.Unlock()
				*list = append(*list, i)
			}
			works := make([]work, 60)
			for i := range works {
				w := &works[i]
				w.end = func(invoke.Outcome) { note(&ended, i) }
				w.call = func(context.Context) (llm.Parts, error) {
					note(&began, i)
					switch i % 3 {
					case 0:
						<-hang
					case 1:
						runtime.Goexit()
					}
					return nil, nil
				}
				g.Go(&w.task, w, time.Minute)
			}
			synctest.Wait()
			require.Len(t, began, 60)
			require.Len(t, ended, 40)
			close(hang)
			synctest.Wait()
			slices.Sort(ended)
			require.Len(t, slices.Compact(ended), 60)
		})
	}
}

// TestKeep: a goroutine that waits for work does the next one, whatever its kind, and ends
// with the group: otherwise the bubble would fail.
func TestKeep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := invoke.NewGroup(t.Context())
		g.Keep()
		var models invoke.Caller[string]
		ask := func() string {
			r := models.Alone(t.Context(), g, func(context.Context) (string, error) { return goroutine(), nil })
			require.NoError(t, r.Err)
			synctest.Wait()
			return r.Value
		}
		first := ask()
		require.NotEqual(t, goroutine(), first)
		for range 3 {
			require.Equal(t, first, ask())
			var on string
			w := &work{end: func(invoke.Outcome) {}}
			w.call = func(context.Context) (llm.Parts, error) { on = goroutine(); return nil, nil }
			g.Go(&w.task, w, 0)
			synctest.Wait()
			require.Equal(t, first, on)
		}
		r := models.Alone(t.Context(), g, func(context.Context) (string, error) { runtime.Goexit(); return "", nil })
		require.True(t, r.Exited)
		require.NotEqual(t, first, ask())
		r = models.Alone(t.Context(), g, func(context.Context) (string, error) { panic("x") })
		require.Equal(t, "x", r.Panic)
		g.Close()
		require.NotEmpty(t, ask()) // nobody waits any more, but all work is done
	})
}

// TestKeepsOne: at most one goroutine waits for work, and none while the model is asked.
func TestKeepsOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := invoke.NewGroup(t.Context())
		defer g.Close()
		g.Keep()
		var mu sync.Mutex
		seen := map[string]bool{}
		known := func() bool {
			mu.Lock()
			defer mu.Unlock()
			was := seen[goroutine()]
			seen[goroutine()] = true
			return was
		}
		run := func(until <-chan struct{}) (old bool) {
			w := &work{end: func(invoke.Outcome) {}}
			w.call = func(context.Context) (llm.Parts, error) {
				old = known()
				<-until
				return nil, nil
			}
			g.Go(&w.task, w, 0)
			synctest.Wait()
			return old
		}
		end := func(until chan struct{}) {
			close(until)
			synctest.Wait()
		}
		first, second, third := make(chan struct{}), make(chan struct{}), make(chan struct{})
		for range 4 {
			require.False(t, run(first))
		}
		end(first)
		require.True(t, run(second))
		require.False(t, run(second), "two goroutines waited")
		var models invoke.Caller[bool]
		go models.Alone(t.Context(), g, func(context.Context) (bool, error) {
			known()
			<-third
			return true, nil
		})
		synctest.Wait()
		end(second)
		require.False(t, run(third), "a goroutine waited while the model was asked")
		end(third)
		require.True(t, run(third))
	})
}

// TestContextPrints: fmt does not read the fields of a context that ends meanwhile.
func TestContextPrints(t *testing.T) {
	t.Parallel()
	g := invoke.NewGroup(t.Context())
	defer g.Close()
	var models invoke.Caller[string]
	ctx, cancel := context.WithCancel(t.Context())
	r := models.Alone(ctx, g, func(ctx context.Context) (string, error) {
		cancel()
		text := fmt.Sprint(ctx)
		<-ctx.Done()
		return text, ctx.Err()
	})
	require.ErrorIs(t, r.Err, context.Canceled)
	require.Equal(t, fmt.Sprint(ctx)+".Call", r.Value)
}

// TestCallerLeaves: the answer of a function that was left behind is nobody else's answer. The
// context of a function ends with its parent, and with the function.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := invoke.NewGroup(t.Context())
		defer g.Close()
		g.Keep()
		var models invoke.Caller[int]
		ctx, cancel := context.WithCancelCause(t.Context())
		reason := errors.New("enough")
		time.AfterFunc(time.Second, func() { cancel(reason) })
		var ended time.Duration
		start := time.Now()
		r := models.Alone(ctx, g, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			ended = time.Since(start)
			require.ErrorIs(t, context.Cause(ctx), reason)
			time.Sleep(time.Hour) // synctest: exact in a bubble; ignores its context
			return 1, nil
		})
		require.True(t, r.Left)
		require.Equal(t, time.Second, ended)
		require.Equal(t, time.Second+invoke.Grace, time.Since(start))

		var kept, derived context.Context
		second := models.Alone(t.Context(), g, func(ctx context.Context) (int, error) {
			kept = ctx
			var cancel context.CancelFunc
			derived, cancel = context.WithCancel(ctx)
			_ = cancel                // ends with its parent
			time.Sleep(2 * time.Hour) // synctest: exact in a bubble; the first function ends meanwhile
			return 2, ctx.Err()
		})
		require.NoError(t, second.Err)
		require.Equal(t, 2, second.Value)
		require.ErrorIs(t, kept.Err(), context.Canceled)
		<-derived.Done()
		require.Equal(t, 1, (<-r.Late).Value)
	})
}
