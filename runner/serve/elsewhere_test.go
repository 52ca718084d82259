package serve_test

import (
	"context"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
)

// TestOtherProcess: a page of another process reads the answer from the journal, and that
// process takes the run over when the first one has gone.
func TestOtherProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := runner.Runner{Journal: new(journal.Memory)}
		one := open(t, serve.Config{Runner: r, Agent: desk(slow(t, look("W1"), llmtest.Text("It was sent on Monday.")))})
		two := open(t, serve.Config{Runner: r, Agent: desk(llmtest.Script(t))})
		answer := one.say(t, "a", "Where is W1?")
		other := two.do(t, http.MethodGet, "/chat/c/stream", "")
		time.Sleep(time.Second) // synctest: exact in a bubble
		require.Equal(t, http.StatusConflict, two.do(t, http.MethodPost, "/chat/c/stop", "").StatusCode)
		require.Equal(t, http.StatusConflict, two.say(t, "b", "And now?").StatusCode)
		require.Equal(t, answer.all(t), other.all(t))
	})
	synctest.Test(t, func(t *testing.T) {
		r := runner.Runner{Journal: new(journal.Memory)}
		one := open(t, serve.Config{Runner: r, Agent: desk(slow(t, look("W1"), llmtest.Text("It was sent on Monday.")))})
		two := open(t, serve.Config{Runner: r, Agent: desk(llmtest.Script(t, llmtest.Text("It was sent on Tuesday.")))})
		one.say(t, "a", "Where is W1?").untilDelta(t)
		other := two.do(t, http.MethodGet, "/chat/c/stream", "")
		time.Sleep(time.Second) // synctest: exact in a bubble
		require.NoError(t, one.chat.Shutdown(t.Context()))
		require.Equal(t, "It was sent on Tuesday.", textOf(t, other.all(t)))
	})
}

// A lazy journal tells most events to a Watch, and has told no more when the Watch ends: a
// database is asked once a second.
type lazy struct {
	*journal.Memory
	most int
}

func (l lazy) Watch(ctx context.Context, session string, after int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		n := 0
		for e, err := range l.Memory.Watch(ctx, session, after) {
			if n++; n > l.most && err == nil {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// TestLazyWatch: events that the foreign process recorded after the last look are told, too.
func TestLazyWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // the foreign process ends the run
		memory := new(journal.Memory)
		one := open(t, serve.Config{Runner: runner.Runner{Journal: memory}, Agent: desk(slow(t, look("W1"), llmtest.Text("It was sent on Monday.")))})
		two := open(t, serve.Config{Runner: runner.Runner{Journal: lazy{memory, 0}}, Agent: desk(llmtest.Script(t))})
		one.say(t, "a", "Where is W1?").untilDelta(t)
		require.Equal(t, "It was sent on Monday.", textOf(t, two.do(t, http.MethodGet, "/chat/c/stream", "").all(t)))
	})
	synctest.Test(t, func(t *testing.T) { // the foreign process goes in the middle
		memory := new(journal.Memory)
		one := open(t, serve.Config{Runner: runner.Runner{Journal: memory}, Agent: desk(slow(t, look("W1"), llmtest.Text("It was sent on Monday.")))})
		two := open(t, serve.Config{Runner: runner.Runner{Journal: lazy{memory, 1}}, Agent: desk(llmtest.Script(t, llmtest.Text("It was sent on Tuesday.")))})
		answer := one.say(t, "a", "Where is W1?")
		other := two.do(t, http.MethodGet, "/chat/c/stream", "")
		synctest.Wait()
		answer.untilDelta(t)
		require.NoError(t, one.chat.Shutdown(t.Context()))
		events := other.all(t)
		require.Equal(t, "It was sent on Tuesday.", textOf(t, events), strings.Join(events, "\n"))
		require.Contains(t, strings.Join(events, "\n"), "tool-output-available")
	})
}
