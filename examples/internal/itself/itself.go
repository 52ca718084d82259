// Package itself lets the tests of a program start the program: the binary of the test runs
// the program's main function when another process of the test has started it.
package itself

import (
	"os"
	"os/exec"
	"testing"

	"github.com/seed-916e8f6a/toolloop/internal/tied"
)

// variable is set in the environment of the program.
const variable = "EXAMPLE_RUNS_ITSELF"

// Main is the body of a TestMain.
func Main(m *testing.M, main func()) {
	if os.Getenv(variable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// Command returns the program with arguments, and without a model's key or address.
func Command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	tied.Tie(cmd)
	cmd.Env = append(os.Environ(), variable+"=1", "OPENAI_API_KEY=", "OPENAI_BASE_URL=", "OPENAI_MODEL=")
	return cmd
}

// Output returns what the program prints. The program must succeed.
func Output(t *testing.T, args ...string) string {
	t.Helper()
	out, err := Command(t, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Prints wants the program to print the content of a file.
func Prints(t *testing.T, file string, args ...string) {
	t.Helper()
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := Output(t, args...); got != string(want) {
		t.Fatalf("the program prints\n%s\nand not %s:\n%s", got, file, want)
	}
}
