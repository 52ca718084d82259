package serve

import (
	"context"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// TestShutdownMeetsMessage: a message that comes while Shutdown cancels the runs is refused,
// and neither waits for the other for ever.
func TestShutdownMeetsMessage(t *testing.T) {
	t.Parallel()
	chat, err := Config{
		Agent:   &agent.Agent{Name: "desk", Model: llmtest.Script(t)},
		Session: func(_ *http.Request, id string) (string, error) { return id, nil },
	}.Chat()
	require.NoError(t, err)
	conv := chat.enter("c")
	require.True(t, chat.reserve(conv)) // a run goes on
	conv.mu.Lock()                      // a message is about to be taken
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	down, taken := make(chan error, 1), make(chan bool, 1)
	go func() { down <- chat.Shutdown(ctx) }()
	<-chat.drain.Done()
	go func() {
		ok := false
		for range 1000 { // Shutdown is in each of its places
			ok = ok || chat.reserve(conv)
			runtime.Gosched()
		}
		taken <- ok
	}()
	select {
	case ok := <-taken:
		require.False(t, ok)
	case <-time.After(time.Minute):
		t.Fatal("the message and Shutdown wait for each other")
	}
	conv.mu.Unlock()
	chat.runs.Done()
	require.ErrorIs(t, <-down, context.Canceled)
}
