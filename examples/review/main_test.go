package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/internal/itself"
)

func TestMain(m *testing.M) { itself.Main(m, main) }

func TestReview(t *testing.T) {
	t.Parallel()
	itself.Prints(t, "testdata/output.txt")
	out, err := itself.Command(t, "-rounds", "2").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), errNotContent.Error())
}
