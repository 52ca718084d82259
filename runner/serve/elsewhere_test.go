package serve_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
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
