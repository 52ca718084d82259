package temporal_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/scenario"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// sessions returns a client for the queue of the test. A worker counts as dead after half a
// minute, because a loaded machine may stand still for seconds.
func sessions(t *testing.T, c client.Client) temporal.Client {
	t.Helper()
	return temporal.Client{Temporal: c, TaskQueue: name(t), Prefix: name(t) + "/", Heartbeat: 30 * time.Second}
}

// mortals is sessions for tests with dead workers or canceled calls.
func mortals(t *testing.T, c client.Client) temporal.Client {
	t.Helper()
	m := sessions(t, c)
	m.Heartbeat = 6 * time.Second
	return m
}

// TestServerSession: Run, Stream, State, Pending and decisions, as in package runner.
func TestServerSession(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk(tool.NeedsApproval())
	var deltas atomic.Int64
	w := temporal.Worker{
		Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: charging()},
		Watch: func(_ context.Context, l event.Live) {
			if l.Session == "order-17" && l.Event.Seq == 0 && l.N > 0 {
				deltas.Add(1)
			}
		},
	}
	work(t, w.Run)
	session := sessions(t, c).Session("order-17")
	state, err := session.State(t.Context())
	require.NoError(t, err)
	require.Empty(t, state.Status)

	result, err := session.Run(t.Context(), desk, question)
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Len(t, result.Pending, 2)
	pending, err := session.Pending(t.Context())
	require.NoError(t, err)
	require.Equal(t, result.Pending, pending)

	first := pending[0]
	result, err = session.Run(t.Context(), desk, runner.By("ada", first.Approve()), pending[1].Deny("no"))
	require.ErrorIs(t, err, runner.ErrPaused)
	_, err = session.Run(t.Context(), desk, first.Approve())
	unfit, ok := errors.AsType[*runner.DecisionError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "ada", unfit.Decided.Person)

	var seqs []int64
	for e, err := range session.Stream(t.Context(), desk, result.Pending[0].Approve()) {
		require.NoError(t, err)
		seqs = append(seqs, e.Seq)
	}
	require.Equal(t, result.Events[len(result.Events)-1].Seq+1, seqs[0])
	state, err = session.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, "All done.", state.Text)
	require.EqualValues(t, len(seqs), seqs[len(seqs)-1]-seqs[0]+1)
	require.Positive(t, deltas.Load())
	keys, runs := s.counts()
	require.Equal(t, []int{2, 2}, []int{keys, runs})
	require.NoError(t, session.End(t.Context()))
}

// TestServerCancel: a canceled run ends as in package runner: calls that end keep their
// results.
func TestServerCancel(t *testing.T) {
	t.Parallel()
	c := server(t)
	for _, s := range scenario.All() {
		if s.HangUp == 0 {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			desk, r := setUp(t, s)
			want, ends := atHangUp(t, s, nil, func(ctx context.Context, in runner.Input) (*runner.Result, error) {
				return r.Session("desk").Run(ctx, desk, in)
			})
			desk, r = setUp(t, s)
			work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: r}.Run)
			client := mortals(t, c)
			session := client.Session("desk")
			got, _ := atHangUp(t, s, finishedIn(client, "desk", ends), func(ctx context.Context, in runner.Input) (*runner.Result, error) {
				context.AfterFunc(ctx, func() { _ = session.Cancel(context.Background()) })
				return session.Run(context.Background(), desk, in)
			})
			require.Equal(t, want, got)
		})
	}
}

// atHangUp runs a scenario until the customer hangs up. It returns the transcript and the
// number of calls that ended before. wait, if not nil, delays the customer.
func atHangUp(t *testing.T, s scenario.Scenario, wait func(), run func(context.Context, runner.Input) (*runner.Result, error)) (string, int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(s.HangUp, func() {
		if wait != nil {
			wait()
		}
		cancel()
	})
	result, err := run(ctx, runner.Say(llm.User("Where is my order?")))
	require.ErrorIs(t, err, context.Canceled)
	return runnertest.Transcript(result) + err.Error(), finishedCalls(slices.Values(result.Events))
}

func finishedCalls(events iter.Seq[event.Event]) (n int) {
	for e := range events {
		if _, ok := e.Body.(event.ToolCallFinished); ok {
			n++
		}
	}
	return n
}

