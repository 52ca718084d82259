package temporal_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	toolloop "github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// A failing model fails the requests whose numbers, from 0, down has.
type failing struct {
	model llm.Model
	down  func(request int) error
	asked atomic.Int64
}

func (f *failing) Generate(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
	if err := f.down(int(f.asked.Add(1)) - 1); err != nil {
		return nil, err
	}
	return f.model.Generate(ctx, req, sink)
}

var overloaded = &llm.APIError{Kind: llm.KindOverloaded, Provider: "openai", StatusCode: 503, Message: "Busy."}

// between fails the requests from a number up to a later number.
func between(from, to int, err error) func(int) error {
	return func(request int) error {
		if request >= from && request < to {
			return err
		}
		return nil
	}
}

// localRun is the run of package runner with the same model.
func localRun(t *testing.T, desk *agent.Agent, r runner.Runner) (text string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r.Logger = slog.New(slog.DiscardHandler)
		result, err := r.Session("desk").Run(t.Context(), desk, question)
		text = runnertest.Transcript(result) + errorText(err)
	})
	return text
}

func errorText(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

// TestOutage: a run waits for a model that is down, and nothing of the turns before is lost or
// done twice. The events are the same as with a healthy model.
func TestOutage(t *testing.T) {
	t.Parallel()
	badKey := &llm.APIError{Kind: llm.KindAuth, Provider: "openai", StatusCode: 401, Message: "Bad key."}
	asks := &llm.APIError{Kind: llm.KindRateLimit, Provider: "openai", StatusCode: 429, Message: "Slow.", RetryAfter: time.Hour, Retries: 3}
	for name, c := range map[string]struct {
		down   func(int) error
		failed int
		pause  time.Duration
	}{
		"before the first answer":       {between(0, 4, overloaded), 4, 15 * time.Second},
		"after calls":                   {between(1, 12, overloaded), 11, 511*time.Second + 2*5*time.Minute},
		"asks for a pause":              {between(2, 4, asks), 2, 2 * time.Hour},
		"with a fallback without a key": {between(1, 4, errors.Join(badKey, overloaded)), 3, 7 * time.Second},
		"twice":                         {func(n int) error { return errors.Join(between(0, 3, overloaded)(n), between(4, 7, overloaded)(n)) }, 6, 14 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var local, s shop
			want := localRun(t, local.desk(), runner.Runner{Model: charging()})
			synctest.Test(t, func(t *testing.T) {
				model := &failing{model: charging(), down: c.down}
				var mu sync.Mutex
				var restarted []event.Restarted
				w := toolloop.Worker{Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{Model: model, RunTimeout: -1}, Outage: 6 * time.Hour,
					Watch: func(_ context.Context, l event.Live) {
						mu.Lock()
						defer mu.Unlock()
						if b, ok := l.Event.Body.(event.Restarted); ok {
							restarted = append(restarted, b)
						}
					}}
				session := simulate(t, w, flow.Start{Heartbeat: time.Minute})
				began := session.env.Now()
				result, err := session.run(t.Context(), question)
				require.NoError(t, err)
				require.Equal(t, want, runnertest.Transcript(result)+errorText(err))
				require.InDelta(t, c.pause, session.env.Now().Sub(began), float64(time.Second))
				keys, runs := s.counts()
				require.Equal(t, []int{3, 3}, []int{keys, runs})
				require.Len(t, restarted, c.failed)
				require.Contains(t, restarted[0].Error, "openai: ")
				session.end(t)
			})
		})
	}
}

