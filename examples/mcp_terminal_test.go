//go:build linux

package examples_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/internal/ptytest"
)

// atTerminal starts a program at a terminal.
func atTerminal(t *testing.T, name string, args ...string) *ptytest.Terminal {
	t.Helper()
	return ptytest.Start(t, command(t, []string{"NO_COLOR=1"}, name, args...))
}

// reply types the last line and returns the screen and the status.
func reply(t *testing.T, m *ptytest.Terminal, line string) (screen, status string) {
	t.Helper()
	m.Type(t, line)
	screen, status = m.Rest(t)
	return countless(inOrder(screen)), status
}

const (
	why = "y, n, or a reason to deny: "
	ask = `Run notebook__delete {"about":"Lisbon"}` + "\n" + why
)

// TestMCPTerminal: the user at the terminal decides.
func TestMCPTerminal(t *testing.T) {
	t.Parallel()
	const denied = "The call was denied. It did not run. Do not repeat it: go on without it, or ask the user."
	deniedFor := func(typed, text string) string {
		return mcpCalls + ask + typed + "denied [r1.t1.c1]\nnotebook__delete denied: " + text + " [r1.t1.c1]\n" + mcpSaid(text)
	}
	approved := strings.Replace(mcpApproved, mcpCalls, mcpCalls+ask+"y\n", 1) + mcpSaid("2 of 3 entries were deleted.")
	for _, tt := range []struct {
		name, line string
		screen     string
		status     string
	}{
		{"yes", "y\n", approved, "0"},
		{"no", "n\n", deniedFor("n\n", denied), "0"},
		{"nothing", "\n", deniedFor("\n", denied), "0"},
		{"why", "I need them\n", deniedFor("I need them\n", strings.Replace(denied, "denied.", "denied: I need them.", 1)), "0"},
		{"end", "\x04", deniedFor("\n", denied), "0"},
		{"interrupted", "\x03", mcpCalls + ask + "^C\nmcp: interrupted\n", "130"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := atTerminal(t, "mcp")
			m.Until(t, why)
			screen, status := reply(t, m, tt.line)
			require.Equal(t, notice+tt.screen, screen)
			require.Equal(t, tt.status, status)
		})
	}
}

// TestMCPTerminalAhead: input before the question does not answer the question.
func TestMCPTerminalAhead(t *testing.T) {
	t.Parallel()
	m := atTerminal(t, "mcp")
	m.Until(t, "1 of 3: reading [r1.t1.c2]\r\n")
	m.Type(t, "y\n")
	m.Until(t, why)
	screen, status := reply(t, m, "n\n")
	require.Contains(t, screen, ask+"n\ndenied [r1.t1.c1]\n")
	require.Equal(t, "0", status)
}

// TestMCPTerminalWhole: the question shows the whole arguments, and shows them as
// they are.
func TestMCPTerminalWhole(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, shown string }{
		{"long", strings.Repeat("long ", 95) + "end", strings.Repeat("long ", 95) + "end"},
		{"turned around", "pay \u202e001\u200b", `pay \u202e001\u200b`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := atTerminal(t, "mcp", `Write down "`+tt.text+`"`)
			shown := m.Until(t, why)
			require.Contains(t, shown, " needs approval: {")
			require.Contains(t, shown, "\r\nRun notebook__add {\"text\":\""+tt.shown+"\"}\r\n"+why)
			_, status := reply(t, m, "n\n")
			require.Equal(t, "0", status)
		})
	}
}
