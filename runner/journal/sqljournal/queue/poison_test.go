package queue_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
)

// TestPoison: a message that no session can take must not block the session.
func TestPoison(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]runner.Input{
		"a long key": runner.Once(strings.Repeat("k", 600), llm.User("look")), "an empty message": runner.Once("k", llm.User("")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, err := openJournal(t.Context(), t.TempDir()+"/queue.db")
			require.NoError(t, err)
			defer func() { require.NoError(t, j.Close()) }()
			f := newFixture(t, j)
			f.put(t, "s", "look")
			f.run(t)
			_, err = f.Put(t.Context(), nil, queue.Job{Session: "s"}, in)
			require.Error(t, err)
			f.workers.Retry = func(queue.Job, error) time.Duration { return -1 }
			f.say(t, queue.Job{Session: "s"}, "more", "hello")
			f.run(t)
			require.Equal(t, []string{"s done: heard hello"}, f.stands(t))
		})
	}
}
