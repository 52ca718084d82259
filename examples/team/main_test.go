package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/internal/itself"
)

func TestMain(m *testing.M) { itself.Main(m, main) }

func TestTeam(t *testing.T) {
	t.Parallel()
	itself.Prints(t, "testdata/output.txt")
	denied := itself.Output(t, "-deny", "it is too old")
	require.Contains(t, denied, "   denied [r1.t2.c0/r1.t1.c0]")
	require.Contains(t, denied, "The call was denied: it is too old")
}
