package openai_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// TestManyCalls sends histories with many calls in one message. What it costs
// grows with their number, and not with its square. It runs alone: others would
// allocate meanwhile.
func TestManyCalls(t *testing.T) {
	few, many := 1<<10, 1<<14
	if raced { // on one goroutine: a quadratic cost still shows, as sixteen times the bytes
		many = 1 << 12
	}
	id := func(i int) string { return fmt.Sprintf("call_%d", i) }
	for _, tt := range []struct {
		name   string
		id     func(i int) string
		answer func(i, n int) int // the call that the i-th result answers; -1: none
		apart  bool               // each result in a message of its own
	}{
		{name: "in order", id: id, answer: func(i, _ int) int { return i }, apart: true},
		{name: "in one message", id: id, answer: func(i, _ int) int { return i }},
		{name: "from behind", id: id, answer: func(i, n int) int { return n - 1 - i }, apart: true},
		{name: "from the middle", id: id, answer: func(i, n int) int { return (i + n/2) % n }, apart: true},
		{name: "one id for all", id: func(int) string { return "x" }, answer: func(i, _ int) int { return i }, apart: true},
		{name: "no ids", id: func(int) string { return "" }, answer: func(i, _ int) int { return i }, apart: true},
		{name: "no results", id: id, answer: func(int, int) int { return -1 }},
	} {
		encode := func(n int) (bytes uint64) {
			calls := llm.Message{Role: llm.RoleAssistant}
			history := []llm.Message{llm.User("go"), {}}
			one := llm.Message{Role: llm.RoleTool}
			for i := range n {
				calls.Parts = append(calls.Parts, toolCall(tt.id(i), "f", "{}"))
				at := tt.answer(i, n)
				if at < 0 {
					continue
				}
				result := llm.ToolResult{CallID: tt.id(at), Parts: llm.Parts{llm.Text{Text: "r"}}}
				if one.Parts = append(one.Parts, result); tt.apart {
					history = append(history, llm.Message{Role: llm.RoleTool, Parts: llm.Parts{result}})
				}
			}
			if history[1] = calls; len(one.Parts) > 0 && !tt.apart {
				history = append(history, one)
			}
			w := &wire{body: ok}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := w.config().Model("m").Generate(t.Context(), &llm.Request{Messages: history}, nil)
			runtime.ReadMemStats(&after)
			require.NoError(t, err)
			require.Equal(t, n, strings.Count(w.bodies[0], `"role":"tool"`), tt.name)
			return after.TotalAlloc - before.TotalAlloc
		}
		encode(few)
		require.Less(t, encode(many), encode(few)*2*uint64(many/few), tt.name)
	}
}
