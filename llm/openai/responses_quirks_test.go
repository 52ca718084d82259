package openai_test

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

const responsesQuirksDir = "../../testdata/wire/responses"

// TestResponsesQuirks is TestQuirks for the Responses API: what its servers are
// known to send and to refuse. With every mutation of a fixture, the same check
// has to fail.
func TestResponsesQuirks(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(filepath.Join(responsesQuirksDir, "R*.txt"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(paths), 80)
	var handled atomic.Int32
	t.Cleanup(func() { fmt.Printf("responses quirks: %d of %d handled\n", handled.Load(), len(paths)) })
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			f, err := readFixture(path)
			require.NoError(t, err)
			f.head["api"] = cmp.Or(f.head["api"], "responses")
			mutations, err := f.mutations()
			require.NoError(t, err)
			var wrong []error
			for _, mode := range f.modes() {
				wrong = append(wrong, f.try(t.Context(), mode, mutations))
			}
			require.NoError(t, errors.Join(wrong...))
			handled.Add(1)
		})
	}
}
