package loop_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// TestClassify is the decision table of docs/decisions/loop.md.
func TestClassify(t *testing.T) {
	t.Parallel()
	call := llm.ToolCall{ID: "c1", Name: "f", Arguments: "{}"}
	calls := llm.Assistant("", call)
	both := llm.Assistant("Let me look.", call, call)
	text := llm.Assistant("It is 22 °C.")
	blank := llm.Assistant(" \n")
	thought := llm.Assistant("", llm.Reasoning{Text: "Hm."})
	refusal := llm.Assistant("", llm.Refusal{Text: "No."})
	sound := llm.Assistant("", llm.Audio{ID: "a1"})
	none := llm.Assistant("")

	for _, tt := range []struct {
		name        string
		message     llm.Message
		raw, native string
		want        loop.Class
	}{
		{"calls, tool_calls", calls, "tool_calls", "", loop.RunCalls},
		{"calls, stop", calls, "stop", "", loop.RunCalls},
		{"calls, none", calls, "", "", loop.RunCalls},
		{"calls, unknown", calls, "whatever", "", loop.RunCalls},
		{"calls, function_call", calls, "function_call", "", loop.RunCalls},
		{"calls, tool_calls with native completed", calls, "tool_calls", "completed", loop.RunCalls},
		{"calls and text, stop", both, "stop", "", loop.RunCalls},

		{"calls, length", calls, "length", "", loop.CutOff},
		{"calls and text, length", both, "length", "", loop.CutOff},
		{"calls, max_output_tokens", calls, "max_output_tokens", "", loop.CutOff},
		{"calls, tool_calls with native length", calls, "tool_calls", "length", loop.CutOff},
		{"calls, tool_calls with native MAX_TOKENS", calls, "tool_calls", "MAX_TOKENS", loop.CutOff},
		{"calls, none with native max_output_tokens", calls, "", "max_output_tokens", loop.CutOff},
		{"calls, content_filter", calls, "content_filter", "", loop.Filtered},
		{"calls, tool_calls with native SAFETY", calls, "tool_calls", "SAFETY", loop.Filtered},
		{"calls, error", calls, "error", "", loop.Broken},
		{"calls, tool_calls with native MALFORMED_FUNCTION_CALL", calls, "tool_calls", "MALFORMED_FUNCTION_CALL", loop.Broken},

		{"text, stop", text, "stop", "", loop.Final},
		{"text, eos", text, "eos", "", loop.Final},
		{"text, none", text, "", "", loop.Final},
		{"text, unknown", text, "whatever", "", loop.Final},
		{"text, stop with native STOP", text, "stop", "STOP", loop.Final},
		{"sound, stop", sound, "stop", "", loop.Final},

		{"text, length", text, "length", "", loop.Short},
		{"nothing, length", none, "length", "", loop.Short},
		{"reasoning, length", thought, "length", "", loop.Short},
		{"text, stop with native MAX_TOKENS", text, "stop", "MAX_TOKENS", loop.Short},

		{"text, content_filter", text, "content_filter", "", loop.Filtered},
		{"nothing, content_filter", none, "content_filter", "", loop.Filtered},
		{"refusal, stop", refusal, "stop", "", loop.Refused},
		{"refusal, none", refusal, "", "", loop.Refused},
		{"refusal, length", refusal, "length", "", loop.Refused},

		{"text, tool_calls", text, "tool_calls", "", loop.Lost},
		{"nothing, tool_calls", none, "tool_calls", "", loop.Empty},
		{"nothing, stop", none, "stop", "", loop.Empty},
		{"white space, stop", blank, "stop", "", loop.Empty},
		{"reasoning, stop", thought, "stop", "", loop.Empty},
		{"nothing, none", none, "", "", loop.Empty},

		{"text, error", text, "error", "", loop.Broken},
		{"nothing, network_error", none, "network_error", "", loop.Broken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, loop.Classify(tt.message, llm.FinishOf(tt.raw, tt.native), ""))
		})
	}
}

// TestDecideByChoice: an answer without a forced call is NoCall. An answer with a
// forbidden call is an answer with calls; the state bars the call.
func TestDecideByChoice(t *testing.T) {
	t.Parallel()
	call := llm.Assistant("", llm.ToolCall{ID: "c1", Name: "f", Arguments: "{}"})
	text := llm.Assistant("It is 22 °C.")
	for _, tt := range []struct {
		name    string
		message llm.Message
		raw     string
		choice  llm.ToolChoice
		want    loop.Class
	}{
		{"text, required", text, "stop", llm.ToolRequired, loop.NoCall},
		{"text, named", text, "stop", llm.ToolNamed("f"), loop.NoCall},
		{"text without a finish reason, named", text, "", llm.ToolNamed("f"), loop.NoCall},
		{"text, none", text, "stop", llm.ToolNone, loop.Final},
		{"text, auto", text, "stop", llm.ToolAuto, loop.Final},
		{"nothing, required", llm.Assistant(""), "stop", llm.ToolRequired, loop.Empty},
		{"announced calls, required", text, "tool_calls", llm.ToolRequired, loop.Lost},
		{"text, length, required", text, "length", llm.ToolRequired, loop.Short},
		{"refusal, required", llm.Assistant("", llm.Refusal{Text: "No."}), "stop", llm.ToolRequired, loop.Refused},
		{"filtered, named", text, "content_filter", llm.ToolNamed("f"), loop.Filtered},
		{"call, required", call, "tool_calls", llm.ToolRequired, loop.RunCalls},
		{"call, none", call, "tool_calls", llm.ToolNone, loop.RunCalls},
		{"call, another named", call, "stop", llm.ToolNamed("g"), loop.RunCalls},
		{"call, none, length", call, "length", llm.ToolNone, loop.CutOff},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, loop.Classify(tt.message, llm.FinishOf(tt.raw, ""), tt.choice))
		})
	}
}
