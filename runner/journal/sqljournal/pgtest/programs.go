package pgtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// required makes what would be skipped fail.
const required = "TOOLLOOP_REQUIRE_POSTGRES"

// missing says what there is not, and how to get it.
const missing = "no PostgreSQL on this machine: initdb is not on PATH, nor below /usr/lib/postgresql; install the package postgresql (apt-get install postgresql)"

// need skips a test where there is no server to start, or fails it.
func need(t testing.TB) {
	t.Helper()
	switch {
	case runtime.GOOS == "windows" || runtime.GOOS == "plan9":
		without(t, "a PostgreSQL server is started on Unix only")
	case programs() == "":
		without(t, missing)
	}
}

// without ends a test that has no server.
func without(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(required) != "" {
		t.Fatalf("%s; and %s is set", reason, required)
	}
	t.Skip(reason)
}

// programs is the directory of the server's programs; "": there are none.
func programs() string {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is a right one
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }))
}

// version is that of a path of programs; 0 if it is no number.
func version(path string) int {
	n, _ := strconv.Atoi(strings.Split(path, "/")[4])
	return n
}
