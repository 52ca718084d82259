//go:build linux

package examples_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

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
	t.Cleanup(func() { _ = master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	defer func() { _ = slave.Close() }()
	cmd := command(t, []string{"NO_COLOR=1"}, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	return &terminal{cmd: cmd, master: master}
}

// until reads until the screen ends with text.
func (m *terminal) until(t *testing.T, text string) {
	t.Helper()
	for buf := make([]byte, 4096); !strings.HasSuffix(m.screen.String(), text); {
		n, err := m.master.Read(buf)
		m.screen.Write(buf[:n])
		require.NoError(t, err, m.screen.String())
	}
}

// rest types the last line and returns all that was on the screen, and the status.
func (m *terminal) rest(t *testing.T, line string) (screen string, status int) {
	t.Helper()
	_, err := m.master.WriteString(line)
	require.NoError(t, err)
	for buf := make([]byte, 4096); err == nil; {
		var n int
		n, err = m.master.Read(buf)
		m.screen.Write(buf[:n])
	}
	require.ErrorIs(t, err, syscall.EIO) // the program has left it
	_ = m.cmd.Wait()                     // the status says it
	screen = strings.ReplaceAll(m.screen.String(), "\r\n", "\n")
	screen = results.ReplaceAllStringFunc(reading.ReplaceAllString(screen, ""), func(lines string) string {
		return strings.Join(slices.Sorted(strings.Lines(lines)), "")
	})
	return countless(screen), m.cmd.ProcessState.ExitCode()
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
		status     int
	}{
		{"yes", "y\n", approved, 0},
		{"no", "n\n", deniedFor("n\n", denied), 0},
		{"nothing", "\n", deniedFor("\n", denied), 0},
		{"why", "I need them\n", deniedFor("I need them\n", strings.Replace(denied, "denied.", "denied: I need them.", 1)), 0},
		{"end", "\x04", deniedFor("\n", denied), 0},
		{"interrupted", "\x03", mcpCalls + ask + "^C\nmcp: interrupted\n", 130},
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
			require.Zero(t, status)
		})
	}
}
