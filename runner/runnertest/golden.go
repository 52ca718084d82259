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
// lines that differ. A file that is not there fails t, too. Line ends of the file
// may be those of Windows.
//
// To write the file, with the directories that it is in, run the test with the
// environment variable TOOLLOOP_UPDATE set to 1 (or what else strconv.ParseBool
// takes for true). Where the test binary defines a boolean flag -update of its
// own, that will do too; this package defines none. Look at what was written:
// nobody else checks it.
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

// pattern is what go test runs this test by.
func pattern(t testing.TB) string {
	return "^" + strings.ReplaceAll(regexp.QuoteMeta(t.Name()), "/", "$/^") + "$"
}

// updating reports whether golden files are to be written.
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
