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
	v := &callerQueue{requests: make(chan func()), done: make(chan struct{}), over: make(chan struct{})}
	return await(ctx, v, func(ctx context.Context) (T, error) { return f(ctx, v.here) })
}

// Alone is [Apart] for a function that runs nothing on the goroutine of the caller.
func Alone[T any](ctx context.Context, f func(context.Context) (T, error)) Return[T] {
	return await(ctx, &callerQueue{}, f)
}

// Attend is [Apart] for a function that leaves its requests somewhere: Attend calls visit
// on the goroutine of the caller after each receipt from wake, and not after the end of f.
func Attend[T any](ctx context.Context, wake <-chan struct{}, visit func(), f func(context.Context) (T, error)) Return[T] {
	return await(ctx, &callerQueue{wake: wake, visit: visit}, f)
}

// A callerQueue carries functions to the goroutine of the caller. The zero callerQueue
// carries none.
type callerQueue struct {
	requests chan func()
	done     chan struct{} // receives the end of each function
	over     chan struct{} // closed when the caller stops serving

	wake  <-chan struct{} // of Attend
	visit func()
}

func (v *callerQueue) here(do func()) {
	select {
	case v.requests <- do:
		<-v.done
	case <-v.over:
	}
}

// serve runs a requested function. The requester continues even if the function panics.
func (v *callerQueue) serve(do func()) {
	defer func() { v.done <- struct{}{} }()
	do()
}

// await calls f on a new goroutine, and serves its requests until f ends or is left behind.
func await[T any](ctx context.Context, v *callerQueue, f func(context.Context) (T, error)) Return[T] {
	own, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan Return[T], 1)
	go run(own, true, f, done)
	returned := false
	defer func() {
		if v.over != nil {
			close(v.over)
		}
		if !returned { // the caller unwinds
			cancel()
			final(done)
		}
	}()
	r := serve(ctx, v, done, nil)
	returned = true
	return r
}

// run calls f and sends its Return to done. fresh means that the goroutine is new.
func run[T any](ctx context.Context, fresh bool, f func(context.Context) (T, error), done chan<- Return[T]) {
	if fresh {
		growStack()
	}
	r := Return[T]{Exited: true}
	defer func() {
		if v := recover(); v != nil {
			r = Return[T]{Panic: v, Stack: debug.Stack()}
		}
		done <- r
	}()
	value, err := f(ctx)
	r = Return[T]{Value: value, Err: err}
}

// serve runs the requested functions until f ends or is left behind. At the end of ctx, serve
// ends own, if there is one.
func serve[T any](ctx context.Context, v *callerQueue, done chan Return[T], own *taskContext) Return[T] {
	ended := ctx.Done()
	var late <-chan time.Time
	for {
		select {
		case do := <-v.requests:
			v.serve(do)
		case <-v.wake:
			v.visit()
		case r := <-done:
			return r
		case <-ended:
			ended = nil
			if own != nil {
				own.end(ctx.Err())
			}
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
