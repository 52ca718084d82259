package temporal_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestServerRefusals: an input that changes nothing has the same Result and the same error as
// in package runner.
func TestServerRefusals(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk(tool.NeedsApproval())
	redact := func(text string) string { return strings.ReplaceAll(text, "hunter2", "***") }
	approve := func(p runner.Pending) []runner.Input {
		return []runner.Input{runner.By("ada", p.Approve(), "hunter2 says so")}
	}
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: charging(), Redact: redact}}.Run)
	session := sessions(t, c).Session("p")
	local := runner.Runner{Model: charging(), Redact: redact, Journal: new(journal.Memory)}.Session("p")
	var first, firstLocal runner.Pending
	for i, input := range []func(first runner.Pending) []runner.Input{
		func(runner.Pending) []runner.Input { return nil },
		func(runner.Pending) []runner.Input { return []runner.Input{runner.Say()} },
		func(runner.Pending) []runner.Input { return []runner.Input{runner.Say(), nil, question} },
		func(runner.Pending) []runner.Input { return nil },
		approve,
		approve,
		func(first runner.Pending) []runner.Input { return []runner.Input{runner.By("ada", runner.Say())} },
	} {
		want, wantErr := local.Run(t.Context(), desk, input(firstLocal)...)
		got, err := session.Run(t.Context(), desk, input(first)...)
		require.Equal(t, untimed(wantErr), untimed(err), i) // the two sessions may record in two seconds
		for _, kind := range []error{runner.ErrPaused, runner.ErrNoInput} {
			require.Equal(t, errors.Is(wantErr, kind), errors.Is(err, kind), i)
		}
		require.Len(t, got.Messages, len(want.Messages), i)
		require.Len(t, got.Pending, len(want.Pending), i)
		require.Len(t, got.Events, len(want.Events), i)
		if i == 5 { // only the client has the answer before Redact
			unfit, ok := errors.AsType[*runner.DecisionError](err)
			require.True(t, ok && unfit.Known, "%v", err)
		}
		if i == 2 {
			first, firstLocal = got.Pending[0], want.Pending[0]
		}
	}
	_, err := session.Run(t.Context(), nil, question)
	require.ErrorContains(t, err, "the agent is nil")
}

// untimed is the text of an error without the time of a decision.
func untimed(err error) string {
	return regexp.MustCompile(` at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`).ReplaceAllString(err.Error(), "")
}

// TestServerEndsAfterRenewal: End holds also if the run goes on in a new execution.
func TestServerEndsAfterRenewal(t *testing.T) {
	t.Parallel()
	c := server(t)
	var session *temporal.Session
	charge := tool.Must(tool.New("charge", "Charges.", func(ctx context.Context, in order) (string, error) {
		if in.Order == "2" {
			return "ok", session.End(ctx)
		}
		return "ok", nil
	}))
	desk := &agent.Agent{Name: "desk", Tools: []tool.Tool{charge}}
	var steps []llmtest.Step
	for _, o := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		steps = append(steps, llmtest.Calls("charge", order{o}))
	}
	client := sessions(t, c)
	client.MaxHistory = 40
	session = client.Session("one")
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk},
		Runner: runner.Runner{Model: llmtest.Script(t, append(steps, llmtest.Text("All done."))...)}}.Run)
	_, err := session.Run(t.Context(), desk, question)
	require.NoError(t, err)
	require.Greater(t, len(runsOf(t, c, name(t)+"/one")), 1)
	eventually(t, func() bool { return closed(t, c, name(t)+"/one") })
}

// TestServerKeepsPartial: KeepPartial needs no Watch.
func TestServerKeepsPartial(t *testing.T) {
	t.Parallel()
	c := server(t)
	told := make(chan struct{})
	model := llm.ModelFunc(func(ctx context.Context, _ *llm.Request, on func(llm.Delta)) (*llm.Response, error) {
		on(llm.TextDelta{Text: "The beginning"})
		close(told)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	var s shop
	desk := s.desk()
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: model, KeepPartial: time.Second}}.Run)
	session := sessions(t, c).Session("k")
	go func() { <-told; _ = session.Cancel(context.Background()) }()
	_, err := session.Run(t.Context(), desk, question)
	require.ErrorIs(t, err, context.Canceled)
	state, err := session.State(t.Context())
	require.NoError(t, err)
	require.NotNil(t, state.Partial)
	require.Equal(t, "The beginning", state.Partial.Text)
}

// TestServerCallsAlone: a worker may have only calls.
func TestServerCallsAlone(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{Model: charging()},
		Options: worker.Options{DisableWorkflowWorker: true}}.Run)
}
