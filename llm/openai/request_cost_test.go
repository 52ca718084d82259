package openai_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// mute answers each request and does not read it, so that only the client's work counts.
type mute struct{}

func (mute) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(ok)), ContentLength: int64(len(ok)), Request: r}, nil
}

// costing is a model without a network, and a request with a tool.
func costing() (llm.Model, *llm.Request) {
	c := openai.Config{BaseURL: "http://provider.test/v1", Key: "sk-test", HTTPClient: &http.Client{Transport: mute{}}, Retry: wrap.Retry{Attempts: 1}}
	schema := `{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"array","items":{"type":"integer"}}},"required":["city"]}`
	return c.Model("m"), &llm.Request{
		Instructions: "Be brief.", Messages: []llm.Message{llm.User("go")}, Memo: new(llm.Memo),
		Tools: []llm.ToolDef{{Name: "get_weather", Description: "Weather.", Schema: json.RawMessage(schema)}},
	}
}

// plainTurns is a history of n turns with calls that have ids.
func plainTurns(n int) []llm.Message {
	history := []llm.Message{llm.User("go")}
	for i := range n {
		id := fmt.Sprintf("call-%d", i)
		history = append(history, llm.Assistant("", llm.ToolCall{ID: id, Name: "f", Arguments: fmt.Sprintf(`{"n":%d}`, i)}), result(id, strings.Repeat("result ", 20)))
	}
	return history
}

// converse asks once for each turn of the history.
func converse(tb testing.TB, history []llm.Message) {
	m, req := costing()
	for n := 1; n <= len(history); n += 2 {
		req.Messages = history[:n]
		_, err := m.Generate(tb.Context(), req, nil)
		require.NoError(tb, err)
	}
}

// TestRequestCost holds what a request costs in allocations, with the answer and the fake
// transport, and that the length of the history does not count. It is not parallel,
// because AllocsPerRun counts for the whole process.
func TestRequestCost(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates, and pools forget")
	}
	cost := func(turns int) float64 {
		m, req := costing()
		req.Messages = plainTurns(turns)
		return testing.AllocsPerRun(200, func() {
			if _, err := m.Generate(t.Context(), req, nil); err != nil {
				t.Error(err)
			}
		})
	}
	few, many := cost(1), cost(1000)
	fmt.Printf("allocations of a request: %.0f, after 1,000 turns %.0f\n", few, many)
	require.InDelta(t, few, many, 1)
	require.LessOrEqual(t, few, 36.0)
}

// TestRunCost holds that a run of 400 turns costs hardly more than twice a run of 200
// turns, in allocations and in bytes.
func TestRunCost(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates, and pools forget")
	}
	cost := func(turns int) (allocs, size float64) {
		history := plainTurns(turns)
		converse(t, history)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		converse(t, history)
		runtime.ReadMemStats(&after)
		return float64(after.Mallocs - before.Mallocs), float64(after.TotalAlloc - before.TotalAlloc)
	}
	allocs, size := cost(200)
	allocs2, size2 := cost(400)
	fmt.Printf("a run of 400 turns and one of 200: %.2f times the allocations, %.2f times the bytes\n", allocs2/allocs, size2/size)
	require.Less(t, allocs2/allocs, 2.2)
	require.Less(t, size2/size, 2.5)
}

// BenchmarkRequest sends a request behind a history that is encoded already.
func BenchmarkRequest(b *testing.B) {
	for _, turns := range []int{1, 200, 400} {
		b.Run(fmt.Sprintf("turns=%d", turns), func(b *testing.B) {
			m, req := costing()
			req.Messages = plainTurns(turns)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Generate(b.Context(), req, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRun sends the requests of a whole run.
func BenchmarkRun(b *testing.B) {
	for _, turns := range []int{1, 50, 200, 400} {
		b.Run(fmt.Sprintf("turns=%d", turns), func(b *testing.B) {
			history := plainTurns(turns)
			b.ReportAllocs()
			for b.Loop() {
				converse(b, history)
			}
		})
	}
}
