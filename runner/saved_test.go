package runner_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// unreported is a model that reports no usage, so the runner estimates a request by its bytes.
func unreported(m llm.Model) llm.Model {
	return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		resp, err := m.Generate(ctx, req, sink)
		if err == nil {
			resp.Usage = llm.Usage{}
		}
		return resp, err
	})
}

// chat runs a session of n runs with five events each.
func chat(t *testing.T, j journal.Journal, n int) *runner.Session {
	t.Helper()
	s := runner.Runner{Journal: j, Compact: &compact.Policy{Tokens: 300}, Model: unreported(llmtest.NewScript(llmtest.Text("Yes.").Forever()))}.Session("s")
	for i := range n {
		_, err := s.Run(t.Context(), twoTools(), runner.Once(fmt.Sprint(i), llm.User(fmt.Sprint("Question ", i))))
		require.NoError(t, err)
	}
	return s
}

// A readCounter counts the events that are read.
type readCounter struct {
	*journal.Memory
	read int
}

type readCounterLog struct {
	journal.Log
	journal *readCounter
}

func (c *readCounter) Open(ctx context.Context, session string) (journal.Log, error) {
	log, err := c.Memory.Open(ctx, session)
	return readCounterLog{log, c}, err
}

func (l readCounterLog) Events(ctx context.Context) iter.Seq2[event.Event, error] {
	return l.EventsAfter(ctx, 0)
}

func (l readCounterLog) EventsAfter(ctx context.Context, after int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		for e, err := range l.Log.(interface {
			EventsAfter(ctx context.Context, after int64) iter.Seq2[event.Event, error]
		}).EventsAfter(ctx, after) {
			if l.journal.read++; !yield(e, err) {
				return
			}
		}
	}
}

func (l readCounterLog) LoadState(ctx context.Context) (int64, []byte, error) {
	return l.Log.(interface {
		LoadState(ctx context.Context) (int64, []byte, error)
	}).LoadState(ctx)
}

func (l readCounterLog) SaveState(ctx context.Context, seq int64, state []byte) error {
	return l.Log.(interface {
		SaveState(ctx context.Context, seq int64, state []byte) error
	}).SaveState(ctx, seq, state)
}

// TestSavedState: opening a long session reads the events since the saved state, and the
// session is the same as without a saved state.
func TestSavedState(t *testing.T) {
	t.Parallel()
	store := &readCounter{Memory: new(journal.Memory)}
	chat(t, store, 250)
	data, err := json.Marshal(store.Memory) // without the saved state
	require.NoError(t, err)
	plain := new(journal.Memory)
	require.NoError(t, json.Unmarshal(data, plain))

	var results []*runner.Result
	for _, j := range []journal.Journal{store, plain} {
		store.read = 0
		r := runner.Runner{Journal: j, Model: llmtest.NewScript(llmtest.Calls("step", stepArgs{1}), llmtest.Text("Done."))}
		result, err := r.Session("s").Run(t.Context(), twoTools(), runner.Say(llm.User("Go.")))
		require.NoError(t, err)
		if results = append(results, result); j == store {
			require.Less(t, store.read, 300)
		}
		again, err := r.Session("s").Run(t.Context(), twoTools(), runner.Once("3", llm.User("Question 3")))
		require.NoError(t, err)
		require.Equal(t, []any{"Yes.", 4, 8}, []any{again.Text, again.Run, len(again.Messages)}, "before the first compaction")
	}
	require.Equal(t, texts(results[1].Messages), texts(results[0].Messages))
	require.Equal(t, results[1].Usage, results[0].Usage)
}

// TestSavedRun: a run whose process died behind a saved state has all its events in the
// Result.
func TestSavedRun(t *testing.T) {
	t.Parallel()
	store, turns := new(journal.Memory), 0
	script := llmtest.NewScript(llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		if turns++; turns > 300 {
			return llmtest.Text("Done.").Response()
		}
		return llmtest.Calls("step", stepArgs{turns}).Response()
	}).Forever())
	r := runner.Runner{Journal: store, Model: unreported(script), MaxTurns: -1, RunTimeout: -1, Compact: &compact.Policy{Tokens: 500, Strategy: compact.DropTurns(2)}}
	n := 0
	for e, err := range r.Session("s").Stream(t.Context(), twoTools(), goes()) {
		require.NoError(t, err)
		if e.Seq > 0 {
			n++
		}
		if n == 1100 { // as a kill, but for the RunFailed
			break
		}
	}
	log, err := store.Open(t.Context(), "s")
	require.NoError(t, err)
	seq, _, err := log.(interface {
		LoadState(ctx context.Context) (int64, []byte, error)
	}).LoadState(t.Context())
	require.NoError(t, err)
	require.Greater(t, seq, int64(900))
	require.NoError(t, log.Close())
	result, err := r.Session("s").Run(t.Context(), twoTools())
	require.NoError(t, err)
	all := append(result.Earlier, result.Events...)
	require.Len(t, all, len(eventsOf(t, store)))
	for i, e := range all {
		require.EqualValues(t, i+1, e.Seq)
	}
}

// TestSavedStateOfAnotherFile: a backup of the session without a backup of the saved state
// is what counts, and damage to a saved state costs nothing but time.
func TestSavedStateOfAnotherFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := journal.Dir{Path: dir}
	path := func(pattern string) string {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		require.Len(t, found, 1, pattern)
		return found[0]
	}
	short, err := chat(t, store, 100).Messages(t.Context())
	require.NoError(t, err)
	backup, err := os.ReadFile(path("*.jsonl"))
	require.NoError(t, err)
	long, err := chat(t, store, 250).Messages(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, texts(short), texts(long))
	state := path("*.state")

	saved, err := os.ReadFile(state)
	require.NoError(t, err)
	for _, bad := range [][]byte{nil, saved[:len(saved)/2], append([]byte("x"), saved...), saved[:10]} {
		require.NoError(t, os.WriteFile(state, bad, 0o600))
		messages, err := runner.Runner{Journal: store}.Session("s").Messages(t.Context())
		require.NoError(t, err)
		require.Equal(t, texts(long), texts(messages))
	}
	require.NoError(t, os.WriteFile(state, saved, 0o600))
	require.NoError(t, os.WriteFile(path("*.jsonl"), backup, 0o600))
	require.NoError(t, os.Remove(path("*.synced")))
	messages, err := runner.Runner{Journal: store}.Session("s").Messages(t.Context())
	require.NoError(t, err)
	require.Equal(t, texts(short), texts(messages))
}
