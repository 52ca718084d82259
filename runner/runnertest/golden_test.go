package runnertest_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/faketb"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

// A test binary may have the flag; the package has none.
var _ = flag.Bool("update", false, "write golden files")

func said(t *testing.T, text string) *runner.Result {
	t.Helper()
	result, err := with(llmtest.Script(t, llmtest.Text(text))).Run(t.Context(), desk(), llm.User("Hello?"))
	require.NoError(t, err)
	return result
}

func TestGolden(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "said.txt")
	result := said(t, "One.\nTwo.")
	golden := func(tb testing.TB) { runnertest.Golden(tb, result, path) }

	missing := fake(t, golden)
	require.Equal(t, []string{"runnertest: there is no golden file " + path +
		"; TOOLLOOP_UPDATE=1 go test -run '^TestFake$/^part$' writes it:\n" + runnertest.Transcript(result)}, missing.Errors())

	want := strings.Replace(runnertest.Transcript(result), "Two.", "Three.", 1)
	require.NoError(t, os.WriteFile(path, []byte(want), 0o600))
	require.Equal(t, []string{"runnertest: the run differs from " + path + ` (- the file, + the run); TOOLLOOP_UPDATE=1 takes the run:
line 11:
  turn 1: stop, 10 tokens in, 5 out
    text
      One.
-     Three.
+     Two.
  
  finished after 1 turn, 10 tokens in, 5 out
`}, fake(t, golden).Errors())

	windows := strings.ReplaceAll(runnertest.Transcript(result), "\n", "\r\n")
	require.NoError(t, os.WriteFile(path, []byte(windows), 0o600))
	require.Empty(t, fake(t, golden).Errors())

	unreadable := fake(t, func(tb testing.TB) { runnertest.Golden(tb, result, filepath.Dir(path)) })
	require.Len(t, unreadable.Errors(), 1)
	require.Contains(t, unreadable.Errors()[0], "runnertest: golden file: read "+filepath.Dir(path))
}

// TestGoldenUpdate: by the environment, or by a flag that the binary has.
func TestGoldenUpdate(t *testing.T) {
	result := said(t, "Hello.")
	dir := t.TempDir()
	update := func(name string) *faketb.TB {
		return fake(t, func(tb testing.TB) { runnertest.Golden(tb, result, filepath.Join(dir, name, "said.txt")) })
	}
	written := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name, "said.txt"))
		require.NoError(t, err)
		return string(data)
	}
	for _, no := range []string{"", "0", "false", "no"} {
		t.Setenv("TOOLLOOP_UPDATE", no)
		require.Len(t, update("none").Errors(), 1, "%q", no)
	}
	require.NoDirExists(t, filepath.Join(dir, "none"))

	t.Setenv("TOOLLOOP_UPDATE", "1")
	tb := update("by/environment")
	require.Empty(t, tb.Errors())
	require.Equal(t, []string{"runnertest: wrote " + filepath.Join(dir, "by/environment/said.txt")}, tb.Logs())
	require.Equal(t, runnertest.Transcript(result), written("by/environment"))

	t.Setenv("TOOLLOOP_UPDATE", "")
	require.NoError(t, flag.Set("update", "true"))
	defer func() { require.NoError(t, flag.Set("update", "false")) }()
	require.Empty(t, update("by/flag").Errors())
	require.Equal(t, runnertest.Transcript(result), written("by/flag"))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	require.Len(t, update("file").Errors(), 1, "no directory can be made there")
}

func TestDiff(t *testing.T) {
	t.Parallel()
	same := strings.Repeat("same\n", 9)
	for _, tt := range []struct{ name, want, got, diff string }{
		{"end", "a\nb\n", "a\nb\nc\n", "line 1:\n  a\n  b\n+ c\n"},
		{"start", "x\na\n", "a\n", "line 1:\n- x\n  a\n"},
		{"no line end", "a\nb", "a\nb\n", "line 1:\n  a\n- b (no line end)\n+ b\n"},
		{"empty", "", "a\n", "line 1:\n+ a\n"},
		{"moved", "a\nb\nc\nd\n", "b\nc\na\nd\n", "line 1:\n- a\n  b\n  c\n+ a\n  d\n"},
		{"around", "1\n2\n3\n4\nx\n5\n6\n7\n8\n", "1\n2\n3\n4\ny\n5\n6\n7\n8\n", "line 2:\n  2\n  3\n  4\n- x\n+ y\n  5\n  6\n  7\n"},
		{"folded", "a\n" + same + "b\n", "A\n" + same + "B\n", "line 1:\n- a\n+ A\n  same\n  same\n  same\n  … 3 lines that are the same\n  same\n  same\n  same\n- b\n+ B\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.diff, runnertest.Diff(tt.want, tt.got))
		})
	}
	a, b := strings.Repeat("a\n", 3000)+"x\n", strings.Repeat("b\n", 3000)
	require.Equal(t, "line 1:\n- "+strings.Join(strings.SplitAfter(a, "\n")[:3001], "- ")+"+ "+
		strings.Join(strings.SplitAfter(b, "\n")[:3000], "+ "), runnertest.Diff(a, b))
}
