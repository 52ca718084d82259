package runner_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A drained is a run of two turns with two calls each, whose model answers by the history.
type drained struct {
	runner.Runner
	calls []string
}

func newDrained() *drained {
	d := &drained{}
	d.Runner = runner.Runner{Journal: new(journal.Memory), Model: llm.ModelFunc(func(ctx context.Context, req *llm.Request, _ func(llm.Delta)) (*llm.Response, error) {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		n := 0
		for _, m := range req.Messages {
			n += len(m.Calls())
		}
		if n == 4 {
			return llmtest.Text("Done.").Response()
		}
		return llmtest.Calls("wait", waitArgs{fmt.Sprint(n), 2}).And(llmtest.Calls("wait", waitArgs{fmt.Sprint(n + 1), 2})).Response()
	})}
	return d
}

func (d *drained) agent() *agent.Agent {
	return &agent.Agent{Tools: []tool.Tool{tool.Must(tool.New("wait", "Waits.", func(ctx context.Context, in waitArgs) (string, error) {
		select {
		case <-time.After(time.Duration(in.Seconds) * time.Second):
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
		d.calls = append(d.calls, in.Name)
		return "waited", nil
	}, tool.Alone()))}}
}

// TestDrain drains a run at every half second: it stops between two turns with all calls
// at their end, and the next run continues it as if nothing had happened.
func TestDrain(t *testing.T) {
	t.Parallel()
	stopped := 0
	for halves := range 24 {
		synctest.Test(t, func(t *testing.T) {
			d := newDrained()
			stop, cancel := context.WithTimeout(t.Context(), time.Duration(halves)*500*time.Millisecond+time.Millisecond)
			defer cancel()
			began, took := time.Now(), time.Duration(halves)*500*time.Millisecond+time.Millisecond
			result, err := d.Session("s").Run(runner.Drain(t.Context(), stop), d.agent(), runner.Once("begin", llm.User("Hi.")))
			if err != nil {
				stopped++
				require.Equal(t, runner.ErrDrained, err)
				for _, e := range eventsOf(t, d.Journal) {
					require.NotContains(t, []string{"run_failed", "run_finished"}, e.Type())
				}
				require.Zero(t, len(d.calls)%2, "both calls of a turn")
				late := time.Since(began) - took
				require.Less(t, late, 4*time.Second, "it waits for the calls of a turn")
				result, err = d.Session("s").Run(t.Context(), d.agent(), runner.Once("begin", llm.User("Hi.")))
			}
			require.NoError(t, err)
			require.Equal(t, "Done.", result.Text)
			require.Equal(t, []string{"0", "1", "2", "3"}, d.calls)
			require.Equal(t, 3, result.Turns)
			require.NoError(t, checkHistory(result.Messages))
		})
	}
	require.Equal(t, 22, stopped, "the run takes eleven seconds")
}

// TestDrainAtOnce: a run whose process is already stopping records its message, and asks
// nobody.
func TestDrainAtOnce(t *testing.T) {
	t.Parallel()
	stop, cancel := context.WithCancel(t.Context())
	cancel()
	r := runner.Runner{Journal: new(journal.Memory), Model: llmtest.Script(t, llmtest.Text("Hello."))}
	s := r.Session("s")
	var last error
	for _, err := range s.Stream(runner.Drain(t.Context(), stop), newAgent(), runner.Say(llm.User("Hi."))) {
		last = err
	}
	require.Equal(t, runner.ErrDrained, last)
	result, err := s.Run(t.Context(), newAgent())
	require.NoError(t, err)
	require.Equal(t, "Hello.", result.Text)
}

// TestDrainElsewhere: outside of a session a drained run is a failed run, and a nested run
// is left to its outer run. A cancelled run is cancelled, and a compaction can be drained.
func TestDrainElsewhere(t *testing.T) {
	t.Parallel()
	stop, cancel := context.WithCancel(t.Context())
	cancel()
	result, err := runner.Runner{Model: llmtest.Script(t)}.Run(runner.Drain(t.Context(), stop), newAgent(), llm.User("Hi."))
	require.ErrorIs(t, err, runner.ErrDrained)
	require.Equal(t, "run_failed", result.Events[len(result.Events)-1].Type())

	later, end := context.WithCancel(t.Context())
	nested := tool.Must(tool.New("nested", "Runs.", func(ctx context.Context, _ struct{}) (string, error) {
		end()
		r, err := runner.Runner{Model: llmtest.Script(t, llmtest.Text("inner"))}.Run(ctx, newAgent(), llm.User("Hi."))
		return r.Text, err
	}))
	r := runner.Runner{Journal: new(journal.Memory), Model: llmtest.Script(t, llmtest.Calls("nested", struct{}{}))}
	_, err = r.Session("s").Run(runner.Drain(t.Context(), later), newAgent(nested), runner.Say(llm.User("Hi.")))
	require.Equal(t, runner.ErrDrained, err)
	messages, err := r.Session("s").Messages(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"inner"}, results(messages))

	ctx, both := context.WithCancelCause(t.Context())
	both(errPlanted)
	_, err = r.Session("s").Run(runner.Drain(ctx, stop), newAgent(nested))
	require.ErrorIs(t, err, errPlanted)

	mid, now := context.WithCancel(t.Context())
	r.Compact = &compact.Policy{Tokens: 1, Strategy: func(ctx context.Context, _ *compact.History) ([]llm.Message, error) {
		now()
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}}
	_, err = r.Session("s").Run(runner.Drain(t.Context(), mid), newAgent(nested))
	require.Equal(t, runner.ErrDrained, err)
	require.False(t, errors.Is(err, context.Canceled))
}
