package agent_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/tool"
)

func TestValidateHelpers(t *testing.T) {
	t.Parallel()
	look := tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return "", nil }))
	good := &agent.Agent{Name: "good"}
	itself := &agent.Agent{Name: "a"}
	itself.Helpers = []agent.Helper{{Name: "b", Description: "Helps.", Agent: &agent.Agent{Name: "b", Helpers: []agent.Helper{{Name: "a", Description: "Helps.", Agent: itself}}}}}
	shared := good // a diamond at each level: 2^30 ways, and 60 agents
	for i := range 30 {
		other := &agent.Agent{Name: "other", Helpers: []agent.Helper{{Name: "h", Description: "Helps.", Agent: shared}}, Handoffs: []agent.Handoff{{Agent: &agent.Agent{Name: "third", Helpers: []agent.Helper{{Name: "h", Description: "Helps.", Agent: shared}}}}}}
		shared = &agent.Agent{Name: fmt.Sprint(i), Helpers: []agent.Helper{{Name: "h1", Description: "Helps.", Agent: shared}, {Name: "h2", Description: "Helps.", Agent: shared}}}
		if i%2 == 0 { // the next level reaches the agents below over two ways
			shared.Handoffs = []agent.Handoff{{Agent: other}}
		}
	}
	require.NoError(t, shared.Validate())
	tooDeep := &agent.Agent{Helpers: []agent.Helper{{Name: "h", Description: "Helps.", Agent: shared}}}
	for range 2 {
		tooDeep = &agent.Agent{Helpers: []agent.Helper{{Name: "h1", Description: "Helps.", Agent: shared}, {Name: "h", Description: "Helps.", Agent: tooDeep}}}
	}
	require.ErrorContains(t, tooDeep.Validate(), "helpers are nested more than 32 deep", "the shared agents were checked at another depth before")
	deep := good
	for range 40 {
		deep = &agent.Agent{Helpers: []agent.Helper{{Name: "h", Description: "Helps.", Agent: deep}}}
	}
	for _, tt := range []struct {
		name  string
		agent *agent.Agent
		want  string
	}{
		{"good", &agent.Agent{Helpers: []agent.Helper{{Name: "h", Description: "Helps.", Agent: good}, {Task: look, Agent: good}}}, ""},
		{"no agent", &agent.Agent{Name: "a", Helpers: []agent.Helper{{Name: "h", Description: "Helps."}}}, `agent "a": helper "h" has no Agent`},
		{"name of a tool", &agent.Agent{Name: "a", Tools: []tool.Tool{look}, Helpers: []agent.Helper{{Task: look, Agent: good}}}, `agent "a": two tools are named "look"`},
		{"name and task", &agent.Agent{Name: "a", Helpers: []agent.Helper{{Name: "h", Task: look, Agent: good}}}, `agent "a": helper 0: it has a Task, and a Name or a Description`},
		{"itself", itself, `agent "a": helper "b": agent "b": helper "a": the agent "a" would help itself`},
		{"turns", &agent.Agent{Name: "a", Helpers: []agent.Helper{{Name: "h", Description: "Helps.", Agent: good, MaxTurns: -2}}}, `agent "a": helper "h": MaxTurns is -2; -1 means no limit`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := tt.agent.Validate()
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.want)
		})
	}
	require.ErrorContains(t, deep.Validate(), "helpers are nested more than 32 deep")
}
