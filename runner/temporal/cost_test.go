package temporal_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
)

// TestServerCost: the cost of a session in Temporal's history does not grow with the square of
// its turns. docs/decisions/temporal.md has the figures.
func TestServerCost(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk()
	const turns = 10
	var steps []llmtest.Step
	for i := range turns {
		steps = append(steps, llmtest.Calls("charge", order{fmt.Sprint(i)}).And(llmtest.Calls("ship", order{fmt.Sprint(i)})))
	}
	w := temporal.Worker{
		Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk},
		Runner: runner.Runner{Model: llmtest.Script(t, append(steps, llmtest.Text("All done."))...)},
	}
	work(t, w.Run)
	began := time.Now()
	_, err := sessions(t, c).Session("one").Run(t.Context(), desk, question)
	took := time.Since(began)
	require.NoError(t, err)
	all := historyOf(t, c, name(t)+"/one", "")
	t.Logf("%d turns with %d calls: %d events of history, %d bytes, %v", turns+1, 2*turns, len(all.GetEvents()), proto.Size(all), took)
	require.Less(t, len(all.GetEvents()), 20*(turns+1))
	require.Less(t, proto.Size(all), 200<<10)
}
