package runner_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestRunAgainAsTheToolThatItWas: a call in doubt whose tool has another
// definition by now is asked about, even if the new one may be repeated.
func TestRunAgainAsTheToolThatItWas(t *testing.T) {
	t.Parallel()
	j, _ := crashedRefund(t)
	x := &till{paid: map[string][]refundArgs{}}
	other := newAgent(tool.Must(tool.New("refund", "Pays back twice.", func(_ context.Context, in refundArgs) (string, error) {
		x.paid["other"] = append(x.paid["other"], in)
		return "paid elsewhere", nil
	}, tool.Idempotent())))
	s := runner.Runner{Model: llmtest.Script(t, llmtest.Text("Fine.")), Journal: j}.Session("s")
	result, err := s.Run(t.Context(), other)
	require.ErrorIs(t, err, runner.ErrPaused)
	require.False(t, result.Pending[0].InDoubt, "it is asked for approval")
	require.Empty(t, x.all())
	_, err = s.Run(t.Context(), other, result.Pending[0].Approve())
	require.NoError(t, err)
	require.Len(t, x.all(), 1)
}

// TestRunAgainPastANewPolicy: what is repeated without a person having decided is
// held to a policy that came later; what a person repeats is not asked about twice.
func TestRunAgainPastANewPolicy(t *testing.T) {
	t.Parallel()
	j, _ := crashedRefund(t)
	x := new(till)
	script := llmtest.Script(t, llmtest.Text("Fine."))
	s := runner.Runner{Model: script, Journal: j}.Session("s")
	result, err := s.Run(t.Context(), newAgent(x.refund(tool.Idempotent(), tool.NeedsApproval())))
	require.ErrorIs(t, err, runner.ErrPaused)
	require.False(t, result.Pending[0].InDoubt)
	require.Empty(t, x.all())

	j, _ = crashedRefund(t)
	s = runner.Runner{Model: script, Journal: j}.Session("s")
	a := newAgent(x.refund(tool.NeedsApproval()))
	result, err = s.Run(t.Context(), a)
	require.ErrorIs(t, err, runner.ErrPaused)
	_, err = s.Run(t.Context(), a, result.Pending[0].RunAgain())
	require.NoError(t, err)
	require.Len(t, x.all(), 1)
}

// TestPolicyCutShort: a run that is cancelled while a policy judges asks about
// nothing that needs no approval.
func TestPolicyCutShort(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	need := tool.NeedsApprovalIf(func(ctx context.Context, _ refundArgs) (bool, error) {
		cancel()
		<-ctx.Done()
		return false, ctx.Err()
	})
	script := llmtest.Script(t, llmtest.Calls("refund", refundArgs{"W1", 5}))
	result, err := with(script).Session("s").Run(ctx, newAgent(new(till).refund(need)), runner.Say(llm.User("Hi.")))
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, result.Pending)
	require.NotContains(t, types(result.Events), "approval_asked")
}

// TestPendingOfAFailedRun: what a run that was aborted left for a person.
func TestPendingOfAFailedRun(t *testing.T) {
	t.Parallel()
	x := new(till)
	abort := tool.Must(tool.New("abort", "Aborts.", func(context.Context, struct{}) (string, error) { return "", tool.Abort(errPlanted) }))
	a := newAgent(abort, x.refund(tool.NeedsApproval()))
	script := llmtest.Script(t, llmtest.Calls("abort", nil).And(llmtest.Calls("refund", refundArgs{"W1", 5})), llmtest.Text("Fine."))
	s := runner.Runner{Model: script, Journal: new(journal.Memory)}.Session("s")
	result, err := s.Run(t.Context(), a, runner.Say(llm.User("Hi.")))
	require.ErrorIs(t, err, errPlanted)
	require.Len(t, result.Pending, 1)
	listed, err := s.Pending(t.Context())
	require.NoError(t, err)
	require.Equal(t, result.Pending, listed)
	_, err = s.Run(t.Context(), a, listed[0].Approve())
	require.NoError(t, err)
	require.Len(t, x.all(), 1)
}
