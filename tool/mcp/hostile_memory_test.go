//go:build !race

package mcp_test

import (
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHostileMemory: the memory of a run does not grow with the output of a server. The
// test is not parallel, since it measures the heap. The race detector has a different
// heap.
func TestHostileMemory(t *testing.T) {
	const tooLong = `toolset "evil": a message of the server has more than 16777216 bytes`
	const doubted = inDoubt + "|outcome_unknown|"
	wants := map[string]string{
		"a description of 100 MB": noTool + "|unknown_tool|" + tooLong,
		"a description of 15 MB":  noTool + "|unknown_tool|",
		"a million tools":         noTool + "|unknown_tool|" + tooLong,
		"700,000 tools":           `There is no tool named "evil__work". The tools are: evil__t0, evil__t1,`,
		"millions that are none":  noTool + `|unknown_tool|toolset "evil": the server lists more than 10000 tools`,
		"long cursors":            noTool + `|unknown_tool|toolset "evil": the server's list of tools has more than 100 pages`,
		"a result of 50 MB":       doubted,
		"a result of 15 MB":       strings.Repeat("x", 1<<10),
	}
	for name := range largeFoes() {
		t.Run(name, func(t *testing.T) {
			var out outcome
			peak := peakOf(t, func() { out, _ = stage{server: foeProcess(t, name)}.play(t) })
			got := strings.Join([]string{out.Evil, out.Failure, out.Notices}, "|")
			require.Equal(t, wants[name], got[:min(len(got), len(wants[name]))])
			require.Less(t, peak, uint64(20*16<<20), "20 times MaxMessage")
		})
	}
}

// peakOf returns how many bytes the heap grew while f ran, garbage included.
func peakOf(t *testing.T, f func()) uint64 {
	t.Helper()
	runtime.GC()
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	before, peak := heap[0].Value.Uint64(), uint64(0)
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for ticker := time.NewTicker(2 * time.Millisecond); ; {
			select {
			case <-done:
				return
			case <-ticker.C:
				metrics.Read(heap)
				peak = max(peak, heap[0].Value.Uint64())
			}
		}
	}()
	f()
	close(done)
	<-watched
	return peak - min(peak, before)
}
