package main_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/internal/ptytest"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/inbox"
)

// testTerminal: the user at the terminal sees the workers, stops them with ^C, and
// starts them again. The program restores the terminal.
func testTerminal(t *testing.T, p program, want *desk.Data) {
	m := ptytest.Start(t, p.command(t, "-pause", longPause, "-workers", "3"))
	m.Until(t, "  worker 3  ")
	m.Until(t, " 1 done, ")
	m.Type(t, "\x03")
	screen, status := m.Rest(t)
	require.Equal(t, "130", status, screen)
	requireGivenBack(t, screen)
	require.Contains(t, screen, "stopping after the calls that run; ^C again: at once")
	require.True(t, strings.HasSuffix(screen, "\norderdesk: interrupted\n"), screen)
	require.Empty(t, p.ids(t, inbox.Running))
	require.NotEmpty(t, p.ids(t, inbox.Waiting))

	m = ptytest.Start(t, p.command(t, "-pause", "0", "-workers", "3"))
	screen, status = m.Rest(t)
	require.Equal(t, "0", status, screen)
	requireGivenBack(t, screen)
	end := screen[strings.LastIndex(screen, "\x1b"):] // the output after the end of the board
	for _, id := range p.ids(t, inbox.Paused) {
		require.Contains(t, end, " approve "+id+"\n")
	}
	p.approveAll(t)
	require.Equal(t, want, p.export(t))
}

// requireGivenBack: each frame leaves the terminal in its normal state.
func requireGivenBack(t *testing.T, screen string) {
	t.Helper()
	for _, mode := range []string{"\x1b[?25", "\x1b[?7"} {
		require.NotZero(t, strings.Count(screen, mode+"l"))
		require.Equal(t, strings.Count(screen, mode+"l"), strings.Count(screen, mode+"h"))
		require.Greater(t, strings.LastIndex(screen, mode+"h"), strings.LastIndex(screen, mode+"l"))
	}
}
