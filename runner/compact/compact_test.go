package compact_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
)

// history makes a history of a pattern: u a message of the user, w a message that the
// runner wrote, t a turn with a call, f such a turn that a person decided about. The result
// of a call has about 100 tokens.
func history(pattern string) *compact.History {
	h := &compact.History{}
	last := strings.LastIndex(pattern, "u")
	for i, c := range pattern {
		n := len(h.Messages)
		switch c {
		case 'u', 'w':
			h.Messages = append(h.Messages, llm.User(fmt.Sprint(string(c), i)))
			if c == 'w' {
				h.Written = append(h.Written, n)
			} else if i == last {
				h.Fixed = append(h.Fixed, n)
			}
		default:
			id := fmt.Sprint(string(c), i)
			h.Messages = append(h.Messages, llm.Assistant("", llm.ToolCall{ID: id, Name: "f", Arguments: "{}"}),
				llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: id, Name: "f", Parts: llm.Parts{llm.Text{Text: strings.Repeat("word", 100)}}}}})
			if c == 'f' {
				h.Fixed = append(h.Fixed, n, n+1)
			}
		}
	}
	for _, m := range h.Messages {
		h.Tokens += int64(4 + (len(m.Text())+3*len(m.Calls()))/4)
		for _, r := range m.Results() {
			h.Tokens += int64(len(r.Text()) / 4)
		}
	}
	return h
}

// show is the pattern of messages: a dash for a turn without its result, s for a summary.
func show(messages []llm.Message) string {
	var b strings.Builder
	for i, m := range messages {
		switch {
		case m.Role == llm.RoleUser && strings.HasPrefix(m.Text(), "[Summary"):
			b.WriteByte('s')
		case m.Role == llm.RoleUser:
			b.WriteByte(m.Text()[0])
		case m.Role == llm.RoleTool && len(m.Results()[0].Text()) < 400:
			b.WriteByte('-')
		case m.Role == llm.RoleTool:
			b.WriteByte(messages[i-1].Calls()[0].ID[0])
		}
	}
	return b.String()
}

func TestStrategies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		strategy compact.Strategy
		before   string
		goal     int64
		want     string
	}{
		{"clear the oldest", compact.ClearResults(1), "uttttt", 400, "u--ttt"},
		{"clear all but the last", compact.ClearResults(0), "uttttt", 1, "u----t"},
		{"clear keeps three", compact.ClearResults(3), "uttttt", 1, "u--ttt"},
		{"clear nothing", compact.ClearResults(9), "uttttt", 1, "uttttt"},
		{"clear no approved call", compact.ClearResults(1), "ufttft", 1, "uf--ft"},
		{"within the goal", compact.ClearResults(1), "uttttt", 1000, "uttttt"},
		{"drop the oldest", compact.DropTurns(1), "uttttt", 400, "uttt"},
		{"drop all but the last", compact.DropTurns(0), "uttttt", 1, "ut"},
		{"drop no approved call", compact.DropTurns(1), "ufttft", 1, "ufft"},
		{"drop the user's last", compact.DropTurns(1), "ututut", 200, "uuut"},
		{"the first and the last message stay", compact.DropTurns(1), "ututuut", 1, "uut"},
		{"summaries go after turns", compact.DropTurns(1), "uwtt", 150, "uwt"},
		{"summaries go before the user's messages", compact.DropTurns(1), "uwututut", 126, "uuuut"},
		{"summary", compact.Summarize(nil, 1), "uttttt", 400, "ustt"},
		{"summary of a summary", compact.Summarize(nil, 1), "uwttttt", 400, "ustt"},
		{"summary between", compact.Summarize(nil, 1), "ufttut", 300, "ufsut"},
		{"no summary of a summary alone", compact.Summarize(nil, 1), "uwt", 1, "uwt"},
		{"default", compact.Default(), "utttttt", 600, "u-ttttt"},
		{"default clears, then drops", compact.Default(), "utttttt", 330, "uttt"},
		{"default to the last turn", compact.Default(), "utttttt", 130, "ut"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := history(tt.before)
			h.Goal = tt.goal
			h.Ask = func(ctx context.Context, m llm.Model, req *llm.Request) (*llm.Response, error) {
				require.Nil(t, m)
				require.NoError(t, req.Validate())
				return llmtest.Text("All was fine.").Response()
			}
			messages, err := tt.strategy(t.Context(), h)
			require.NoError(t, err)
			require.Equal(t, tt.want, show(messages))
			require.Equal(t, tt.before, show(h.Messages), "the history is unchanged")
			n := h.With(messages)
			require.LessOrEqual(t, n.Tokens, h.Tokens)
			require.Len(t, n.Fixed, len(h.Fixed), "all that must stay is there")
			require.Equal(t, strings.Count(tt.want, "w")+strings.Count(tt.want, "s"), len(n.Written))
		})
	}
}

// TestSummaryRequest: the model reads what goes, and long messages cut.
func TestSummaryRequest(t *testing.T) {
	t.Parallel()
	h := history("utt")
	h.Messages[1].Parts = append(llm.Parts{llm.Text{Text: "I look. "}, llm.Image{URL: "https://pictures.test/a.png"}}, h.Messages[1].Parts...)
	h.Messages[2].Parts = llm.Parts{llm.ToolResult{CallID: "t1", Name: "f", Parts: llm.Parts{llm.Text{Text: strings.Repeat("é", 8<<10)}}}}
	h.Goal = 10
	h.Ask = func(_ context.Context, _ llm.Model, req *llm.Request) (*llm.Response, error) {
		text := req.Messages[0].Text()
		require.Contains(t, text, "<assistant>\nI look. \n[llm.Image]\ncalls f {}\n</assistant>\n<tool>\nf: éé")
		require.Less(t, len(text), 9<<10)
		require.Contains(t, req.Instructions, "at most 100 words")
		return llmtest.Text("Fine.").Response()
	}
	messages, err := compact.Summarize(nil, 1)(t.Context(), h)
	require.NoError(t, err)
	require.Equal(t, "[Summary of the earlier part of this conversation, written by a model:]\nFine.", messages[1].Text())
}
