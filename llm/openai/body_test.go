package openai_test

import (
	"bytes"
	"io"
	"net/http"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// TestBody: a body reads as its segments joined, in pieces of any size, and again.
func TestBody(t *testing.T) {
	t.Parallel()
	for _, segments := range [][][]byte{nil, {nil}, {[]byte("a")}, {[]byte("ab"), nil, []byte("c"), bytes.Repeat([]byte("d"), 5000), nil}} {
		for range 2 {
			require.NoError(t, iotest.TestReader(openai.OpenBody(segments...), bytes.Join(segments, nil)))
		}
	}
}

// TestBodyBytes bounds what net/http allocates while it writes a request: no buffer to
// copy the body. It is not parallel, because it counts for the whole process.
func TestBodyBytes(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates, too")
	}
	const requests = 200
	segments := [][]byte{[]byte(`{"messages":[`), bytes.Repeat([]byte("x"), 500), []byte("]}")}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range requests {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://host/", openai.OpenBody(segments...))
		require.NoError(t, err)
		req.ContentLength = 515
		require.NoError(t, req.Write(io.Discard))
	}
	runtime.ReadMemStats(&after)
	require.Less(t, (after.TotalAlloc-before.TotalAlloc)/requests, uint64(12<<10))
}
