package main

import (
	"testing"

	"github.com/seed-916e8f6a/toolloop/examples/internal/itself"
)

func TestMain(m *testing.M) { itself.Main(m, main) }

func TestLong(t *testing.T) {
	t.Parallel()
	for file, args := range map[string][]string{"testdata/output.txt": nil, "testdata/summary.txt": {"-summary"}} {
		itself.Prints(t, file, args...)
	}
}
