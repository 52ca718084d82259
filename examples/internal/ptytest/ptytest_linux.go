// Package ptytest starts programs at a terminal, for tests of their behaviour there.
// It supports only Linux.
package ptytest

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A Terminal is a terminal with a running program. It is for one goroutine.
type Terminal struct {
	master *os.File
	screen strings.Builder
}

// Start starts a command at an xterm of 100 columns and 30 lines. Of cmd, Start uses
// Args and Env. The end of t closes the terminal.
func Start(t testing.TB, program *exec.Cmd) *Terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	// A shell keeps the terminal open until the test has read all output. Output may
	// be lost when the first process of a terminal ends.
	shell := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `trap : INT; "$@"; echo "status $?"; read end`, "sh"}, program.Args...)...)
	t.Cleanup(func() {
		_ = master.Close()
		if shell.Process != nil {
			_ = shell.Wait() // the error says that the terminal was closed
		}
	})
	must(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	must(t, unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100}))
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	must(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	defer func() { _ = slave.Close() }()
	shell.Env = append(program.Env, "TERM=xterm")
	shell.Stdin, shell.Stdout, shell.Stderr = slave, slave, slave
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	must(t, shell.Start())
	must(t, master.SetDeadline(time.Now().Add(time.Minute)))
	return &Terminal{master: master}
}

// Type types text. "\x03" is ^C, and "\x04" is ^D.
func (m *Terminal) Type(t testing.TB, text string) {
	t.Helper()
	_, err := m.master.WriteString(text)
	must(t, err)
}

// Until reads until the output contains text. It returns the output so far.
func (m *Terminal) Until(t testing.TB, text string) string {
	t.Helper()
	return m.read(t, func(screen string) bool { return strings.Contains(screen, text) })
}

var ended = regexp.MustCompile(`(?s)^(.*)status (\d+)\r\n$`)

// Rest reads until the program ends. It returns the output, with "\n" at the end of
// each line, and the exit status.
func (m *Terminal) Rest(t testing.TB) (screen, status string) {
	t.Helper()
	parts := ended.FindStringSubmatch(m.read(t, ended.MatchString))
	return strings.ReplaceAll(parts[1], "\r\n", "\n"), parts[2]
}

func (m *Terminal) read(t testing.TB, enough func(screen string) bool) string {
	t.Helper()
	for buf := make([]byte, 4096); !enough(m.screen.String()); {
		n, err := m.master.Read(buf)
		m.screen.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v, after: %s", err, m.screen.String())
		}
	}
	return m.screen.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
