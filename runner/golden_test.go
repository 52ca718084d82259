package runner_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// goldenJournals holds a directory for each version of the events, written by the
// library as it was then. They are never written again: what stands in them is
// what users have on their disks. TOOLLOOP_UPDATE=1 writes that of the current
// version if there is none.
const goldenJournals = "testdata/journals"

// TestGoldenJournals: sessions of every version are read and go on.
func TestGoldenJournals(t *testing.T) {
	t.Parallel()
	current := filepath.Join(goldenJournals, "v1")
	if _, err := os.Stat(current); os.Getenv("TOOLLOOP_UPDATE") == "1" && errors.Is(err, os.ErrNotExist) {
		writeGolden(t, journal.Dir{Path: current})
	}
	versions, err := os.ReadDir(goldenJournals)
	require.NoError(t, err)
	require.Len(t, versions, event.Version, "one for each version")
	for _, v := range versions {
		t.Run(v.Name(), func(t *testing.T) {
			t.Parallel()
			dir := journal.Dir{Path: t.TempDir()}
			require.NoError(t, os.CopyFS(dir.Path, os.DirFS(filepath.Join(goldenJournals, v.Name()))))
			readGolden(t, dir)
		})
	}
}

func writeGolden(t *testing.T, dir journal.Dir) {
	t.Helper()
	call := llmtest.Calls("refund", refundArgs{"W1", 500}).And(llmtest.Calls("refund", refundArgs{"W2", 20_000}), llmtest.Calls("refunds", nil))
	say := runner.Say(llm.User("Refund both."))
	session := func(name string, steps ...llmtest.Step) *runner.Session {
		return runner.Runner{Model: llmtest.NewScript(steps...), Journal: dir}.Session(name)
	}
	a := newAgent(new(till).refund(over100))
	_, err := session("finished", llmtest.Text("Hello.")).Run(t.Context(), a, say)
	require.NoError(t, err)
	_, err = session("paused", call).Run(t.Context(), a, say)
	require.ErrorIs(t, err, runner.ErrPaused)
	_, err = session("failed", call).Run(t.Context(), newAgent(new(till).refund()), say)
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	hang := tool.Must(tool.New("refund", "Pays back.", func(ctx context.Context, _ refundArgs) (string, error) {
		cancel()
		<-ctx.Done()
		return "", ctx.Err()
	}))
	_, err = session("in doubt", llmtest.Calls("refund", refundArgs{"W1", 500})).Run(ctx, newAgent(hang), say)
	require.ErrorIs(t, err, context.Canceled)
}

func readGolden(t *testing.T, dir journal.Dir) {
	t.Helper()
	x := new(till)
	a := newAgent(x.refund(over100))
	resume := func(name string, in ...runner.Input) (*runner.Result, error) {
		return runner.Runner{Model: llmtest.NewScript(llmtest.Text("Fine.")), Journal: dir}.Session(name).Run(t.Context(), a, in...)
	}
	result, err := resume("finished", runner.Say(llm.User("And now?")))
	require.NoError(t, err)
	require.Equal(t, []string{"user Refund both.", "assistant Hello.", "user And now?", "assistant Fine."}, texts(result.Messages))

	result, err = resume("paused")
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Equal(t, `{"order":"W2","cents":20000}`, result.Pending[0].ToolCall.Arguments)
	result, err = resume("paused", result.Pending[0].Approve())
	require.NoError(t, err)
	require.Equal(t, []string{"paid 500", "paid 20000", `There is no tool named "refunds". Did you mean "refund"? The tools are: refund.`}, results(result.Messages))

	result, err = resume("failed")
	require.NoError(t, err)
	require.Equal(t, "Fine.", result.Text)

	result, err = resume("in doubt")
	require.ErrorIs(t, err, runner.ErrPaused)
	require.True(t, result.Pending[0].InDoubt)
	_, err = resume("in doubt", result.Pending[0].RunAgain())
	require.NoError(t, err)
	require.ElementsMatch(t, []refundArgs{{"W2", 20_000}, {"W1", 500}}, x.all(), "nothing that was done before is done again")
}

// TestEarlyJournal: events that were written before they had a version.
func TestEarlyJournal(t *testing.T) {
	t.Parallel()
	j := new(journal.Memory)
	require.NoError(t, j.UnmarshalJSON([]byte(`{"s":[
		{"seq":1,"time":"2026-11-20T09:30:00Z","type":"run_started","run":1,"agent":"assistant","id":"KX4M"},
		{"seq":2,"time":"2026-11-20T09:30:00Z","type":"user_messaged","message":{"role":"user","parts":[{"type":"text","text":"Hi."}]}},
		{"seq":3,"time":"2026-11-20T09:30:00Z","type":"turn_prepared","turn":1,"agent":"assistant","instructions":"Be brief."}
	]}`)))
	result, err := runner.Runner{Model: llmtest.Script(t, llmtest.Text("Hello.")), Journal: j}.Session("s").Run(t.Context(), newAgent())
	require.NoError(t, err)
	require.Equal(t, []string{"user Hi.", "assistant Hello."}, texts(result.Messages))
}
