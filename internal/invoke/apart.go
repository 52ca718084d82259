package invoke

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

// A Return is how a function ended that was called by [Apart]. At most one of Left,
// Exited and Stack is set; Value and Err count if none is.
type Return[T any] struct {
	Value T
	Err   error

	Left bool             // the function has not returned; the rest comes later
	Late <-chan Return[T] // of a function that was left: gets its Return if there is ever one

	Exited bool   // the function called runtime.Goexit
	Panic  any    // the function panicked with this value
	Stack  []byte // of the panic; nil: there was none
}

// Resume does on the caller's goroutine what ended the function on its own: it panics
// with the same value, or calls runtime.Goexit.
func (r Return[T]) Resume() {
	switch {
	case r.Stack != nil:
		panic(r.Panic)
	case r.Exited:
		runtime.Goexit()
	}
}

// Apart calls f on a goroutine of its own, and waits for it; once ctx has ended for no
// longer than Grace. Then f is left behind: its context has ended, and what it returns
// comes to Late.
//
// f may have things done on the goroutine of Apart's caller, by here, which returns
// when they are. Once Apart has returned, here does nothing. If one of them panics or
// calls runtime.Goexit, the context of f ends, f is waited for as above, and the
// caller unwinds.
func Apart[T any](ctx context.Context, f func(ctx context.Context, here func(func())) (T, error)) Return[T] {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := visit{asked: make(chan request), over: make(chan struct{})}
	done := make(chan Return[T], 1)
	go run(ctx, f, v.here, done)
	returned := false
	defer func() {
		close(v.over)
		if !returned { // the caller unwinds
			cancel()
			final(done)
		}
	}()
	r := serve(ctx, v, done)
	returned = true
	return r
}

// A visit is a function on a goroutine of its own, and what it asks of its caller's.
type visit struct {
	asked chan request
	over  chan struct{} // closed when the caller serves no more
}

type request struct {
	do   func()
	done chan<- struct{}
}

func (v visit) here(do func()) {
	done := make(chan struct{})
	select {
	case v.asked <- request{do, done}:
		<-done
	case <-v.over:
	}
}

// answer does what was asked for. Whatever it does, who asked goes on.
func (r request) answer() {
	defer close(r.done)
	r.do()
}

// run calls f, however it ends.
func run[T any](ctx context.Context, f func(context.Context, func(func())) (T, error), here func(func()), done chan<- Return[T]) {
	r := Return[T]{Exited: true}
	defer func() {
		if v := recover(); v != nil {
			r = Return[T]{Panic: v, Stack: debug.Stack()}
		}
		done <- r
	}()
	value, err := f(ctx, here)
	r = Return[T]{Value: value, Err: err}
}

// serve does what is asked of the caller until the function has returned, or is left.
func serve[T any](ctx context.Context, v visit, done chan Return[T]) Return[T] {
	ended := ctx.Done()
	var late <-chan time.Time
	for {
		select {
		case r := <-v.asked:
			r.answer()
		case r := <-done:
			return r
		case <-ended:
			ended = nil
			timer := time.NewTimer(Grace)
			defer timer.Stop()
			late = timer.C
		case <-late:
			return Return[T]{Left: true, Late: done}
		}
	}
}

// final waits for the function for the last time.
func final[T any](done <-chan Return[T]) {
	timer := time.NewTimer(Grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}
