package openai_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// A toldCall is a stream with one call. Each field is one way to tell the call; ""
// leaves the event out.
type toldCall struct {
	added, deltas, end, done, state, last, output, reason string
	spent                                                 bool
}

func (c toldCall) String() string {
	item := func(arguments, state string) string {
		return fmt.Sprintf(`{"id":"i","type":"function_call","call_id":"c","name":"f","status":%q%s}`, state, arguments)
	}
	var events []string
	add := func(format string, args ...any) {
		events = append(events, "data: "+fmt.Sprintf(format, args...)+"\n\n")
	}
	add(`{"type":"response.output_item.added","output_index":0,"item":%s}`, item(c.added, "in_progress"))
	for _, d := range strings.Split(c.deltas, "|") {
		add(`{"type":"response.function_call_arguments.delta","output_index":0,"delta":%q}`, d)
	}
	if c.end != "" {
		add(`{"type":"response.function_call_arguments.done","output_index":0%s}`, c.end)
	}
	if c.done != "" {
		add(`{"type":"response.output_item.done","output_index":0,"item":%s}`, item(c.done, c.state))
	}
	output := ""
	if c.output != "" {
		output = item(c.output, "completed")
	}
	used := 4
	if c.spent {
		used = 5
	}
	add(`{"type":"response.%s","response":{"output":[%s]%s,"usage":{"output_tokens":%d}}}`, c.last, output, c.reason, used)
	return strings.Join(events, "")
}

// mayRun reports whether the call is whole: a complete item, the .done event, or the
// deltas have the arguments, and nothing says that the answer was cut off. Arguments that
// every event leaves empty are {} if the call has an end and tokens were left.
func (c toldCall) mayRun(arguments string) bool {
	if c.state != "completed" && c.done != "" || c.reason != "" || c.last == "response.incomplete" {
		return false
	}
	if arguments == `{"x":1}` {
		return strings.Contains(c.end+c.done+c.output, "x") || strings.ReplaceAll(c.deltas, "|", "") == arguments
	}
	return arguments == "{}" && c.deltas == "" && !c.spent && c.end+c.done+c.output != ""
}

// TestResponsesWholeCall tells one call in every way. No call runs whose arguments
// nobody wrote whole, with or without a notice.
func TestResponsesWholeCall(t *testing.T) {
	t.Parallel()
	const none, blank, null, whole = " ", `,"arguments":""`, `,"arguments":null`, `,"arguments":"{\"x\":1}"`
	ran, refused := 0, 0
	tell := func(c toldCall) {
		w := &wire{header: http.Header{"Content-Type": {"text/event-stream"}}, body: c.String()}
		config := w.config()
		config.API = openai.APIResponses
		req := &llm.Request{Messages: []llm.Message{llm.User("hi")}, Tools: []llm.ToolDef{{Name: "f"}}, Stream: true, Settings: llm.Settings{MaxOutputTokens: 5}}
		resp, err := config.Model("m").Generate(t.Context(), req, nil)
		if err != nil || resp.Finish.Reason != llm.FinishToolCalls {
			refused++
			return
		}
		ran++
		for _, call := range resp.Message.Calls() {
			require.True(t, json.Valid([]byte(call.Arguments)))
			require.True(t, c.mayRun(call.Arguments), "%s runs:\n%s", call.Arguments, c)
		}
	}
	for _, deltas := range []string{"", `{"x":`, `{"x":|1}`} {
		for _, end := range []string{"", none, blank, whole} {
			for _, done := range []string{"", none, blank, null, whole} {
				for _, output := range []string{"", none, blank, whole} {
					for _, last := range []string{"completed", "done"} {
						for _, spent := range []bool{false, true} {
							c := toldCall{added: blank, deltas: deltas, end: end, done: done, state: "completed", last: last, output: output, spent: spent}
							tell(c)
						}
					}
				}
			}
		}
	}
	for _, done := range []string{blank, whole} {
		for _, state := range []string{"incomplete", "failed"} {
			tell(toldCall{added: blank, done: done, state: state, last: "completed"})
		}
		tell(toldCall{added: blank, done: done, state: "completed", last: "completed", reason: `,"incomplete_details":{"reason":"max_output_tokens"}`})
	}
	require.Greater(t, ran, 300)
	require.Greater(t, refused, 100)
}
