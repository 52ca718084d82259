package runner_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// recorded is a journal that remembers how it was written to, and fails as it
// is told.
type recorded struct {
	journal.Memory
	appends []string                  // the types of the events of each, and whether it was synced
	before  func(n int) (error, bool) // an error for the n-th append, and whether it is written all the same
}

type recordedLog struct {
	journal.Log
	journal *recorded
}

func (r *recorded) Open(ctx context.Context, session string) (journal.Log, error) {
	log, err := r.Memory.Open(ctx, session)
	return &recordedLog{log, r}, err
}

func (l *recordedLog) Append(ctx context.Context, sync bool, events ...event.Event) error {
	line := strings.Join(types(events), " ")
	if sync {
		line += " (synced)"
	}
	l.journal.appends = append(l.journal.appends, line)
	var planted error
	if l.journal.before != nil {
		var written bool
		if planted, written = l.journal.before(len(l.journal.appends) - 1); planted != nil && !written {
			return planted
		}
	}
	if err := l.Log.Append(ctx, sync, events...); err != nil {
		return err
	}
	return planted
}

func (l *recordedLog) EventsAfter(ctx context.Context, after int64) iter.Seq2[event.Event, error] {
	return l.Log.(interface {
		EventsAfter(context.Context, int64) iter.Seq2[event.Event, error]
	}).EventsAfter(ctx, after)
}

// TestAppends: what is recorded together, and what is synced (design D6).
func TestAppends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(recorded)
		script := llmtest.Script(t,
			llmtest.Calls("wait", waitArgs{Seconds: 1}).And(llmtest.Calls("wait", `{}`), llmtest.Calls("wait", waitArgs{Seconds: 2})),
			llmtest.Text(""), llmtest.Text("Fine."))
		_, err := runner.Runner{Model: script, Journal: store}.Session("s").Run(t.Context(), newAgent(waiter()), runner.Say(llm.User("Hi.")))
		require.NoError(t, err)
		require.Equal(t, []string{
			"run_started user_messaged (synced)",
			"turn_prepared",
			"model_answered tool_call_started tool_call_finished tool_call_started (synced)",
			"tool_call_finished (synced)",
			"tool_call_finished (synced)",
			"turn_prepared",
			"model_answered",
			"output_rejected",
			"turn_prepared",
			"model_answered run_finished (synced)",
		}, store.appends)
	})
}

// TestResultsShareAppend checks that results which arrive during a slow append are in the
// next append together. If the journal refuses that append, the end of the run records
// all of its results.
func TestResultsShareAppend(t *testing.T) {
	t.Parallel()
	refused := errors.New("the disk is full")
	for _, tt := range []struct {
		name string
		err  error
		want []string
	}{
		{"accepted", nil, []string{"turn_prepared", "model_answered run_finished (synced)"}},
		{"refused", refused, []string{"tool_call_finished tool_call_finished tool_call_finished run_failed (synced)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const slow, shared = 3, 4 // appends
				store := &recorded{before: func(n int) (error, bool) {
					switch n {
					case slow:
						time.Sleep(10 * time.Second) // synctest: exact in a bubble
					case shared:
						return tt.err, false
					}
					return nil, false
				}}
				script := llmtest.NewScript(
					llmtest.Calls("wait", waitArgs{Seconds: 1}).And(llmtest.Calls("wait", waitArgs{Seconds: 2}), llmtest.Calls("wait", waitArgs{Seconds: 3}), llmtest.Calls("wait", waitArgs{Seconds: 4})),
					llmtest.Text("Fine."))
				result, err := runner.Runner{Model: script, Journal: store}.Session("s").Run(t.Context(), newAgent(waiter()), runner.Say(llm.User("Hi.")))
				require.ErrorIs(t, err, tt.err)
				require.Equal(t, append([]string{
					"run_started user_messaged (synced)",
					"turn_prepared",
					"model_answered tool_call_started tool_call_started tool_call_started tool_call_started (synced)",
					"tool_call_finished (synced)",
					"tool_call_finished tool_call_finished tool_call_finished (synced)",
				}, tt.want...), store.appends)
				results := 0
				for _, e := range result.Events {
					if e.Type() == "tool_call_finished" {
						results++
					}
				}
				require.Equal(t, 4, results)
			})
		})
	}
}

