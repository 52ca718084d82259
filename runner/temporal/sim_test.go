package temporal_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/scenario"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// A sim is a session in the test suite of Temporal's SDK, in fake time. The suite lets years
// pass as soon as nothing happens, so its loop is held while the test thinks.
type sim struct {
	env  *testsuite.TestWorkflowEnvironment
	desk *agent.Agent
	next chan func() (release bool) // for the held loop
	over chan struct{}

	served     atomic.Int64 // events that activities read
	unreadable int          // how often no worker can read the events, from now on
}

// simulate begins a session. The end of the test must call end.
func simulate(t *testing.T, w temporal.Worker, start flow.Start) *sim {
	t.Helper()
	return simulateWith(t, w, start, worker.Options{})
}

func simulateWith(t *testing.T, w temporal.Worker, start flow.Start, options worker.Options) *sim {
	t.Helper()
	if w.Runner.Logger == nil {
		w.Runner.Logger = slog.New(slog.DiscardHandler)
	}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	s := &sim{env: suite.NewTestWorkflowEnvironment(), desk: w.Agents[0],
		next: make(chan func() bool), over: make(chan struct{})}
	s.env.SetTestTimeout(1000 * time.Hour)
	options.DeadlockDetectionTimeout = 1000 * time.Hour // a test may think for days
	s.env.SetWorkerOptions(options)
	require.NoError(t, w.RegisterWith(s.env, s.inActivity))
	start.Session = "desk"
	s.env.RegisterDelayedCallback(s.hold, 0)
	go func() {
		defer close(s.over)
		s.env.ExecuteWorkflow(flow.SessionName, start, []byte(nil))
	}()
	t.Cleanup(func() { // a failed test says why, and not that its bubble hangs
		select {
		case s.next <- func() bool { s.env.CancelWorkflow(); return true }:
			<-s.over
		case <-s.over:
		}
	})
	return s
}

// inActivity is query for an activity.
func (s *sim) inActivity(_ context.Context, r flow.Range) (p flow.Page, err error) {
	done := make(chan struct{})
	s.env.RegisterDelayedCallback(func() {
		defer close(done)
		if s.unreadable--; s.unreadable >= 0 {
			err = errors.New("nobody answers")
			return
		}
		p, err = s.query(r)
		s.served.Add(int64(len(p.Events)))
	}, 0)
	<-done
	return p, err
}

// hold does what the test says, until it lets go.
func (s *sim) hold() {
	for f := range s.next {
		if f() {
			return
		}
	}
}

func (s *sim) query(r flow.Range) (p flow.Page, err error) {
	value, err := s.env.QueryWorkflow(flow.QueryEvents, r)
	if err == nil {
		err = value.Get(&p)
	}
	return p, err
}

// page is query for the test.
func (s *sim) page(r flow.Range) (p flow.Page, err error) {
	done := make(chan struct{})
	s.next <- func() bool { defer close(done); p, err = s.query(r); return false }
	<-done
	return p, err
}

// grow sets the size of the history.
func (s *sim) grow(size int) {
	done := make(chan struct{})
	s.next <- func() bool { defer close(done); s.env.SetCurrentHistorySize(size); return false }
	<-done
}

// pass lets time pass, for the workers and then for the workflow, whose clock is that of the
// suite.
func (s *sim) pass(d time.Duration) {
	time.Sleep(d) // synctest: exact in a bubble
	s.passHere(d)
}

// passHere is pass with workers whose clocks stand still.
func (s *sim) passHere(d time.Duration) {
	passed := make(chan struct{})
	s.next <- func() bool {
		s.env.RegisterDelayedCallback(func() { close(passed); s.hold() }, d)
		return true
	}
	<-passed
}

func (s *sim) end(t *testing.T) {
	t.Helper()
	s.next <- func() bool { s.env.SignalWorkflow(flow.SignalEnd, nil); return true }
	<-s.over
	require.NoError(t, s.env.GetWorkflowError())
}

// An answer is how an update ended.
type answer struct {
	taken flow.Taken
	err   error
}

type callbacks struct {
	sim  *sim
	back chan answer
}

func (c callbacks) Accept() {}

