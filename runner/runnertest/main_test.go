package runnertest_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/seed-916e8f6a/toolloop/internal/scenario"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// fakeTB is a test that may fail.
type fakeTB struct {
	testing.TB // panics on what is not here
	context    context.Context
	errors     []string
	logs       []string
}

func (f *fakeTB) Helper()                  {}
func (f *fakeTB) Name() string             { return "TestFake/part" }
func (f *fakeTB) Context() context.Context { return f.context }

func (f *fakeTB) Logf(format string, args ...any) {
	f.logs = append(f.logs, fmt.Sprintf(format, args...))
}

func (f *fakeTB) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// fake runs a test that may fail.
func fake(t *testing.T, test func(testing.TB)) *fakeTB {
	t.Helper()
	tb := &fakeTB{context: t.Context()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(tb)
	}()
	<-done
	return tb
}

type (
	lookArgs   scenario.LookArgs
	refundArgs scenario.RefundArgs
)

// The desk of the scenarios, and what it needs, under short names.
var (
	desk    = scenario.Desk
	waiting = scenario.Wait
	look    = scenario.Look
	refund  = scenario.Refund
	answers = scenario.Answers

	sent, sorry = llmtest.Text(sentText), llmtest.Text(scenario.SorryText)
)

const sentText = scenario.SentText

func with(m llm.Model) runner.Runner { return runner.Runner{Model: m} }
