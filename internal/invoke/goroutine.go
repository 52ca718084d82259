package invoke

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

// A Return says how a function of [Apart] ended. At most one of Left, Exited and Stack is
// set. If all three are zero, the function returned Value and Err.
type Return[T any] struct {
	Value T
	Err   error

	Left bool             // the function did not return
	Late <-chan Return[T] // with Left: receives the Return if the function ends later

	Exited bool   // the function called runtime.Goexit
	Panic  any    // value of the function's panic
	Stack  []byte // stack of the panic; nil without a panic
}

// Resume repeats the panic or the runtime.Goexit of the function on the goroutine of
// its caller. Resume does nothing if the function returned.
func (r Return[T]) Resume() {
	switch {
	case r.Stack != nil:
		panic(r.Panic)
	case r.Exited:
		runtime.Goexit()
	}
}

// Apart calls f on a new goroutine and waits for f, after the end of ctx for at most
// Grace. Then Apart leaves f behind.
//
// f can run functions on the goroutine of Apart's caller: here(do) returns after do has
// returned. After Apart has returned, here does nothing. If do panics or calls
// runtime.Goexit, Apart ends the context of f and waits for f up to Grace. Then the
// goroutine of the caller unwinds.
func Apart[T any](ctx context.Context, f func(ctx context.Context, here func(func())) (T, error)) Return[T] {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := callerQueue{requests: make(chan request), over: make(chan struct{})}
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

// A callerQueue carries functions to the goroutine of the caller.
type callerQueue struct {
	requests chan request
	over     chan struct{} // closed when the caller stops serving
}

type request struct {
	do   func()
	done chan<- struct{}
}

func (v callerQueue) here(do func()) {
	done := make(chan struct{})
	select {
	case v.requests <- request{do, done}:
		<-done
	case <-v.over:
	}
}

// run runs the function. The requester continues even if the function panics.
func (r request) run() {
	defer close(r.done)
	r.do()
}

// run calls f and sends its Return to done.
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

// serve runs the requested functions until f ends or is left behind.
func serve[T any](ctx context.Context, v callerQueue, done chan Return[T]) Return[T] {
	ended := ctx.Done()
	var late <-chan time.Time
	for {
		select {
		case r := <-v.requests:
			r.run()
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

// final waits for f up to Grace.
func final[T any](done <-chan Return[T]) {
	timer := time.NewTimer(Grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}
