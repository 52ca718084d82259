package agent_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/tool"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	look := tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return "", nil }))
	for _, tt := range []struct {
		name  string
		agent *agent.Agent
		want  string
	}{
		{"empty", &agent.Agent{}, ""},
		{"good", &agent.Agent{Name: "a", Tools: []tool.Tool{look}}, ""},
		{"nil", nil, "agent: the Agent is nil"},
		{"zero tool", &agent.Agent{Tools: []tool.Tool{look, {}}}, `agent "agent": tool 1 is the zero Tool; make tools with tool.New`},
		{"two of a name", &agent.Agent{Name: "a", Tools: []tool.Tool{look, look}}, `agent "a": two tools are named "look"`},
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
}
