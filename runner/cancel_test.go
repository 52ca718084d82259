package runner_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// play is a run with something of everything: deltas, parallel calls of which
// one is wrong, a chained call, an empty answer, a final text.
func play(t *testing.T) runner.Runner {
	m := llmtest.NewScript(
		llmtest.Reasoning("Hm.").And(llmtest.Text("Let me look."),
			llmtest.Calls("wait", waitArgs{"a", 3}), llmtest.Calls("wait", `{"nom":`), llmtest.Calls("wait", waitArgs{"c", 1})),
		llmtest.Calls("wait", waitArgs{"d", 2}),
		llmtest.Text(""),
		llmtest.Text("All of them waited."))
	m.Delay = 100 * time.Millisecond
	return runner.Runner{Model: m, Calls: runner.NewCallLimit(2), Journal: new(journal.Memory)}
}

var errBody = errors.New("planted in the loop body")

// leave is a way in which a consumer leaves its loop.
type leave struct {
	name string
	body func() bool // returns whether to break
}

var leaves = []leave{
	{"break", func() bool { return true }},
	{"panic", func() bool { panic(errBody) }},
	{"goexit", func() bool { runtime.Goexit(); return true }},
}

// TestLeave leaves the loop in each way at every event: the history is valid,
// nothing goes on (a goroutine that is left fails the bubble), and the session
// can be continued.
func TestLeave(t *testing.T) {
	t.Parallel()
	total := countEvents(t)
	require.Greater(t, total, 40)
	for _, way := range leaves {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			for at := range total {
				synctest.Test(t, func(t *testing.T) { leaveAt(t, way, at) })
			}
		})
	}
}

func countEvents(t *testing.T) (n int) {
	synctest.Test(t, func(t *testing.T) {
		events, err := collect(play(t).Session("s").Stream(t.Context(), newAgent(waiter()), runner.Say(llm.User("Hi."))))
		require.NoError(t, err)
		n = len(events)
	})
	return n
}

func leaveAt(t *testing.T, way leave, at int) {
	r := play(t)
	s := r.Session("s")
	ended := make(chan any)
	go func() { // runtime.Goexit ends this goroutine, not the test
		defer func() { ended <- recover() }()
		n := 0
		for _, err := range s.Stream(t.Context(), newAgent(waiter()), runner.Say(llm.User("Hi."))) {
			if err != nil {
				t.Errorf("at %d: %v", at, err)
			}
			if n == at && way.body() {
				break
			}
			n++
		}
	}()
	if v := <-ended; way.name == "panic" {
		require.Equal(t, any(errBody), v)
	}
	requireEnded(t, r)
	requireContinues(t, r, fmt.Sprintf("%s at event %d", way.name, at))
}

// requireEnded: the journal knows how the run ended.
func requireEnded(t *testing.T, r runner.Runner) {
	t.Helper()
	events := eventsOf(t, r.Journal)
	require.Contains(t, []string{"run_failed", "run_finished"}, events[len(events)-1].Type())
}

// requireContinues runs the session once more. What its model gets is a valid
// history, and so is the result.
func requireContinues(t *testing.T, r runner.Runner, where string) {
	t.Helper()
	script := llmtest.Script(t, llmtest.Text("Fine."))
	r.Model = script
	result, err := r.Session("s").Run(t.Context(), newAgent(waiter()), runner.Say(llm.User("Go on.")))
	require.NoError(t, err, where)
	require.NoError(t, checkHistory(script.Requests()[0].Messages), where)
	require.NoError(t, checkHistory(result.Messages), where)
}

// TestCancel cancels the run's context at every tenth of a second: the history
// is valid, nothing goes on, and the error is the context's.
func TestCancel(t *testing.T) {
	t.Parallel()
	cause := errors.New("closing time")
	for tenths := range 90 {
		synctest.Test(t, func(t *testing.T) {
			r := play(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Duration(tenths)*100*time.Millisecond+50*time.Millisecond, func() { cancel(cause) })
			result, err := r.Session("s").Run(ctx, newAgent(waiter()), runner.Say(llm.User("Hi.")))
			if err == nil {
				require.Equal(t, "All of them waited.", result.Text)
				cancel(nil)
				return
			}
			require.ErrorIs(t, err, cause)
			require.ErrorIs(t, err, context.Canceled)
			requireValid(t, result.Messages)
			requireEnded(t, r)
			requireContinues(t, r, fmt.Sprintf("cancelled at %d tenths", tenths))
		})
	}
}

// TestCancelledCall: what is known of a call that was cancelled with its run.
func TestCancelledCall(t *testing.T) {
	t.Parallel()
	const unknown = "It is not known whether the call took effect: it was started, and its end was never recorded. Check before you call it again."
	for _, tt := range []struct {
		what, want string
		took       time.Duration
	}{
		{"slow", unknown, time.Second},
		{"late", "done after all", time.Second},
		{"stuck", unknown, 6 * time.Second},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stuck := make(chan struct{})
				defer close(stuck)
				script := llmtest.Script(t, llmtest.Calls("act", map[string]string{"what": tt.what}))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				result, err := with(script).Run(ctx, newAgent(act(stuck)), llm.User("Hi."))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, []string{tt.want}, results(result.Messages))
				require.Equal(t, tt.took, time.Since(start))
			})
		})
	}
}

func TestCancelledBefore(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	result, err := with(llmtest.Script(t)).Run(ctx, newAgent(), llm.User("Hi."))
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, result.Messages)
}

// TestEveryCrash continues from each position of a session's journal, as after
// a crash there.
func TestEveryCrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := play(t)
		_, err := r.Session("s").Run(t.Context(), newAgent(waiter()), runner.Say(llm.User("Hi.")))
		require.NoError(t, err)
		whole := eventsOf(t, r.Journal)
		require.Greater(t, len(whole), 15)
		for cut := range whole {
			after := new(journal.Memory)
			log, err := after.Open(t.Context(), "s")
			require.NoError(t, err)
			require.NoError(t, log.Append(t.Context(), true, whole[:cut]...))
			require.NoError(t, log.Close())
			requireContinues(t, runner.Runner{Journal: after}, fmt.Sprintf("crash after %d events", cut))
		}
	})
}

func eventsOf(t *testing.T, j journal.Journal) (events []event.Event) {
	t.Helper()
	log, err := j.Open(t.Context(), "s")
	require.NoError(t, err)
	defer func() { require.NoError(t, log.Close()) }()
	for e, err := range log.Events(t.Context()) {
		require.NoError(t, err)
		events = append(events, e)
	}
	return events
}

// TestPanickingModel: a model's panic is the caller's to see, after the run was
// cleaned up.
func TestPanickingModel(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	r := runner.Runner{Journal: store, Model: llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
		panic(errBody)
	})}
	require.PanicsWithError(t, errBody.Error(), func() {
		_, _ = r.Session("s").Run(t.Context(), newAgent(), runner.Say(llm.User("Hi.")))
	})
	requireContinues(t, r, "after a panic")
}

// TestPull: a stream that is pulled from and stopped is left as by break.
func TestPull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next, stop := iter.Pull2(play(t).Stream(t.Context(), newAgent(waiter()), llm.User("Hi.")))
		for range 30 {
			_, err, ok := next()
			require.True(t, ok)
			require.NoError(t, err)
		}
		stop()
	})
}
