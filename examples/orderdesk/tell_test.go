package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	main "github.com/seed-916e8f6a/toolloop/examples/orderdesk"
)

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ line, want string }{
		{"", ""},
		{"short", "short"},
		{"ten wide at", "ten wide\n  at"},
		{"  a b c d e f g", "  a b c d\n  e f g"},
		{"a-very-long-word is whole", "a-very-long-word\n  is\n  whole"},
		{`pay {"a":1,"bb":[2,3]}`, "pay\n  {\"a\":1,\n  \"bb\":[2,\n  3]}"},
		{"ééééé ééé é", "ééééé ééé\n  é"},
	} {
		require.Equal(t, tt.want, main.Wrap(tt.line, 9, "  "), tt.line)
	}
}

// TestTyped: printed commands work in the directory in which they are printed.
func TestTyped(t *testing.T) {
	t.Parallel()
	repo, outside := t.TempDir(), t.TempDir()
	dir := filepath.Join(repo, "examples", "orderdesk")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "typed.go"), nil, 0o600))
	const temporary, pkg = "/tmp/go-build12/b001/exe/orderdesk", "example.com/m/examples/orderdesk"
	for _, tt := range []struct{ program, dir, pkg, want string }{
		{"/usr/bin/orderdesk", repo, pkg, "/usr/bin/orderdesk"},
		{"./my desk", repo, pkg, "'./my desk'"},
		{temporary, repo, pkg, "go run ./examples/orderdesk"},
		{temporary, dir, pkg, "go run ."},
		{temporary, outside, pkg, "go run " + pkg},
		{temporary, outside, "command-line-arguments", "orderdesk"},
	} {
		require.Equal(t, tt.want, main.Typed(tt.program, tt.dir, tt.pkg), "%+v", tt)
	}
}

func TestWithoutPassword(t *testing.T) {
	t.Parallel()
	for where, want := range map[string]string{
		"a desk@home.db":                   "a desk@home.db",
		"postgres://h/desk":                "postgres://h/desk",
		"postgres://u:secret@h/desk":       "postgres://u:xxxxx@h/desk",
		"postgres://u:se%cret@h/desk":      "postgres://xxxxx@h/desk",
		"postgres://h/desk?password=s&a=b": "postgres://h/desk?a=b&password=xxxxx",
	} {
		require.Equal(t, want, main.WithoutPassword(where))
	}
}
