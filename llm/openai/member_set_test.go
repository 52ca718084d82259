package openai_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// TestManyExtraMembers: unmodelled members keep their order and their values, whether a set
// is small or has a map, and whether a value has room beside others or memory of its own. A
// later value replaces the earlier value and no other.
func TestManyExtraMembers(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 15, 16, 17, 18, 200} {
		var first, second strings.Builder
		var want []llm.Member
		for i := range n {
			name := fmt.Sprintf("x%d", i)
			was, is := `"`+strings.Repeat("a", i%70)+`a"`, `"`+strings.Repeat("b", (i*7)%70)+`b"`
			fmt.Fprintf(&first, `,%q:%s`, name, was)
			want = append(want, llm.Member{Name: name, Value: was})
			if i%3 == 0 {
				fmt.Fprintf(&second, `,%q:%s`, name, is)
				want[i].Value = is
			}
		}
		chunk := func(delta, extra string) string {
			return `data: {"choices":[{"index":0,"delta":{"content":"` + delta + `"}}]` + extra + "}\n\n"
		}
		body := chunk("a", first.String()) + chunk("b", second.String()) +
			`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
		x := interaction{Status: http.StatusOK, CType: "text/event-stream"}
		resp, err := generateWith(openai.Config{BaseURL: "http://in.memory", HTTPClient: &http.Client{Transport: served{x: x, pieces: []string{body}}}}, true, nil)
		require.NoError(t, err)
		require.Equal(t, want, resp.Extra)
	}
}