func (c callbacks) Reject(err error) { c.Complete(flow.Taken{}, err) }

func (c callbacks) Complete(v any, err error) {
	taken, _ := v.(flow.Taken)
	c.back <- answer{taken, err}
	c.sim.hold()
}

// send sends inputs to the session.
func (s *sim) send(in ...runner.Input) <-chan answer {
	return s.sendAll(func(func(time.Duration, func())) {}, in...)
}

// sendAll is send, and plan says what the loop of the suite does at times after the input.
func (s *sim) sendAll(plan func(at func(time.Duration, func())), in ...runner.Input) <-chan answer {
	c := callbacks{s, make(chan answer, 1)}
	s.next <- func() bool {
		plan(func(d time.Duration, do func()) { s.env.RegisterDelayedCallback(do, d) })
		s.env.UpdateWorkflow(flow.UpdateRun, rand.Text(), c, s.input(in...))
		return true
	}
	return c.back
}

// input is the argument of an update.
func (s *sim) input(in ...runner.Input) flow.Input {
	input := flow.Input{Agent: s.desk.DisplayName()}
	for _, i := range in {
		raw, err := json.Marshal(i)
		if err != nil {
			panic(err)
		}
		input.Inputs = append(input.Inputs, raw)
	}
	return input
}

// run is the Run of a session.
func (s *sim) run(ctx context.Context, in ...runner.Input) (*runner.Result, error) {
	a := <-s.send(in...)
	if a.err != nil {
		return &runner.Result{}, a.err
	}
	events, err := s.events(a.taken.End.Len)
	if err != nil {
		return nil, err
	}
	result, err := temporal.ResultOf(ctx, "desk", events, int64(a.taken.End.From))
	if err == nil {
		err = temporal.ErrorOf(a.taken.End.Failure)
	}
	return result, err
}

func (s *sim) events(n int) (events []event.Event, err error) {
	for len(events) < n {
		p, err := s.page(flow.Range{From: len(events), To: n})
		if err != nil {
			return nil, err
		}
		if events, err = temporal.Decode(events, p.Events); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// TestScenarios: each scenario has the same transcript and the same error as in a session of
// package runner. The suite does not wait for canceled activities; TestServerCancel does.
func TestScenarios(t *testing.T) {
	t.Parallel()
	ran := 0
	for _, s := range scenario.All() {
		if s.HangUp > 0 {
			continue
		}
		ran++
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			var want, got string
			synctest.Test(t, func(t *testing.T) {
				desk, r := setUp(t, s)
				session := r.Session("desk")
				want = converse(t, s, func(ctx context.Context, in ...runner.Input) (*runner.Result, error) {
					return session.Run(ctx, desk, in...)
				})
			})
			synctest.Test(t, func(t *testing.T) {
				desk, r := setUp(t, s)
				session := simulate(t, temporal.Worker{Agents: []*agent.Agent{desk}, Runner: r}, flow.Start{Heartbeat: time.Minute})
				got = converse(t, s, session.run)
				session.end(t)
			})
			require.Equal(t, want, got)
		})
	}
	require.Equal(t, 97, ran)
}

// setUp returns the agent and the runner of a scenario.
func setUp(t *testing.T, s scenario.Scenario) (*agent.Agent, runner.Runner) {
	t.Helper()
	desk := scenario.Desk()
	if s.Agent != nil {
		s.Agent(desk)
	}
	r := s.Runner
	r.Logger = slog.New(slog.DiscardHandler)
	r.Model = scenario.Seats()[0].Model(t, llmtest.Script(t, s.Steps...))
	return desk, r
}

// converse runs a scenario, and returns its transcripts and its error.
func converse(t *testing.T, s scenario.Scenario, run func(context.Context, ...runner.Input) (*runner.Result, error)) (text string) {
	t.Helper()
	in := []runner.Input{runner.Say(llm.User("Where is my order?"))}
	for {
		result, err := run(t.Context(), in...)
		text += runnertest.Transcript(result) + fmt.Sprintln("error:", err)
		if !errors.Is(err, runner.ErrPaused) {
			return text
		}
		in = nil
		for _, p := range result.Pending {
			in = append(in, s.HandIn(p))
		}
	}
}
