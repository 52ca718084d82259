package serve_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestFrontEnd: the browser executes a tool and hands in the result, if the program allows
// that for the tool.
func TestFrontEnd(t *testing.T) {
	t.Parallel()
	site := func(t *testing.T, allowed ...string) site {
		t.Helper()
		where := tool.Must(tool.External[struct{}, string]("where", "Where the visitor is."))
		return open(t, serve.Config{FrontEnd: allowed, Agent: &agent.Agent{Tools: []tool.Tool{where}, Model: llmtest.NewScript(llmtest.Calls("where", nil), llmtest.Text("In Lisbon."))}})
	}
	const result = `{"id":"c","messages":[{"id":"m1","role":"assistant","parts":[` +
		`{"type":"dynamic-tool","toolName":"where","toolCallId":"r1.t1.c0","state":"output-available","input":{},"output":"Lisbon"}]}]}`
	synctest.Test(t, func(t *testing.T) {
		s := site(t, "where")
		asked := s.say(t, "a", "Where am I?").all(t)
		require.Equal(t, []string{`{"type":"finish-step"}`, `{"type":"finish","finishReason":"tool-calls"}`, `[DONE]`}, asked[len(asked)-3:])
		require.Contains(t, s.text(t, "/chat/c/messages"), `"state":"input-available"`)
		told := s.do(t, http.MethodPost, "/chat", result).all(t)
		require.Equal(t, `{"type":"tool-output-available","toolCallId":"r1.t1.c0","dynamic":true,"output":"Lisbon"}`, told[1])
		require.Equal(t, "In Lisbon.", textOf(t, told))
	})
	synctest.Test(t, func(t *testing.T) {
		s := site(t, "where")
		asked := s.run(t, "x", agUser).all(t)
		require.Contains(t, asked[len(asked)-1], `"outcome":{"type":"success","pendingToolCallIds":["r1.t1.c0"]}`)
		told := s.run(t, "y", `"messages":[{"id":"a","role":"user","content":"Where?"},{"id":"r","role":"tool","toolCallId":"r1.t1.c0","content":"Lisbon"}]`).all(t)
		require.Contains(t, told, `{"type":"TEXT_MESSAGE_CONTENT","messageId":"m1.1","delta":"In Lisbon."}`)
	})
	synctest.Test(t, func(t *testing.T) { // a result of a webhook, for example
		s := site(t)
		s.say(t, "a", "Where am I?").all(t)
		require.Equal(t, http.StatusConflict, s.do(t, http.MethodPost, "/chat", result).StatusCode)
	})
}