// counted is a tool that counts its calls by key.
func counted(ran *atomic.Int32) tool.Tool {
	return tool.Must(tool.New("pay", "Pays.", func(ctx context.Context, _ struct{}) (string, error) {
		ran.Add(1)
		return "paid", nil
	}))
}

// TestFlakyJournal lets one append after the other fail, once or from then on,
// written or not: no function runs whose start is not recorded, a result that
// was refused once is not lost, and the session can be continued.
func TestFlakyJournal(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name          string
		once, written bool
	}{
		{"refused once", true, false}, {"refused for ever", false, false},
		{"written but failed once", true, true}, {"written but failed for ever", false, true},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			for n := 0; ; n++ {
				store := &recorded{before: func(i int) (error, bool) {
					if i == n || i > n && !way.once {
						return errPlanted, way.written
					}
					return nil, false
				}}
				var ran atomic.Int32
				model := llmtest.NewScript(llmtest.Calls("pay", nil), llmtest.Calls("pay", nil), llmtest.Text("Fine."))
				result, err := runner.Runner{Model: model, Journal: store}.Session("s").Run(t.Context(), newAgent(counted(&ran)), runner.Say(llm.User("Hi.")))
				if err == nil {
					require.Greater(t, n, 7)
					return
				}
				require.ErrorIs(t, err, errPlanted)
				require.Equal(t, 1, strings.Count(err.Error(), "planted"), "%v", err)
				if len(result.Messages) > 0 {
					requireValid(t, result.Messages)
				}
				started, finished := 0, 0
				for _, e := range eventsOf(t, &store.Memory) {
					switch e.Body.(type) {
					case event.ToolCallStarted:
						started++
					case event.ToolCallFinished:
						finished++
					}
				}
				require.GreaterOrEqual(t, started, int(ran.Load()), "append %d", n)
				if way.once && !way.written {
					require.GreaterOrEqual(t, finished, int(ran.Load()), "append %d: a result in hand is recorded with the end of the run", n)
				}
				requireContinues(t, runner.Runner{Journal: &store.Memory}, way.name)
			}
		})
	}
}

// hanging is a journal whose appends do not return before their context ends.
type hanging struct{ journal.Memory }

type hangingLog struct{ journal.Log }

func (h *hanging) Open(ctx context.Context, session string) (journal.Log, error) {
	log, err := h.Memory.Open(ctx, session)
	return hangingLog{log}, err
}

func (hangingLog) Append(ctx context.Context, _ bool, _ ...event.Event) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// TestHangingJournal: an append has 30 seconds.
func TestHangingJournal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := runner.Runner{Model: llmtest.Script(t), Journal: new(hanging)}.Session("s").Run(t.Context(), newAgent(), runner.Say(llm.User("Hi.")))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 30*time.Second, time.Since(start))
	})
}

// TestSecretsStayOut: credentials in URLs reach neither events nor logs, whoever
// put them into an error or a notice.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	const url = "postgres://bob:hunter2@db.example"
	m := llm.ModelFunc(func(_ context.Context, _ *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		sink(llm.Notice{Text: url})
		sink(llm.Restarted{Err: &llm.APIError{Message: url}})
		return nil, &llm.APIError{Message: url}
	})
	var out strings.Builder
	store := new(recorded)
	events, err := collect(runner.Runner{Model: m, Journal: store, Logger: textLogger(&out)}.Session("s").
		Stream(t.Context(), newAgent(), runner.Say(llm.User("Hi."))))
	require.Error(t, err)
	for _, e := range slices.Concat(events, eventsOf(t, &store.Memory)) {
		data, err := e.MarshalJSON()
		require.NoError(t, err)
		require.NotContains(t, string(data), "hunter2")
	}
	require.Contains(t, types(events), "notice")
	require.Contains(t, types(events), "restarted")

	refusing := &recorded{before: func(int) (error, bool) { return &llm.APIError{Message: url}, false }}
	_, err = runner.Runner{Model: m, Journal: refusing, Logger: textLogger(&out)}.Session("s").Run(t.Context(), newAgent(), runner.Say(llm.User("Hi.")))
	require.Error(t, err)
	require.Contains(t, out.String(), "journal refused an event")
	require.NotContains(t, out.String(), "hunter2")
}
