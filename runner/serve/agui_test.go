package serve_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
)

// run posts the input of a run of AG-UI.
func (s site) run(t *testing.T, id, rest string) stream {
	t.Helper()
	return s.do(t, http.MethodPost, "/ag", `{"threadId":"c","runId":"`+id+`","tools":[],"context":[],`+rest+`}`)
}

const agUser = `"messages":[{"id":"a","role":"user","content":"Pay W1."}]`

// TestAGUI: a run with an interrupt, its answer, and a page that comes later.
func TestAGUI(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, serve.Config{Agent: desk(llmtest.Script(t, llmtest.Calls("pay", lookArgs{"W1"}), llmtest.Text("Done.")))})
		asked := s.run(t, "x", agUser).all(t)
		require.Equal(t, `{"type":"RUN_STARTED","threadId":"c","runId":"x","protocolVersion":"1.0"}`, asked[0])
		interrupt := asked[len(asked)-1]
		require.Contains(t, interrupt, `"outcome":{"type":"interrupt","interrupts":[{"id":"r1.t1.c0@5","reason":"tool_call","message":"May pay run?","toolCallId":"r1.t1.c0"`)

		// A page without messages gets the conversation, and the question.
		later := s.run(t, "y", `"messages":[]`).all(t)
		require.Equal(t, []string{
			`{"type":"RUN_STARTED","threadId":"c","runId":"y","protocolVersion":"1.0"}`,
			`{"type":"MESSAGES_SNAPSHOT","messages":[{"id":"a","role":"user","content":"Pay W1."},` +
				`{"id":"m1.s1","role":"assistant","toolCalls":[{"id":"r1.t1.c0","type":"function","function":{"name":"pay","arguments":"{\"order\":\"W1\"}"}}]}]}`,
			strings.Replace(interrupt, `"runId":"x"`, `"runId":"y"`, 1),
		}, later)

		require.Equal(t, []string{
			`{"type":"RUN_STARTED","threadId":"c","runId":"z","protocolVersion":"1.0"}`,
			`{"type":"TOOL_CALL_RESULT","messageId":"r1.t1.c0.result","role":"tool","toolCallId":"r1.t1.c0","content":"Paid W1."}`,
			`{"type":"STEP_STARTED","stepName":"turn 2"}`,
			`{"type":"TEXT_MESSAGE_START","messageId":"m1.1","role":"assistant"}`,
			`{"type":"TEXT_MESSAGE_CONTENT","messageId":"m1.1","delta":"Done."}`,
			`{"type":"TEXT_MESSAGE_END","messageId":"m1.1"}`,
			`{"type":"STEP_FINISHED","stepName":"turn 2"}`,
			`{"type":"RUN_FINISHED","threadId":"c","runId":"z","outcome":{"type":"success"},"usage":[{"inputTokens":20,"outputTokens":10,"totalTokens":30}]}`,
		}, s.run(t, "z", `"messages":[],"resume":[{"interruptId":"r1.t1.c0@5","status":"resolved","payload":{"approved":true}}]`).all(t))
		require.Equal(t, http.StatusConflict, s.run(t, "z", `"messages":[],"resume":[{"interruptId":"r1.t1.c0@5","status":"resolved","payload":{"approved":true}}]`).StatusCode)
	})
}

// TestRestartedAnswer: the model begins a call, its connection breaks, and it writes a text in
// place of the call.
func TestRestartedAnswer(t *testing.T) {
	t.Parallel()
	model := func(t *testing.T) llm.Model {
		t.Helper()
		return wrap.Retry{MinDelay: -1, Restart: true}.Model(slow(t, llmtest.Text("First ").And(llmtest.Calls("pay", lookArgs{"W1"})).With(llmtest.Cut(5)), llmtest.Text("Done.")))
	}
	synctest.Test(t, func(t *testing.T) {
		s := open(t, serve.Config{Agent: desk(model(t))})
		events := strings.Join(s.run(t, "x", agUser).all(t), "\n")
		require.Contains(t, events, `{"type":"TOOL_CALL_RESULT","messageId":"r1.t1.c0.result","role":"tool","toolCallId":"r1.t1.c0","content":"The model began anew and did not make this call."}`+"\n"+
			`{"type":"CUSTOM","name":"toolloop.restart","value":{}}`)
		require.Contains(t, events, `"outcome":{"type":"success"}`)
	})
	for _, reset := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, serve.Config{Agent: desk(model(t)), ResetStep: reset})
			events := strings.Join(s.say(t, "a", "Pay W1.").all(t), "\n")
			restart := map[bool]string{false: `{"type":"data-toolloop-restart","data":{}}`, true: `{"type":"reset-step"}`}[reset]
			require.Contains(t, events, `"delta":"First "}`+"\n"+`{"type":"text-end","id":"m1.1"}`+"\n"+
				`{"type":"tool-input-error","toolCallId":"r1.t1.c0","toolName":"pay","dynamic":true,"input":{},"errorText":"The model began anew and did not make this call."}`+"\n"+
				restart+"\n"+`{"type":"text-start","id":"m1.2"}`)
			require.NotContains(t, s.text(t, "/chat/c/messages"), "First")
		})
	}
}
