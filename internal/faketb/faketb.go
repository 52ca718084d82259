// Package faketb has a [testing.TB] for tests of test kits: the TB records failures
// and logs in place of failing a test. For example, a test of llmtest.Script must
// check the failure of a wrong program.
//
//	tb := new(faketb.TB)
//	failures := tb.Run(func(t testing.TB) { llmtest.Script(t, llmtest.Text("unused")) })
//	require.Equal(t, []string{"llmtest: 1 of 1 step not used: …"}, failures)
package faketb

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// A TB records failures and logs. The zero value is ready for one Run.
type TB struct {
	testing.TB // for methods that no test uses: they panic

	Ctx       context.Context // the result of Context; nil makes Context panic
	IsSkipped bool            // the result of Skipped

	mu       sync.Mutex
	errors   []string
	logs     []string
	cleanups []func()
}

// Run runs a test function in a new goroutine, because Fatal ends the goroutine.
// After the cleanups, Run returns the failures.
func (f *TB) Run(test func(t testing.TB)) []string {
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(f)
	}()
	<-done
	for _, cleanup := range slices.Backward(f.cleanups) {
		cleanup()
	}
	return f.Errors()
}

// Errors returns the failures so far.
func (f *TB) Errors() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.errors)
}

// Logs returns the logged lines so far.
func (f *TB) Logs() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.logs)
}

// The methods below implement [testing.TB].

func (f *TB) Helper() {}

func (f *TB) Name() string { return "TestFake/part" }

func (f *TB) Context() context.Context {
	if f.Ctx == nil {
		panic("faketb: the test needs a context: set Ctx")
	}
	return f.Ctx
}

func (f *TB) Cleanup(cleanup func()) { f.cleanups = append(f.cleanups, cleanup) }

func (f *TB) Skipped() bool { return f.IsSkipped }

func (f *TB) Failed() bool { return len(f.Errors()) > 0 }

func (f *TB) Error(args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errors = append(f.errors, fmt.Sprint(args...))
}

func (f *TB) Errorf(format string, args ...any) { f.Error(fmt.Sprintf(format, args...)) }

func (f *TB) Fatal(args ...any) {
	f.Error(args...)
	runtime.Goexit()
}

func (f *TB) Fatalf(format string, args ...any) { f.Fatal(fmt.Sprintf(format, args...)) }

func (f *TB) Logf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logs = append(f.logs, fmt.Sprintf(format, args...))
}
