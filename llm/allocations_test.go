//go:build !race

package llm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// TestSplitObjectAllocates: splitting allocates the members and nothing else. The race
// detector allocates, too.
func TestSplitObjectAllocates(t *testing.T) {
	const object = `{"type":"function","function":{"name":"f","parameters":{}}}`
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { llm.SplitObject([]byte(object)) }), 6.0)
}
