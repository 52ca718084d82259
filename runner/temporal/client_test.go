package temporal_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
)

// TestNegativeSettings: a session keeps the settings of its first input, so a value that no
// server takes is refused before the session begins.
func TestNegativeSettings(t *testing.T) {
	t.Parallel()
	lazy, err := client.NewLazyClient(client.Options{HostPort: "127.0.0.1:1"})
	require.NoError(t, err)
	defer lazy.Close()
	for _, c := range []temporal.Client{
		{Temporal: lazy, Heartbeat: -time.Second},
		{Temporal: lazy, MaxHistory: -1},
	} {
		_, err := c.Session("one").Run(t.Context(), new(agent.Agent), question)
		require.ErrorContains(t, err, "negative")
	}
}
