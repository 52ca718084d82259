package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// tallied is a journal that counts the events that are read.
type tallied struct {
	*journal.Memory
	read int
}

type talliedLog struct {
	journal.Log
	journal *tallied
}

func (c *tallied) Open(ctx context.Context, session string) (journal.Log, error) {
	log, err := c.Memory.Open(ctx, session)
	return &talliedLog{log, c}, err
}

func (l *talliedLog) Events(ctx context.Context) iter.Seq2[event.Event, error] {
	return l.EventsAfter(ctx, 0)
}

func (l *talliedLog) EventsAfter(ctx context.Context, after int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		type tail interface {
			EventsAfter(context.Context, int64) iter.Seq2[event.Event, error]
		}
		for e, err := range l.Log.(tail).EventsAfter(ctx, after) {
			l.journal.read++
			if !yield(e, err) {
				return
			}
		}
	}
}

// TestSessionRemembers: a Session reads only what it does not know: one event, to see
// that the journal is the one that it knows, and what others have added.
func TestSessionRemembers(t *testing.T) {
	t.Parallel()
	steps := make([]llmtest.Step, 36)
	for i := range steps {
		steps[i] = llmtest.Text(fmt.Sprint("Answer ", i))
	}
	script := llmtest.Script(t, steps...)
	j := &tallied{Memory: new(journal.Memory)}
	r := runner.Runner{Model: script, Journal: j}
	run := func(s *runner.Session, i int, wantRead int) *runner.Result {
		t.Helper()
		j.read = 0
		result, err := s.Run(t.Context(), newAgent(), runner.Say(llm.User("Hi.")))
		require.NoError(t, err)
		require.Equal(t, wantRead, j.read, i)
		require.Len(t, result.Messages, 2*(i+1))
		require.Equal(t, i+1, result.Run)
		return result
	}
	const events = 5 // of a run
	s := r.Session("order-42")
	for i := range 20 {
		run(s, i, min(i, 1))
	}
	other := r.Session("order-42")
	run(other, 20, 20*events)
	run(s, 21, 1+events)
	run(other, 22, 1+events)

	j.read = 0
	messages, err := s.Messages(t.Context())
	require.NoError(t, err)
	require.Len(t, messages, 2*23)
	require.Equal(t, 1+events, j.read)
	pending, err := s.Pending(t.Context())
	require.NoError(t, err)
	require.Empty(t, pending)
	require.Equal(t, 1+events+1, j.read)

	// Another journal is there by now: one that is shorter, or as long.
	before, err := json.Marshal(j.Memory)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte("{}"), j.Memory))
	run(s, 0, 0)
	require.NoError(t, json.Unmarshal(before, j.Memory))
	run(s, 23, 1+23*events)
	fresh := r.Session("another")
	for i := range 10 {
		run(fresh, i, min(i, 1))
	}
	another, err := json.Marshal(j.Memory)
	require.NoError(t, err)
	var all map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(another, &all))
	all["another"] = all["order-42"]
	swapped, err := json.Marshal(all)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(swapped, j.Memory))
	run(fresh, 24, 1+24*events)
}

// TestSessionRemembersRefusals: what the journal has of an append whose error the run
// was told is found by the next run.
func TestSessionRemembersRefusals(t *testing.T) {
	t.Parallel()
	for _, written := range []bool{true, false} {
		j := &recorded{}
		s := runner.Runner{Model: llmtest.NewScript(llmtest.Text("One."), llmtest.Text("Two."), llmtest.Text("Three.")), Journal: j}.Session("order-42")
		_, err := s.Run(t.Context(), newAgent(), runner.Say(llm.User("Hi.")))
		require.NoError(t, err)
		planted := errors.New("planted")
		j.before = func(int) (error, bool) { return planted, written }
		_, err = s.Run(t.Context(), newAgent(), runner.Say(llm.User("What?")))
		require.ErrorIs(t, err, planted)
		j.before = nil
		want, err := runner.Runner{Journal: j}.Session("order-42").Messages(t.Context())
		require.NoError(t, err)
		got, err := s.Messages(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
		_, err = s.Run(t.Context(), newAgent(), runner.Say(llm.User("Again.")))
		require.NoError(t, err)
	}
}
