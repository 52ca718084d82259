package temporal_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// news is what a Watch tells.
type news struct {
	e   event.Event
	err error
}

// watch watches a session.
func watch(ctx context.Context, c temporal.Client, session string) <-chan news {
	told := make(chan news, 1000)
	go func() { // ends with ctx
		for e, err := range c.Watch(ctx, session, 0) {
			told <- news{e, err}
		}
	}()
	return told
}

// TestServerReader: a Client reads the sessions with its prefix, as a journal.Reader.
func TestServerReader(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk(tool.NeedsApproval())
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: charging()}}.Run)
	client := sessions(t, c)
	client.Prefix += `o'neil\/`
	watching, stop := context.WithCancel(t.Context())
	defer stop()
	told := watch(watching, client, "one") // begins before the session
	result, err := client.Session("one").Run(t.Context(), desk, question)
	require.ErrorIs(t, err, runner.ErrPaused)
	other := client
	other.Prefix = "other" + client.Prefix
	_, err = other.Session("two").Run(t.Context(), desk, question)
	require.ErrorIs(t, err, runner.ErrPaused)

	list := func(f journal.Filter) (all []journal.Summary) {
		for sum, err := range client.List(t.Context(), f) {
			require.NoError(t, err)
			all = append(all, sum)
		}
		return all
	}
	eventually(t, func() bool { return len(list(journal.Filter{})) > 0 })
	last := result.Events[len(result.Events)-1]
	want := journal.Summary{Session: "one", Seq: last.Seq, Status: journal.Paused, Since: last.Time, Changed: last.Time, Agent: "desk", Run: 1}
	require.Equal(t, []journal.Summary{want}, list(journal.Filter{}))
	require.Equal(t, []journal.Summary{want}, list(journal.Filter{Prefix: "on", After: "o", Status: journal.Paused}))
	for _, f := range []journal.Filter{{Prefix: "two"}, {After: "one"}, {Status: journal.Finished}, {Agent: "chef"}} {
		require.Empty(t, list(f), f)
	}
	var after []event.Event
	for e, err := range client.Read(t.Context(), "one", 2) {
		require.NoError(t, err)
		after = append(after, e)
	}
	require.Equal(t, result.Events[2:], after)
	for range client.Read(t.Context(), "none", 0) {
		t.Error("a session without events")
	}

	var in []runner.Input
	for _, p := range result.Pending {
		in = append(in, p.Approve())
	}
	second, err := client.Session("one").Run(t.Context(), desk, in...)
	require.ErrorIs(t, err, runner.ErrPaused)
	eventually(t, func() bool {
		sums := list(journal.Filter{})
		return len(sums) == 1 && sums[0].Seq == second.Events[len(second.Events)-1].Seq
	})
	for _, want := range append(result.Events, second.Events...) {
		require.Equal(t, news{want, nil}, <-told)
	}
	stop()
	require.ErrorIs(t, (<-told).err, context.Canceled)

	require.NoError(t, client.Session("one").End(t.Context()))
	eventually(t, func() bool { return len(list(journal.Filter{})) == 0 })
	for _, err := range (temporal.Client{}).List(t.Context(), journal.Filter{}) {
		require.ErrorContains(t, err, "no Temporal client")
	}
	for _, err := range (temporal.Client{}).Watch(t.Context(), "one", 0) {
		require.ErrorContains(t, err, "no Temporal client")
	}
}

// TestServerWatchSaid: a Watch tells what is said without a run.
func TestServerWatchSaid(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{Model: llmtest.Script(t)}}.Run)
	client := sessions(t, c)
	told := watch(t.Context(), client, "one")
	for _, text := range []string{"first", "second"} {
		require.NoError(t, client.Session("one").Say(t.Context(), llm.User(text)))
		select {
		case n := <-told:
			require.NoError(t, n.err)
			said, _ := n.e.Body.(event.UserMessaged)
			require.Equal(t, text, said.Message.Text())
		case <-time.After(10 * time.Second):
			t.Fatal("Watch is silent")
		}
	}
}

// TestServerWatchRenewed: a Watch goes on over executions, and says that a session began anew.
func TestServerWatchRenewed(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk()
	var steps []llmtest.Step
	for i := range 8 {
		steps = append(steps, llmtest.Calls("charge", order{fmt.Sprint(i)}))
	}
	w := temporal.Worker{
		Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk},
		Runner: runner.Runner{Model: llmtest.Script(t, append(steps, llmtest.Text("All done."), llmtest.Text("Anew."))...)},
	}
	work(t, w.Run)
	client := sessions(t, c)
	client.MaxHistory = 40
	told := watch(t.Context(), client, "one")
	result, err := client.Session("one").Run(t.Context(), desk, question)
	require.NoError(t, err)
	for _, want := range result.Events {
		require.Equal(t, news{want, nil}, <-told)
	}
	require.Greater(t, len(runsOf(t, c, name(t)+"/one")), 1)
	require.NoError(t, client.Session("one").End(t.Context()))
	eventually(t, func() bool { return closed(t, c, name(t)+"/one") }) // before, an input goes on with the conversation
	_, err = client.Session("one").Run(t.Context(), desk, question)
	require.NoError(t, err)
	require.ErrorContains(t, (<-told).err, "another conversation")
}

// TestServerWatchAnew: a Watch does not go on with a later conversation that has more events.
func TestServerWatchAnew(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk()
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: llmtest.Script(t,
		llmtest.Text("One."), llmtest.Calls("charge", order{"1"}), llmtest.Text("Two."))}}.Run)
	client := sessions(t, c)
	session := client.Session("one")
	result, err := session.Run(t.Context(), desk, question)
	require.NoError(t, err)
	told := watch(t.Context(), client, "one")
	for _, want := range result.Events {
		require.Equal(t, news{want, nil}, <-told)
	}
	require.NoError(t, session.End(t.Context()))
	eventually(t, func() bool { return closed(t, c, name(t)+"/one") })
	longer, err := session.Run(t.Context(), desk, question)
	require.NoError(t, err)
	require.Greater(t, len(longer.Events), len(result.Events))
	require.ErrorContains(t, (<-told).err, "another conversation")
}

// TestServerPolicy: the policy of the documentation reads the calls before its question, and
// MayAnswer holds for the answers of policies and of other processes.
func TestServerPolicy(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk(tool.NeedsApproval())
	client := sessions(t, c)
	w := temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{
		Model: charging(),
		Decide: func(ctx context.Context, p runner.Pending) (runner.Input, error) {
			calls, err := runner.CallsOf(client.Read(ctx, p.Session, 0))
			if err != nil {
				return nil, err
			}
			for _, c := range calls {
				if c.Counts() {
					return nil, nil // a person decides about the second call
				}
			}
			return runner.By("policy", p.Approve()), nil
		},
		MayAnswer: func(_ context.Context, _ runner.Pending, d runner.Decision) error {
			if d.Person == "" {
				return errors.New("who answers?")
			}
			return nil
		},
	}}
	work(t, w.Run)
	session := client.Session("one")
	result, err := session.Run(t.Context(), desk, question)
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Len(t, result.Pending, 1)
	_, err = session.Run(t.Context(), desk, result.Pending[0].Approve())
	_, unfit := errors.AsType[*runner.DecisionError](err)
	require.True(t, unfit, "%v", err)
	require.ErrorContains(t, err, "who answers?")
	_, err = session.Run(t.Context(), desk, runner.By("ada", result.Pending[0].Approve()))
	if !errors.Is(err, runner.ErrPaused) { // for the calls of the next turn
		require.NoError(t, err)
	}
}