// TestOutageIsOver: a run fails as in package runner if the model stays down, the time is over,
// the failure is not retryable, or the worker has no Outage.
func TestOutageIsOver(t *testing.T) {
	t.Parallel()
	refused := &llm.APIError{Kind: llm.KindAuth, Provider: "openai", StatusCode: 401, Message: "No key."}
	never := &llm.APIError{Kind: llm.KindOverloaded, Provider: "openai", StatusCode: 503, Message: "Not this request.", Retries: -1}
	later := &llm.APIError{Kind: llm.KindOverloaded, Provider: "openai", StatusCode: 503, Message: "Tomorrow.", RetryAfter: 24 * time.Hour}
	for name, c := range map[string]struct {
		err      error
		timeout  time.Duration
		outage   time.Duration
		requests int
	}{
		"outage":        {overloaded, -1, time.Minute, 1 + 6},
		"time":          {overloaded, 20 * time.Second, time.Hour, 1 + 5},
		"not retryable": {refused, -1, time.Hour, 1 + 1},
		"never":         {never, -1, time.Hour, 1 + 1},
		"tomorrow":      {later, -1, time.Hour, 1 + 1},
		"no outage":     {overloaded, -1, 0, 1 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var local, s shop
			down := between(1, 1<<20, c.err)
			want := localRun(t, local.desk(), runner.Runner{Model: &failing{model: charging(), down: down}, RunTimeout: c.timeout})
			synctest.Test(t, func(t *testing.T) {
				model := &failing{model: charging(), down: down}
				w := toolloop.Worker{Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{Model: model, RunTimeout: c.timeout}, Outage: c.outage}
				session := simulate(t, w, flow.Start{Heartbeat: time.Minute})
				taken := <-session.send(question)
				require.NoError(t, taken.err)
				err := toolloop.ErrorOf(taken.taken.End.Failure)
				failed, ok := errors.AsType[*llm.APIError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, c.err.Error(), failed.Error())
				events, err2 := session.events(taken.taken.End.Len)
				require.NoError(t, err2)
				result, err2 := toolloop.ResultOf(t.Context(), "desk", events, 0)
				require.NoError(t, err2)
				require.Equal(t, want, runnertest.Transcript(result)+errorText(err))
				require.EqualValues(t, c.requests, model.asked.Load())
				session.end(t)
			})
		})
	}
}

// TestOutageCanceled: Cancel ends a wait at once, and an approval of the session can be given
// after the outage.
func TestOutageCanceled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s shop
		model := &failing{model: charging(), down: between(1, 8, overloaded)}
		w := toolloop.Worker{Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{Model: model, RunTimeout: -1}, Outage: 6 * time.Hour}
		session := simulate(t, w, flow.Start{Heartbeat: time.Minute})
		began := session.env.Now()
		answered := session.sendAll(func(at func(time.Duration, func())) {
			at(100*time.Second, func() { session.env.SignalWorkflow(flow.SignalCancel, nil) })
		}, question)
		taken := <-answered
		require.NoError(t, taken.err)
		require.ErrorIs(t, toolloop.ErrorOf(taken.taken.End.Failure), context.Canceled)
		require.InDelta(t, 100*time.Second, session.env.Now().Sub(began), float64(time.Second))
		require.EqualValues(t, 1+7, model.asked.Load()) // after 1, 2, 4, 8, 16, 32 seconds
		result, err := session.run(t.Context())
		require.NoError(t, err)
		require.Equal(t, "All done.", result.Text)
		keys, runs := s.counts()
		require.Equal(t, []int{3, 3}, []int{keys, runs})
		session.end(t)
	})
}

// TestOutageOfHelper: a helper whose model is down waits too, also if another helper of the turn
// has calls, and does not begin anew.
func TestOutageOfHelper(t *testing.T) {
	t.Parallel()
	helped := func(s *shop) *agent.Agent {
		helper := func(name string) agent.Helper {
			a := s.desk()
			a.Name, a.Instructions = name, "helper"
			return agent.Helper{Name: name, Agent: a, Description: "Helps."}
		}
		return &agent.Agent{Name: "desk", Helpers: []agent.Helper{helper("first"), helper("second")}}
	}
	model := func(down func(int) error) llm.Model {
		helper := &failing{model: charging(), down: down}
		return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
			if req.Instructions == "helper" {
				return helper.Generate(ctx, req, sink)
			}
			step := llmtest.Text("Both done.")
			if len(req.Messages) == 1 {
				task := map[string]string{"task": "Help."}
				step = llmtest.Calls("first", task).And(llmtest.Calls("second", task))
			}
			return llmtest.NewScript(step).Generate(ctx, req, sink)
		})
	}
	for from := range 6 {
		var local, s shop
		want := localRun(t, helped(&local), runner.Runner{Model: model(between(0, 0, nil))})
		synctest.Test(t, func(t *testing.T) {
			w := toolloop.Worker{Agents: []*agent.Agent{helped(&s)}, Runner: runner.Runner{Model: model(between(from, from+5, overloaded)), RunTimeout: -1}, Outage: time.Hour}
			session := simulate(t, w, flow.Start{Heartbeat: time.Minute})
			result, err := session.run(t.Context(), question)
			require.NoError(t, err)
			require.Equal(t, sorted(want), sorted(runnertest.Transcript(result)+errorText(err)))
			keys, runs := s.counts()
			require.Equal(t, []int{6, 6}, []int{keys, runs})
			session.end(t)
		})
	}
}

// sorted returns the lines of a text in the order of the alphabet: two helpers run at once.
func sorted(text string) []string { return slices.Sorted(strings.Lines(text)) }
