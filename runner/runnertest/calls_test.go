package runnertest_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

func text(s string) llm.Parts { return llm.Parts{llm.Text{Text: s}} }

// TestCalls: what of each call a test can see, in exact times.
func TestCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().UTC()
		script := llmtest.Script(t,
			llmtest.Calls("look", lookArgs{"W2", 4}).And(
				llmtest.Calls("refund", refundArgs{"W1", 250, 1.5}), llmtest.Calls("refund", `{"order":"W1"`)),
			llmtest.Calls("refund", refundArgs{"W0", 1, nil}).And(llmtest.Calls("hide", nil)),
			llmtest.Text("Done."))
		result, err := with(script).Run(t.Context(), desk(), llm.User("Refund W1."))
		require.NoError(t, err)
		const malformed = "The call was rejected: its JSON ends too early (cut off?).\nSend the call again with its arguments as one complete JSON object."
		require.Equal(t, []runnertest.Call[refundArgs]{
			{
				Args: refundArgs{"W1", 250, json.Number("1.5")}, Raw: `{"order":"W1","cents":250,"note":1.5}`,
				Text: "Refunded.", Parts: text("Refunded."), Turn: 1, Ref: "r1.t1.c1", Started: start, Finished: start.Add(3 * time.Second),
			},
			{
				Raw: `{"order":"W1"`, Text: malformed, Parts: text(malformed),
				Failure: tool.InvalidJSON, Rejected: true, Turn: 1, Ref: "r1.t1.c2", Finished: start,
			},
			{
				Args: refundArgs{"W0", 1, nil}, Raw: `{"order":"W0","cents":1}`, Text: "no order W0", Parts: text("no order W0"),
				Failure: tool.Failed, Err: "no order W0", Turn: 2, Ref: "r1.t2.c0", Started: start.Add(4 * time.Second), Finished: start.Add(4 * time.Second),
			},
		}, runnertest.Calls[refundArgs](t, result, "refund"))
		require.Equal(t, "the database at 127.0.0.1:40123 is down", runnertest.Calls[struct{}](t, result, "hide")[0].Err)
		require.Empty(t, runnertest.Calls[struct{}](t, result, "key"))
		require.Equal(t, []string{"look", "refund", "refund", "refund", "hide"}, runnertest.Order(result))
	})
}

// TestCallsDecode: Args must have a field for each member.
func TestCallsDecode(t *testing.T) {
	t.Parallel()
	script := llmtest.Script(t, llmtest.Calls("look", lookArgs{"W2", 0}).And(llmtest.Calls("look", `{"seconds":0,"order":"W3"}`)), llmtest.Text("Done."))
	result, err := with(script).Run(t.Context(), desk(), llm.User("Look."))
	require.NoError(t, err)
	require.JSONEq(t, `{"order":"W2"}`, string(runnertest.Calls[json.RawMessage](t, result, "look")[0].Args))
	require.Equal(t, map[string]any{"order": "W3", "seconds": json.Number("0")}, runnertest.Calls[map[string]any](t, result, "look")[1].Args)

	type part struct{ Seconds int }
	tb := fake(t, func(tb testing.TB) { runnertest.Calls[part](tb, result, "look") })
	require.Equal(t, []string{`runnertest: call r1.t1.c0 of look: the arguments {"order":"W2"}: json: unknown field "order"`}, tb.Errors())
	tb = fake(t, func(tb testing.TB) { runnertest.Calls[[]string](tb, result, "look") })
	require.Len(t, tb.Errors(), 1)
}

// TestCallsOpen: a call that was cut short by the end of its run has no result.
func TestCallsOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := runner.Runner{Model: llmtest.Script(t, llmtest.Calls("look", lookArgs{"W1", 9})), RunTimeout: time.Second}
		result, err := r.Run(t.Context(), desk(), llm.User("Look."))
		require.Error(t, err)
		require.Equal(t, []runnertest.Call[lookArgs]{{
			Args: lookArgs{"W1", 9}, Raw: `{"order":"W1","seconds":9}`, Turn: 1, Ref: "r1.t1.c0",
		}}, runnertest.Calls[lookArgs](t, result, "look"))
		require.Equal(t, 0, runnertest.MaxConcurrent(result))
		require.False(t, runnertest.Overlapped(result, "look", "look"))
	})
}

// TestOverlap: what ran at the same time, however many calls may.
func TestOverlap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                 string
		limit                *runner.CallLimit
		lookRefund, lookLook bool
		most                 int
	}{
		{"all", nil, true, true, 3},
		{"two", runner.NewCallLimit(2), true, false, 2}, // the second look begins when the first has ended
		{"one", runner.NewCallLimit(1), false, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				script := llmtest.Script(t,
					llmtest.Calls("look", lookArgs{"W1", 2}).And(llmtest.Calls("refund", refundArgs{"W1", 1, nil}), llmtest.Calls("look", lookArgs{"W2", 4})),
					llmtest.Calls("refund", refundArgs{"W1", 1, nil}), llmtest.Text("Done."))
				r := runner.Runner{Model: script, Calls: tt.limit}
				result, err := r.Run(t.Context(), desk(), llm.User("Look."))
				require.NoError(t, err)
				require.Equal(t, tt.lookRefund, runnertest.Overlapped(result, "look", "refund"))
				require.Equal(t, tt.lookRefund, runnertest.Overlapped(result, "refund", "look"))
				require.Equal(t, tt.lookLook, runnertest.Overlapped(result, "look", "look"))
				require.False(t, runnertest.Overlapped(result, "refund", "refund"), "one in each turn")
				require.False(t, runnertest.Overlapped(result, "look", "key"))
				require.Equal(t, tt.most, runnertest.MaxConcurrent(result))
			})
		})
	}
}
