package examples_test

import (
	"bufio"
	"io"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChat(t *testing.T) {
	t.Parallel()
	const hello = "I understand nothing. I call a tool if your question has a word of its name or description. My tools: roll_dice, set_timer."
	o := start(t, nil, "Hello.\n\nSet a timer for 0 seconds\n/quit\nHello?\n", "chat")
	require.Equal(t, outcome{hello + ` (I count 1 of your messages.)
turns: 1, tokens: N in, N out
set_timer {"seconds":0} [r2.t1.c0]
set_timer = The time is up. [r2.t1.c0]
This is what the tools say:
- set_timer(0): The time is up.
turns: 2, tokens: N in, N out
`, notice, 0}, o)

	o = start(t, nil, "Hello.\nHello?", "chat", "-json", "-stream=false") // the last line has no line break
	require.Zero(t, o.status)
	_, types := events(t, o.stdout)
	one := []string{"run_started", "user_messaged", "turn_prepared", "model_answered", "run_finished"}
	require.Equal(t, append(one, one...), types)
	require.Contains(t, o.stdout, "(I count 2 of your messages.)") // the session continues
}

// TestChatNull: /dev/null is not a terminal, so there is no prompt.
func TestChatNull(t *testing.T) {
	t.Parallel()
	cmd := command(t, nil, "chat") // nil stdin is os.DevNull
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Empty(t, string(out))
}

// TestChatInterrupted: ^C ends the turn, and the conversation continues.
func TestChatInterrupted(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no process can be interrupted from outside")
	}
	cmd := command(t, nil, "chat")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	next := func() string {
		require.True(t, lines.Scan())
		return lines.Text()
	}

	_, err = io.WriteString(stdin, "Set a timer for 60 seconds\n")
	require.NoError(t, err)
	require.Equal(t, `set_timer {"seconds":60} [r1.t1.c0]`, next())
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	// The interrupt came before or after the call of the function.
	line := next()
	if line == "did not begin, and may run later [r1.t1.c0]" {
		line = next()
	}
	require.Equal(t, "cancelled", line)
	_, err = io.WriteString(stdin, "Hello?\n")
	require.NoError(t, err)
	require.Regexp(t, `^set_timer (not_run|outcome_unknown): `, next())
	require.Contains(t, next(), "(I count 2 of your messages.)")
	require.NoError(t, stdin.Close())
	require.Contains(t, next(), "turns: 1, ")
	require.False(t, lines.Scan())
	require.NoError(t, cmd.Wait())
}
