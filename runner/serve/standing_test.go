package serve_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
)

// TestStanding: an answer of a page can stand for later calls, on both protocols.
func TestStanding(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ path, message, more, always, doubt string }{
		"UI stream": {
			"/chat", uiPay, `{"id":"c","message":{"id":"b","role":"user","parts":[{"type":"text","text":"Pay W2."}]}}`,
			strings.Replace(uiApprove, `"approved":true`, `"approved":true,"always":"tool"`, 1), "",
		},
		"AG-UI": {
			"/ag", agPay, `{"threadId":"c","runId":"y","messages":[{"id":"b","role":"user","content":"Pay W2."}]}`,
			strings.Replace(agApprove, `"approved":true`, `"approved":true,"always":"tool"`, 1),
			strings.Replace(agApprove, `"approved":true`, `"approved":true,"always":"tool","arguments":{}`, 1),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := new(journal.Memory)
				s := open(t, serve.Config{
					Runner: runner.Runner{Journal: store}, Person: visitor,
					Agent: desk(llmtest.Script(t, llmtest.Calls("pay", lookArgs{"W1"}), llmtest.Text("Paid."), llmtest.Calls("pay", lookArgs{"W2"}), llmtest.Text("Paid, too."))),
				})
				s.as(t, "ada", tt.path, tt.message).all(t)
				if tt.doubt != "" {
					require.Equal(t, http.StatusBadRequest, s.as(t, "bob", tt.path, tt.doubt).StatusCode)
				}
				require.Contains(t, strings.Join(s.as(t, "bob", tt.path, tt.always).all(t), "\n"), "Paid.")
				require.Contains(t, strings.Join(s.as(t, "ada", tt.path, tt.more).all(t), "\n"), "Paid, too.")
				state, err := runner.Runner{Journal: store}.Session("c").State(t.Context())
				require.NoError(t, err)
				require.Equal(t, event.EveryCall, state.Decisions[0].Always)
				require.Equal(t, state.Decisions[0].Seq, state.Decisions[1].Standing)
				require.Equal(t, "bob", state.Decisions[1].Person)
			})
		})
	}
}
