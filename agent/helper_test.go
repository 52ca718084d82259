package agent_test

import (
	"context"
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
		{"turns", &agent.Agent{Name: "a", Helpers: []agent.Helper{{Name: "h", Description: "Helps.", Agent: good, MaxTurns: -2}}}, `agent "a": helper "h": MaxTurns is -2`},
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
