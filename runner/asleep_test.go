package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// asleep is a journal whose process is stopped behind the append of an event of a
// type, for longer than its lease. When it wakes, the context of its log has not been
// ended yet by anything but the question whether it has.
type asleep struct {
	journal.Memory
	behind string
	slept  atomic.Bool
}

var errAsleep = errors.New("the lease is lost")

func (j *asleep) Open(ctx context.Context, session string) (journal.Log, error) {
	log, err := j.Memory.Open(ctx, session)
	if err != nil {
		return nil, err
	}
	l := &asleepLog{Log: log, journal: j}
	l.ctx, l.end = context.WithCancelCause(log.Context())
	return l, nil
}

type asleepLog struct {
	journal.Log
	journal *asleep
	ctx     context.Context
	end     context.CancelCauseFunc
}

func (l *asleepLog) Append(ctx context.Context, sync bool, events ...event.Event) error {
	if l.journal.slept.Load() {
		return errAsleep
	}
	err := l.Log.Append(ctx, sync, events...)
	for _, e := range events {
		if e.Type() == l.journal.behind {
			l.journal.slept.Store(true)
		}
	}
	return err
}

func (l *asleepLog) Context() context.Context { return lateContext{l.ctx, l} }

type lateContext struct {
	context.Context
	log *asleepLog
}

func (c lateContext) Err() error {
	if c.log.journal.slept.Load() {
		c.log.end(errAsleep)
	}
	return c.Context.Err()
}

// TestAsleep: a process that wakes up behind a record starts no function of a tool, asks
// no model and no Reconcile: its session is perhaps another's.
func TestAsleep(t *testing.T) {
	t.Parallel()
	for behind, asked := range map[string]int{"tool_call_started": 1, "turn_prepared": 0, "run_started": 0} {
		j := &asleep{behind: behind}
		called := 0
		pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) {
			called++
			return "paid", nil
		}))
		script := llmtest.NewScript(llmtest.Calls("pay", nil), llmtest.Text("Fine."))
		s := runner.Runner{Model: script, Journal: j}.Session("order-42")
		result, err := s.Run(t.Context(), newAgent(pay), runner.Say(llm.User("Pay.")))
		require.ErrorIs(t, err, errAsleep, behind)
		require.Zero(t, called, behind)
		require.Len(t, script.Requests(), asked, behind)
		if asked > 0 {
			require.Contains(t, results(result.Messages)[0], "It is not known whether the call took effect", behind)
		}
	}

	// One that was opened in time, and slept before a call in doubt is reconciled.
	j := &asleep{behind: "tool_call_started"}
	s := runner.Runner{Model: llmtest.NewScript(llmtest.Calls("pay", nil)), Journal: j}.Session("order-42")
	reconciled := 0
	pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "paid", nil },
		tool.Reconcile(func(context.Context, tool.Call, json.RawMessage) (string, bool, error) {
			reconciled++
			return "", false, nil
		})))
	_, err := s.Run(t.Context(), newAgent(pay), runner.Say(llm.User("Pay.")))
	require.ErrorIs(t, err, errAsleep)
	_, err = s.Run(t.Context(), newAgent(pay))
	require.ErrorIs(t, err, errAsleep)
	require.Zero(t, reconciled)
}
