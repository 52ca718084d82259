package serve_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
)

// TestCheckedPicture: a page gets the picture of an answer only after the check of the answer.
func TestCheckedPicture(t *testing.T) {
	t.Parallel()
	const picture = "https://pictures.example/x.png"
	for _, text := range []string{"", "See."} {
		for _, verdict := range []agent.Verdict{{}, {Replace: "No pictures."}} {
			synctest.Test(t, func(t *testing.T) {
				a := desk(llm.ModelFunc(func(_ context.Context, _ *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
					m := llm.Message{Role: llm.RoleAssistant}
					if text != "" {
						sink(llm.TextDelta{Text: text})
						m.Parts = append(m.Parts, llm.Text{Text: text})
					}
					m.Parts = append(m.Parts, llm.Image{URL: picture})
					return &llm.Response{Message: m, Finish: llm.FinishOf("stop", "")}, nil
				}))
				a.Checks = []agent.Check{{Name: "pictures", Output: func(context.Context, agent.Subject) (agent.Verdict, error) { return verdict, nil }}}
				one := open(t, serve.Config{Agent: a})
				live := strings.Join(one.say(t, "a", "Hi").all(t), "\n")
				again := one.text(t, "/chat/c/messages")
				for _, page := range []string{live, again} {
					require.Equal(t, verdict.Replace == "", strings.Contains(page, picture), page)
				}
			})
		}
	}
}
