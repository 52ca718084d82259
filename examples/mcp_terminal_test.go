//go:build linux

package examples_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A terminal is one at which a program was started.
type terminal struct {
	cmd    *exec.Cmd
	master *os.File
	screen strings.Builder
}

func atTerminal(t *testing.T, name string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	m := &terminal{master: master}
	t.Cleanup(func() {
		_ = master.Close()
		if m.cmd != nil {
			_ = m.cmd.Wait() // the shell is hung up on
		}
	})
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	defer func() { _ = slave.Close() }()
	program := command(t, []string{"NO_COLOR=1"}, name, args...)
	// A shell holds the terminal until all is read: what is on its way when the
	// first process of a terminal ends may be lost.
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `trap : INT; "$@"; echo "status $?"; read end`, "sh"}, program.Args...)...)
	cmd.Env = program.Env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	require.NoError(t, master.SetDeadline(time.Now().Add(time.Minute)))
	m.cmd = cmd
	return m
}

// until reads until there is text on the screen.
func (m *terminal) until(t *testing.T, text string) {
	t.Helper()
	for buf := make([]byte, 4096); !strings.Contains(m.screen.String(), text); {
		n, err := m.master.Read(buf)
		m.screen.Write(buf[:n])
		require.NoError(t, err, m.screen.String())
	}
}

var ended = regexp.MustCompile(`(?s)^(.*)status (\d+)\r\n$`)

// rest types the last line and returns all that was on the screen, and the status.
func (m *terminal) rest(t *testing.T, line string) (screen, status string) {
	t.Helper()
	_, err := m.master.WriteString(line)
	require.NoError(t, err)
	for buf := make([]byte, 4096); !ended.MatchString(m.screen.String()); {
		n, err := m.master.Read(buf)
		m.screen.Write(buf[:n])
		require.NoError(t, err, m.screen.String())
	}
	parts := ended.FindStringSubmatch(m.screen.String())
	return countless(settled(strings.ReplaceAll(parts[1], "\r\n", "\n"))), parts[2]
}

const (
	why = "y, n, or why not: "
	ask = `Run notebook__delete {"about":"Lisbon"}` + "\n" + why
)

// TestMCPTerminal: whoever sits there decides.
func TestMCPTerminal(t *testing.T) {
	t.Parallel()
	const denied = "The call was denied. It did not run. Do not repeat it: go on without it, or ask the user."
	deniedFor := func(typed, text string) string {
		return mcpCalls + ask + typed + "[r1.t1.c1] denied\n[r1.t1.c1] notebook__delete denied: " + text + "\n" + mcpSaid(text)
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
			m.until(t, why)
			screen, status := m.rest(t, tt.line)
			require.Equal(t, notice+tt.screen, screen)
			require.Equal(t, tt.status, status)
		})
	}
}

// TestMCPTerminalAhead: what was typed before the question is no answer to it.
func TestMCPTerminalAhead(t *testing.T) {
	t.Parallel()
	m := atTerminal(t, "mcp")
	m.until(t, " 1 of 3: reading\r\n")
	_, err := m.master.WriteString("y\n")
	require.NoError(t, err)
	m.until(t, why)
	screen, status := m.rest(t, "n\n")
	require.Contains(t, screen, ask+"n\n[r1.t1.c1] denied\n")
	require.Equal(t, "0", status)
}

// TestMCPTerminalWhole: nobody approves what is not shown, or shown as something
// else.
func TestMCPTerminalWhole(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, shown string }{
		{"long", strings.Repeat("long ", 95) + "end", strings.Repeat("long ", 95) + "end"},
		{"turned around", "pay \u202e001\u200b", `pay \u202e001\u200b`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := atTerminal(t, "mcp", `Write down "`+tt.text+`"`)
			m.until(t, why)
			require.Contains(t, m.screen.String(), " needs approval: {")
			require.Contains(t, m.screen.String(), "\r\nRun notebook__add {\"text\":\""+tt.shown+"\"}\r\n"+why)
			_, status := m.rest(t, "n\n")
			require.Equal(t, "0", status)
		})
	}
}
