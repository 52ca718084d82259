package invoke_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
)

var errPlanted = errors.New("planted")

// TestApart: the caller learns how the function ended. A function that ignores its
// context is left behind after Grace.
func TestApart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		f    func(ctx context.Context, stuck <-chan struct{}) (int, error)
		want invoke.Return[int]
		took time.Duration
	}{
		{"value", func(context.Context, <-chan struct{}) (int, error) { return 1, nil }, invoke.Return[int]{Value: 1}, 0},
		{"error", func(context.Context, <-chan struct{}) (int, error) { return 0, errPlanted }, invoke.Return[int]{Err: errPlanted}, 0},
		{"goexit", func(context.Context, <-chan struct{}) (int, error) { runtime.Goexit(); return 1, nil }, invoke.Return[int]{Exited: true}, 0},
		{"panic", func(context.Context, <-chan struct{}) (int, error) { panic(errPlanted) }, invoke.Return[int]{Panic: errPlanted}, 0},
		{"keeps to its context", func(ctx context.Context, _ <-chan struct{}) (int, error) { <-ctx.Done(); return 1, ctx.Err() },
			invoke.Return[int]{Value: 1, Err: context.DeadlineExceeded}, time.Minute},
		{"late", func(context.Context, <-chan struct{}) (int, error) { time.Sleep(64 * time.Second); return 1, nil }, // synctest: exact in a bubble
			invoke.Return[int]{Value: 1}, 64 * time.Second},
		{"stuck", func(_ context.Context, stuck <-chan struct{}) (int, error) { <-stuck; return 1, nil }, invoke.Return[int]{Left: true}, 65 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stuck := make(chan struct{})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				got := invoke.Apart(ctx, func(ctx context.Context, _ func(func())) (int, error) { return tt.f(ctx, stuck) })
				require.Equal(t, tt.took, time.Since(start))
				require.Equal(t, got.Panic != nil, got.Stack != nil)
				close(stuck)
				if got.Left {
					require.Equal(t, invoke.Return[int]{Value: 1}, <-got.Late)
				}
				got.Stack, got.Late = nil, nil
				require.Equal(t, tt.want, got)
			})
		})
	}
}

// TestApartHere: here runs functions on the caller's goroutine, in order, and nothing
// after Apart has returned.
func TestApartHere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var did []int // no lock: the race detector would tell
		stuck := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		got := invoke.Apart(ctx, func(_ context.Context, here func(func())) (int, error) {
			for i := range 3 {
				here(func() { did = append(did, i) })
			}
			cancel()
			here(func() { did = append(did, 3) }) // its time is not over
			<-stuck
			here(func() { t.Error("nobody is here") })
			return 1, nil
		})
		require.True(t, got.Left)
		did = append(did, 4)
		close(stuck)
		<-got.Late
		require.Equal(t, []int{0, 1, 2, 3, 4}, did)
	})
}

// TestApartUnwinds: a panic on the caller's goroutine ends the function's context. The
// caller unwinds after the end of the function, or after Grace.
func TestApartUnwinds(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"panic", "goexit"} {
		for _, ignores := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var order []string
				stuck := make(chan struct{})
				ended := make(chan any)
				start := time.Now()
				go func() {
					defer func() { ended <- recover() }()
					invoke.Apart(t.Context(), func(ctx context.Context, here func(func())) (int, error) {
						here(func() {
							if way == "goexit" {
								runtime.Goexit()
							}
							panic(errPlanted)
						})
						<-ctx.Done()
						here(func() { t.Error("nobody is here") })
						if ignores {
							<-stuck
							return 0, nil
						}
						order = append(order, "function")
						return 0, nil
					})
				}()
				v := <-ended
				order = append(order, "caller")
				require.Equal(t, way == "panic", v == any(errPlanted))
				require.Equal(t, !ignores, slices.Equal(order, []string{"function", "caller"}))
				if ignores {
					require.Equal(t, invoke.Grace, time.Since(start))
				}
				close(stuck)
			})
		}
	}
}

// TestResume repeats a panic and a Goexit.
func TestResume(t *testing.T) {
	t.Parallel()
	require.PanicsWithError(t, errPlanted.Error(), invoke.Return[int]{Panic: errPlanted, Stack: []byte{}}.Resume)
	exited := make(chan bool)
	go func() {
		defer func() { exited <- true }()
		invoke.Return[int]{Exited: true}.Resume()
		exited <- false
	}()
	require.True(t, <-exited)
	invoke.Return[int]{Value: 1}.Resume()
}
