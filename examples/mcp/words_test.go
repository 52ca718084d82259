package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var commands = []struct {
	command string
	words   []string
	err     string
}{
	{"", nil, ""},
	{" \t\n", nil, ""},
	{"npx -y  pkg /tmp", []string{"npx", "-y", "pkg", "/tmp"}, ""},
	{`a 'b c' "d e"`, []string{"a", "b c", "d e"}, ""},
	{`a '' ""`, []string{"a", "", ""}, ""},
	{`a'b'"c"d`, []string{"abcd"}, ""},
	{`a\ b \"c\" \'`, []string{"a b", `"c"`, "'"}, ""},
	{`'a\b"c'`, []string{`a\b"c`}, ""},
	{`"a\b\"\\'"`, []string{`a\b"\'`}, ""},
	{"\"\\$x \\`\"", []string{"$x `"}, ""},
	{"a\\\nb \\\n c", []string{"ab", "c"}, ""},
	{"é 'ü ß'", []string{"é", "ü ß"}, ""},
	{`sh -c 'x="a b"; echo $x'`, []string{"sh", "-c", `x="a b"; echo $x`}, ""},
	{`a 'b`, nil, "a quote is not closed: '"},
	{`a "b\"`, nil, `a quote is not closed: "`},
	{`a\`, nil, `no character follows the last \`},
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for _, tt := range commands {
		words, err := split(tt.command)
		require.Equal(t, tt.words, words, tt.command)
		if tt.err == "" {
			require.NoError(t, err, tt.command)
		} else {
			require.EqualError(t, err, tt.err)
		}
	}
}

// TestSplitShell: a shell splits into the same words.
func TestSplitShell(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	for _, tt := range commands {
		if tt.err != "" || len(tt.words) == 0 {
			continue
		}
		out, err := exec.CommandContext(t.Context(), sh, "-c", `printf '%s\001' `+tt.command).Output()
		require.NoError(t, err, tt.command)
		require.Equal(t, tt.words, strings.Split(strings.TrimSuffix(string(out), "\x01"), "\x01"), tt.command)
	}
}
