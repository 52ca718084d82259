package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
)

// office returns an agent with a helper, which has the tools of the desk.
func office(model llm.Model, checks ...agent.Check) *agent.Agent {
	cashier := &agent.Agent{Name: "cashier", Tools: desk(nil).Tools, Checks: checks}
	return &agent.Agent{Name: "chief", Model: model, Helpers: []agent.Helper{{Name: "ask_cashier", Description: "Pays.", Agent: cashier}}}
}

// asks is a call of the helper, whose first answer is a text beside two calls.
func asks() []llmtest.Step {
	return []llmtest.Step{
		llmtest.Calls("ask_cashier", map[string]string{"task": "Pay W1."}),
		llmtest.Text("I look first.").And(look("W1"), llmtest.Calls("pay", lookArgs{"W1"})),
		llmtest.Text("It is paid."), llmtest.Text("Done."),
	}
}

// told returns the important members of the events of a stream.
func told(t *testing.T, events []string) (lines []string) {
	t.Helper()
	for _, e := range events {
		var c struct {
			Type, ID, Delta, ToolCallID, MessageID, SubagentRunID, ParentToolCallID, ParentMessageID, Name string
			Data, Outcome                                                                                  json.RawMessage
		}
		if json.Unmarshal([]byte(e), &c) != nil {
			continue
		}
		switch {
		case strings.HasPrefix(c.Type, "tool-"), c.Type == "data-toolloop-helper":
			lines = append(lines, strings.TrimSpace(fmt.Sprint(c.Type, " ", c.ToolCallID, c.ID, " ", string(c.Data))))
		case strings.HasPrefix(c.Type, "SUBAGENT"):
			lines = append(lines, strings.TrimSpace(fmt.Sprint(c.Type, " ", c.SubagentRunID, " ", c.Name, c.ParentToolCallID, string(c.Outcome))))
		case c.Type == "TEXT_MESSAGE_CONTENT", c.Type == "TOOL_CALL_START", c.Type == "TOOL_CALL_RESULT":
			lines = append(lines, strings.TrimSpace(fmt.Sprint(c.Type, " ", c.MessageID, c.ParentMessageID, " ", c.Delta, c.ToolCallID, " ", c.SubagentRunID)))
		}
	}
	return lines
}

// question finds the id of the question in a stream.
var question = regexp.MustCompile(`"(?:approvalId|interrupts":\[\{"id)":"([^"]*)"`)

