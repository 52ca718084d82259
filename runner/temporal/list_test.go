package temporal_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestServerSessions: a list of what waits, of the sessions with the prefix alone.
func TestServerSessions(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk(tool.NeedsApproval())
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: charging()}}.Run)
	client := sessions(t, c)
	client.Prefix += `o'neil\/`
	_, err := client.Session("one").Run(t.Context(), desk, question)
	require.ErrorIs(t, err, runner.ErrPaused)
	other := client
	other.Prefix = "other" + client.Prefix
	_, err = other.Session("two").Run(t.Context(), desk, question)
	require.ErrorIs(t, err, runner.ErrPaused)

	list := func(query string) (names []string) {
		for name, err := range client.Sessions(t.Context(), query) {
			require.NoError(t, err)
			pending, err := client.Session(name).Pending(t.Context())
			require.NoError(t, err)
			require.Len(t, pending, 2)
			names = append(names, name)
		}
		return names
	}
	eventually(t, func() bool { return len(list("")) > 0 })
	require.Equal(t, []string{"one"}, list(""))
	require.NoError(t, client.Session("one").End(t.Context()))
	eventually(t, func() bool { return len(list("CloseTime > '2020-01-01T00:00:00Z'")) > 0 })
	require.Equal(t, []string{"one"}, list("CloseTime > '2020-01-01T00:00:00Z'"))
	require.Empty(t, list(""))
	for _, err := range client.Sessions(t.Context(), "what?") {
		require.Error(t, err)
	}
	for _, err := range (temporal.Client{}).Sessions(t.Context(), "") {
		require.ErrorContains(t, err, "no Temporal client")
	}
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
			calls, err := runner.CallsOf(client.Session(p.Session).Events(ctx, 0))
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
