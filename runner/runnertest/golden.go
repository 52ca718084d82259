package runnertest

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-916e8f6a/toolloop/runner"
)

// Golden compares the [Transcript] of a run with a file, and fails t with the
// lines that differ. Golden also fails t if the file does not exist. The file
// may have line ends of Windows.
//
// To write the file and its directories, run the test with the environment
// variable TOOLLOOP_UPDATE set to 1 (or another true value of
// strconv.ParseBool). The flag -update does the same if the test binary defines
// a boolean flag of that name; this package does not define flags. Review the
// written file: no test checks a new transcript.
func Golden(t testing.TB, result *runner.Result, path string) {
	t.Helper()
	got := Transcript(result)
	if updating() {
		if err := write(path, got); err != nil {
			t.Errorf("runnertest: golden file: %v", err)
			return
		}
		t.Logf("runnertest: wrote %s", path)
		return
	}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.Errorf("runnertest: there is no golden file %s; TOOLLOOP_UPDATE=1 go test -run '%s' writes it:\n%s", path, pattern(t), got)
	case err != nil:
		t.Errorf("runnertest: golden file: %v", err)
	default:
		if want := strings.ReplaceAll(string(data), "\r\n", "\n"); want != got {
			t.Errorf("runnertest: the run differs from %s (- the file, + the run); TOOLLOOP_UPDATE=1 takes the run:\n%s", path, diff(want, got))
		}
	}
}

// pattern returns the pattern by which go test -run runs this test.
func pattern(t testing.TB) string {
	return "^" + strings.ReplaceAll(regexp.QuoteMeta(t.Name()), "/", "$/^") + "$"
}

// updating reports whether to write golden files.
func updating() bool {
	if on, err := strconv.ParseBool(os.Getenv("TOOLLOOP_UPDATE")); err == nil && on {
		return true
	}
	f := flag.Lookup("update")
	if f == nil {
		return false
	}
	g, ok := f.Value.(flag.Getter)
	if !ok {
		return false
	}
	on, ok := g.Get().(bool)
	return ok && on
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