// TestHelper: texts and calls of a helper stand under the call of the helper, on both
// protocols, also when the run waits for a person in between.
func TestHelper(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, serve.Config{Agent: office(llmtest.Script(t, asks()...))})
		events := s.say(t, "a", "Pay W1.").all(t)
		require.Equal(t, []string{
			"tool-input-available r1.t1.c0",
			`data-toolloop-helper r1.t1.c0/r1.t1 {"agent":"cashier","text":"I look first.","toolCallId":"r1.t1.c0"}`,
			"tool-input-available r1.t1.c0/r1.t1.c0",
			"tool-input-available r1.t1.c0/r1.t1.c1",
			"tool-approval-request r1.t1.c0/r1.t1.c1",
			"tool-output-available r1.t1.c0/r1.t1.c0",
		}, told(t, events))
		id := question.FindStringSubmatch(strings.Join(events, "\n"))[1]
		require.Equal(t, []string{
			"tool-input-available r1.t1.c0/r1.t1.c1",
			"tool-output-available r1.t1.c0/r1.t1.c1",
			`data-toolloop-helper r1.t1.c0/r1.t2 {"agent":"cashier","text":"It is paid.","toolCallId":"r1.t1.c0"}`,
			"tool-output-available r1.t1.c0",
		}, told(t, s.do(t, http.MethodPost, "/chat", `{"id":"c","message":{"role":"assistant","parts":[{"state":"approval-responded","approval":{"id":"`+id+`","approved":true}}]}}`).all(t)))
		require.Contains(t, s.text(t, "/chat/c/messages"), `{"type":"data-toolloop-helper","id":"r1.t1.c0/r1.t2","data":{"agent":"cashier","text":"It is paid.","toolCallId":"r1.t1.c0"}}`)
	})
	synctest.Test(t, func(t *testing.T) {
		s := open(t, serve.Config{Agent: office(llmtest.Script(t, asks()...))})
		events := s.run(t, "x", agUser).all(t)
		require.Equal(t, []string{
			"TOOL_CALL_START m1.s1 r1.t1.c0",
			"SUBAGENT_STARTED r1.t1.c0 cashierr1.t1.c0",
			"TEXT_MESSAGE_CONTENT r1.t1.c0/r1.t1 I look first. r1.t1.c0",
			"TOOL_CALL_START r1.t1.c0/r1.t1 r1.t1.c0/r1.t1.c0 r1.t1.c0",
			"TOOL_CALL_START r1.t1.c0/r1.t1 r1.t1.c0/r1.t1.c1 r1.t1.c0",
			"TOOL_CALL_RESULT r1.t1.c0/r1.t1.c0.result r1.t1.c0/r1.t1.c0 r1.t1.c0",
			`SUBAGENT_FINISHED r1.t1.c0 {"type":"suspended"}`,
		}, told(t, events))
		id := question.FindStringSubmatch(strings.Join(events, "\n"))[1]
		require.Equal(t, []string{
			"TOOL_CALL_RESULT r1.t1.c0/r1.t1.c1.result r1.t1.c0/r1.t1.c1",
			"SUBAGENT_STARTED r1.t1.c0 cashierr1.t1.c0",
			"TEXT_MESSAGE_CONTENT r1.t1.c0/r1.t2 It is paid. r1.t1.c0",
			`SUBAGENT_FINISHED r1.t1.c0 {"type":"success"}`,
			"TOOL_CALL_RESULT r1.t1.c0.result r1.t1.c0",
			"TEXT_MESSAGE_CONTENT m1.1 Done.",
		}, told(t, s.run(t, "y", `"messages":[],"resume":[{"interruptId":"`+id+`","status":"resolved","payload":{"approved":true}}]`).all(t)))
	})
}

// TestHelperEnds: an answer of a helper that a check replaces or refuses is not told, and a
// helper without an end is an error of the sub-agent.
func TestHelperEnds(t *testing.T) {
	t.Parallel()
	check := agent.Check{Name: "tone", Output: func(_ context.Context, o agent.Subject) (agent.Verdict, error) {
		switch {
		case strings.Contains(o.Text, "rude"):
			return agent.Verdict{Again: "Be polite."}, nil
		case strings.Contains(o.Text, "secret"):
			return agent.Verdict{Replace: "[withheld]"}, nil
		}
		return agent.Verdict{}, nil
	}}
	synctest.Test(t, func(t *testing.T) {
		s := open(t, serve.Config{Agent: office(llmtest.Script(t, asks()[0], llmtest.Text("A rude answer."), llmtest.Text("A secret answer."), llmtest.Text("Done.")), check)})
		events := s.run(t, "x", agUser).all(t)
		require.Equal(t, []string{
			"TOOL_CALL_START m1.s1 r1.t1.c0",
			"SUBAGENT_STARTED r1.t1.c0 cashierr1.t1.c0",
			"TEXT_MESSAGE_CONTENT r1.t1.c0/r1.t2 [withheld] r1.t1.c0",
			`SUBAGENT_FINISHED r1.t1.c0 {"type":"success"}`,
			"TOOL_CALL_RESULT r1.t1.c0.result r1.t1.c0",
			"TEXT_MESSAGE_CONTENT m1.1 Done.",
		}, told(t, events))
		require.NotContains(t, strings.Join(events, ""), "rude")
	})
	synctest.Test(t, func(t *testing.T) {
		chief := office(llmtest.Script(t, asks()[0], look("W1"), llmtest.Text("Sorry.")))
		chief.Helpers[0].MaxTurns = 1
		s := open(t, serve.Config{Agent: chief, Logger: slog.New(slog.DiscardHandler)})
		require.Contains(t, strings.Join(s.run(t, "x", agUser).all(t), "\n"), `{"type":"SUBAGENT_ERROR","message":"The helper came to no end.","subagentRunId":"r1.t1.c0"}`)
	})
}