// finishedIn waits until n calls of a session have ended: a loaded machine is slow.
func finishedIn(c temporal.Client, session string, n int) func() {
	return func() {
		for range 600 {
			seen := finishedCalls(func(yield func(event.Event) bool) {
				for e, err := range c.Read(context.Background(), session, 0) {
					if err != nil || !yield(e) {
						return
					}
				}
			})
			if seen >= n {
				return
			}
			<-time.After(100 * time.Millisecond)
		}
	}
}

// TestServerRenewal: a long run goes on in new executions, as one sequence of events.
func TestServerRenewal(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk()
	var steps []llmtest.Step
	for i := range 26 {
		steps = append(steps, llmtest.Calls("charge", order{fmt.Sprint(i)}))
	}
	w := temporal.Worker{
		Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk},
		Runner: runner.Runner{Model: llmtest.Script(t, append(steps, llmtest.Text("All done."))...)},
	}
	work(t, w.Run)
	client := sessions(t, c)
	client.MaxHistory = 60
	session := client.Session("long")
	result, err := session.Run(t.Context(), desk, question)
	require.NoError(t, err)
	require.Equal(t, "All done.", result.Text)
	for i, e := range result.Events {
		require.EqualValues(t, i+1, e.Seq)
	}
	keys, runs := s.counts()
	require.Equal(t, []int{26, 26}, []int{keys, runs})
	require.GreaterOrEqual(t, len(runsOf(t, c, name(t)+"/long")), 5)
}

// TestServerLargeResult: Temporal does not take a large result. The call had its effect, and is
// not in doubt.
func TestServerLargeResult(t *testing.T) {
	t.Parallel()
	c := server(t)
	photo := tool.Must(tool.New("photo", "Takes a photo.", func(context.Context, struct{}) (llm.Parts, error) {
		return llm.Parts{llm.Image{Data: append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 3<<20)...)}}, nil
	}, tool.MaxResult(16<<20)))
	desk := &agent.Agent{Name: "photographer", Tools: []tool.Tool{photo}}
	w := temporal.Worker{
		Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk},
		Runner: runner.Runner{Model: llmtest.Script(t, llmtest.Calls("photo", nil), llmtest.Text("Here."))},
	}
	work(t, w.Run)
	result, err := sessions(t, c).Session("one").Run(t.Context(), desk, question)
	require.NoError(t, err)
	require.Equal(t, "Here.", result.Text)
	require.Contains(t, result.Messages[2].Results()[0].Text(), "too large to be stored")
	_, err = sessions(t, c).Session("two").Run(t.Context(), desk, runner.Say(llm.User(strings.Repeat("x", 2<<20))))
	require.ErrorContains(t, err, "send a URL in place of a file")
}

// TestServerNoWorker: an answer comes when all workers of the question are dead, and the run
// waits for a worker.
func TestServerNoWorker(t *testing.T) {
	t.Parallel()
	c, b := server(t), newBook(t)
	session := mortals(t, c).Session("one")
	desk := storing(nil)
	p := spawn(t, b, 0)
	result, err := session.Run(t.Context(), desk, runner.Say(llm.User("confirm it")))
	require.ErrorIs(t, err, runner.ErrPaused)
	p.kill()
	type outcome struct {
		text string
		err  error
	}
	answered := make(chan outcome, 1)
	go func() {
		result, err := session.Run(t.Context(), desk, result.Pending[0].Approve())
		answered <- outcome{result.Text, err}
	}()
	select {
	case o := <-answered:
		t.Fatalf("nobody is there, and the run ended: %+v", o)
	case <-time.After(time.Second):
	}
	spawn(t, b, 0)
	require.Equal(t, outcome{"All done.", nil}, <-answered)
	require.Equal(t, 1, b.effects(t))
}

// TestServerStop: a stopped worker ends its calls; the run goes on with the next worker.
func TestServerStop(t *testing.T) {
	t.Parallel()
	c, b := server(t), newBook(t)
	p := spawn(t, b, 2*time.Second)
	done := make(chan error, 1)
	go func() {
		_, err := mortals(t, c).Session("one").Run(t.Context(), storing(nil), runner.Say(llm.User("post it")))
		done <- err
	}()
	eventually(t, func() bool { return b.attempts(t) == 1 })
	spawn(t, b, 0)
	p.stop(t)
	require.NoError(t, <-done) // a call in doubt would be a pause
	require.Equal(t, storeTurns, b.attempts(t))
	require.Equal(t, storeTurns, b.effects(t))
}
