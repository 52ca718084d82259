package cli

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestQuote: a shell reads a quoted word as it was.
func TestQuote(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("this test needs a shell")
	}
	for _, word := range []string{"a", "-dir=/tmp/x", `{"order":"W'; touch pwned #"}`, "$HOME `id` \\ \"x\" !! *", "", "a\nb"} {
		out, err := exec.CommandContext(t.Context(), shell, "-c", "printf %s "+Quote(word)).Output()
		require.NoError(t, err)
		require.Equal(t, word, string(out))
	}
	require.Equal(t, "go run "+module+"/"+Name(), program("/tmp/go-build123/b001/exe/approve"))
}
