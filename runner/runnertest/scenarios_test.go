package runnertest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

// A scenario is a run of the desk, written once: what the model says, and what
// comes of it wherever the model sits and whether it streams or not. The
// transcript of the run stands in testdata/scenarios.
type scenario struct {
	name   string
	runner runner.Runner
	hangUp time.Duration // when the customer hangs up; zero: never
	steps  []llmtest.Step
	want   outcome
}

// outcome is what the caller of a run sees.
type outcome struct {
	text     string        // of the last answer
	err      string        // what kind of error it is; empty: none
	calls    string        // in the order of the model, with their failures
	most     int           // calls that ran at the same time
	took     time.Duration // exactly
	usage    llm.Usage
	requests int
	shown    string // of a stream: the text of the last turn. Empty: text
	restarts int    // of a stream
}

// TestScenarios runs each scenario in each seat, streaming and not.
func TestScenarios(t *testing.T) {
	var passed atomic.Int32
	t.Run("all", func(t *testing.T) {
		for _, s := range scenarios {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				for _, seat := range seats {
					for _, stream := range []bool{false, true} {
						t.Run(fmt.Sprintf("%s, stream %v", seat.name, stream), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) { s.test(t, seat, stream) })
							if !t.Failed() {
								passed.Add(1)
							}
						})
					}
				}
			})
		}
	})
	const all = 20 * 3 * 2
	fmt.Printf("scenarios: %d of %d\n", passed.Load(), all)
	if !strings.Contains(flag.Lookup("test.run").Value.String(), "/") { // who asks for some gets some
		require.EqualValues(t, all, passed.Load())
	}
}

// TestScenariosOnLoopback runs those that need no clock through a real port.
func TestScenariosOnLoopback(t *testing.T) {
	t.Parallel()
	ran := 0
	for _, s := range scenarios {
		if s.want.took > 0 {
			continue
		}
		ran++
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.test(t, loopback, false)
			s.test(t, loopback, true)
		})
	}
	require.GreaterOrEqual(t, ran, 9)
}

// test holds one run to the row of the table.
func (s scenario) test(t *testing.T, where seat, stream bool) {
	got := s.run(t, where, stream)
	want := s.want
	switch {
	case !stream:
		want.shown, want.restarts = "", 0
	case want.shown == "":
		want.shown = want.text
	}
	if !where.exact {
		got.took, got.most = want.took, want.most
	}
	require.Equal(t, want, got.outcome)
	require.Equal(t, s.run(t, inProcess, false).heard, got.heard, "what the model heard")
	runnertest.Golden(t, got.result, "testdata/scenarios/"+strings.ReplaceAll(s.name, " ", "_")+".txt")
}

// errHungUp is why a run is cancelled.
var errHungUp = errors.New("the customer hung up")

// run runs the scenario in a seat.
func (s scenario) run(t *testing.T, where seat, stream bool) ran {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	if s.hangUp > 0 {
		time.AfterFunc(s.hangUp, func() { cancel(errHungUp) })
	}
	script := llmtest.Script(t, s.steps...)
	r := s.runner
	r.Model = where.model(t, script)

	start := time.Now()
	got, err := run(ctx, r, stream)
	got.took = time.Since(start)

	got.text, got.err, got.usage = got.result.Text, kindOf(err), got.result.Usage
	got.calls, got.most = called(got.result), runnertest.MaxConcurrent(got.result)
	got.requests, got.heard = len(script.Requests()), heard(script)
	return got
}
