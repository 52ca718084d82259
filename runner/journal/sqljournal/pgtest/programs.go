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

// required is the environment variable that turns skipped tests into failures.
const required = "TOOLLOOP_REQUIRE_POSTGRES"

// missing is the reason for a skip without the programs.
const missing = "no PostgreSQL on this machine: initdb is not on PATH, nor below /usr/lib/postgresql; install the package postgresql (apt-get install postgresql)"

// need skips a test if no server can start here.
func need(t testing.TB) {
	t.Helper()
	switch {
	case runtime.GOOS == "windows" || runtime.GOOS == "plan9":
		skip(t, "a PostgreSQL server is started on Unix only")
	case programs() == "":
		skip(t, missing)
	}
}

// skip skips a test, or fails the test if servers are required.
func skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(required) != "" {
		t.Fatalf("%s; and %s is set", reason, required)
	}
	t.Skip(reason)
}

// programs returns the directory of the programs, or "" if PostgreSQL is not installed.
func programs() string {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Glob fails only for a wrong pattern
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }))
}

// version returns the version in the path of a program, or 0 if the path has no number.
func version(path string) int {
	n, _ := strconv.Atoi(strings.Split(path, "/")[4])
	return n
}
