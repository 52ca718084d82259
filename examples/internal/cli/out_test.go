package cli

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		do   func(*Out)
		want string
	}{
		{"pieces", func(o *Out) { o.Text("a "); o.Text("b"); o.Answer("a b"); o.Note("n") }, "a b\nn\n"},
		{"no pieces", func(o *Out) { o.Answer("a b"); o.Answer("c\n"); o.Note("n") }, "a b\nc\nn\n"},
		{"no text", func(o *Out) { o.Answer(""); o.Note("n") }, "n\n"},
		{"a note between", func(o *Out) { o.Text("a"); o.Note("n\n\tm"); o.Text("b"); o.Answer("ab") }, "a\nn m\nb\n"},
		{"void", func(o *Out) { o.Text("a"); o.Void("again"); o.Answer("b") }, "a\nagain\nb\n"},
		{"invisible characters", func(o *Out) { o.Text("a\u202eb\u200bc\U000e0041 \U0001f468\u200d\U0001f469\n") }, "abc \U0001f468\u200d\U0001f469\n"},
		{"control characters", func(o *Out) { o.Text("\x1b[2Ja\rb\u009bc\x00\n"); o.Note("\x1b]0;t\a") }, "[2Jabc\n]0;t\n"},
		{"directions", func(o *Out) { o.Text("a\u202eb\u2066c"); o.Note("\u200f1") }, "abc\n1\n"},
		{"a long line", func(o *Out) { o.Note("%s", strings.Repeat("é", 701)) }, strings.Repeat("é", 700) + "…\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			tt.do(&Out{out: stream{w: &b}})
			require.Equal(t, tt.want, b.String())
		})
	}
}

func TestOutColors(t *testing.T) {
	t.Parallel()
	var out, err strings.Builder
	o := &Out{out: stream{&out, true}, err: stream{&err, true}}
	o.Text("a")
	o.Note("n")
	o.Text("b")
	o.Notice("%s", "m\x1b[0m")
	o.Void("v")
	o.Ask("q\n?")
	require.Equal(t, "a\n\x1b[2mn\x1b[0m\nb\n\x1b[2mv\x1b[0m\n", out.String())
	require.Equal(t, "\x1b[2mm[0m\x1b[0m\nq ? ", err.String())
}

func TestIsTerminal(t *testing.T) {
	t.Parallel()
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer func() { _ = null.Close() }()
	require.False(t, IsTerminal(null))
}
