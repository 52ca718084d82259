package scenario

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A Report is the typed answer of the flows.
type Report struct {
	Order string `json:"order"`
	Days  int    `json:"days" jsonschema:"minimum=0"`
}

const (
	report  = `{"order":"W1","days":3}`
	tooLate = `{"order":"W1","days":90}`
)

// reporting gives the desk a typed answer, with a check.
func reporting(a *agent.Agent) {
	a.Output = agent.OutputOf(func(_ context.Context, r Report) error {
		if r.Days > 30 {
			return errors.New("no order takes that long")
		}
		return nil
	})
}

func choosing(c llm.ToolChoice) func(*agent.Agent) {
	return func(a *agent.Agent) { a.Settings.ToolChoice = c }
}

// paying gives the desk a tool that a person must approve.
func paying(a *agent.Agent) {
	a.Tools = append(a.Tools, tool.Must(tool.New("pay", "Pays an order.", func(_ context.Context, in RefundArgs) (string, error) {
		return "Paid.", nil
	}, tool.NeedsApproval())))
}

func pay() llmtest.Step { return llmtest.Calls("pay", RefundArgs{"W1", 5, nil}) }

func deciding(decide func(runner.Pending) runner.Input) runner.Runner {
	return runner.Runner{Decide: func(_ context.Context, p runner.Pending) (runner.Input, error) { return decide(p), nil }}
}

func wire(status int, message string) llmtest.Step {
	return llmtest.Wire(status, nil, `{"error":{"message":"`+message+`"}}`)
}

func failing(status int, kind llm.ErrorKind, message string) llmtest.Step {
	return llmtest.Fail(&llm.APIError{Kind: kind, Provider: "openai", StatusCode: status, Message: message})
}

func cents(string, llm.Usage) float64 { return 1 }

func limited(l runner.Limits) runner.Runner { return runner.Runner{Limits: l, Cost: cents} }

func lastAnswer(r runner.Runner) runner.Runner {
	r.AtLimit = runner.LastAnswer
	return r
}

// flows are the runs that the lists of other libraries name: typed answers and their
// repair, limits and last answers, decisions of people, faults and recoveries.
var flows = []Scenario{
	{
		Name: "typed answer", Agent: reporting,
		Steps: []llmtest.Step{Look("W1", 1), llmtest.Text(report)},
		Want:  Outcome{Text: report, Calls: "look", Most: 1, Took: time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "typed answer in a fence", Agent: reporting,
		Steps: []llmtest.Step{llmtest.Text("```json\n" + report + "\n```")},
		Want:  Outcome{Text: "```json\n{\"order\":\"W1\",\"days\":3}\n```", Usage: Answers(1), Requests: 1},
	},
	{
		Name: "typed answer with text around", Agent: reporting,
		Steps: []llmtest.Step{llmtest.Text("Here it is: " + report + " Anything else?")},
		Want:  Outcome{Text: "Here it is: {\"order\":\"W1\",\"days\":3} Anything else?", Usage: Answers(1), Requests: 1},
	},
	{
		Name: "typed answer corrected", Agent: reporting,
		Steps: []llmtest.Step{llmtest.Text("Three days."), llmtest.Text(report)},
		Want:  Outcome{Text: report, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "typed answer refused by a check", Agent: reporting,
		Steps: []llmtest.Step{llmtest.Text(tooLate), Look("W1", 1), llmtest.Text(report)},
		Want:  Outcome{Text: report, Calls: "look", Most: 1, Took: time.Second, Usage: Answers(3), Requests: 3},
	},
	{
		Name: "typed answer never right", Agent: reporting,
		Steps: []llmtest.Step{llmtest.Text("Three."), llmtest.Text("Four."), llmtest.Text("Five.")},
		Want:  Outcome{Text: "Five.", Err: "output refused false", Usage: Answers(3), Requests: 3},
	},
	{
		Name: "typed answer cut off", Agent: reporting,
		Steps: []llmtest.Step{llmtest.Text(`{"order":"W`).Finish("length")},
		Want:  Outcome{Text: "{\"order\":\"W", Err: "finish length", Usage: Answers(1), Requests: 1},
	},
	{
		Name: "typed answer after an empty turn", Agent: reporting,
		Steps: []llmtest.Step{llmtest.Text(""), llmtest.Text(report)},
		Want:  Outcome{Text: report, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "call in place of the corrected answer", Agent: reporting,
		Steps: []llmtest.Step{llmtest.Text("Three."), Look("W1", 1), llmtest.Text(report)},
		Want:  Outcome{Text: report, Calls: "look: not_run", Usage: Answers(3), Requests: 3},
	},
	{
		Name: "typed answer declined", Agent: reporting,
		Steps: []llmtest.Step{Look("W1", 1), llmtest.Refusal("I may not say.")},
		Want:  Outcome{Err: "finish refusal", Calls: "look", Most: 1, Took: time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "two typed answers in one", Agent: reporting,
		Steps: []llmtest.Step{llmtest.Text(report + report), llmtest.Text(report)},
		Want:  Outcome{Text: report, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "typed last answer", Agent: reporting, Runner: lastAnswer(runner.Runner{MaxTurns: 1}),
		Steps: []llmtest.Step{Look("W1", 1), llmtest.Text("Three."), llmtest.Text(report)},
		Want:  Outcome{Text: report, Calls: "look", Most: 1, Took: time.Second, Usage: Answers(3), Requests: 3},
	},

	{
		Name: "call limit refuses the batch", Runner: limited(runner.Limits{ToolCalls: 2}),
		Steps: []llmtest.Step{Look("W1", 1), Look("W2", 1).And(Look("W3", 1))},
		Want:  Outcome{Err: "limit of tool_calls", Calls: "look, look: not_run, look: not_run", Most: 1, Took: time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "call limit with a last answer", Runner: lastAnswer(limited(runner.Limits{ToolCalls: 1})),
		Steps: []llmtest.Step{Look("W1", 1), Look("W2", 1), sent},
		Want:  Outcome{Text: SentText, Calls: "look, look: not_run", Most: 1, Took: time.Second, Usage: Answers(3), Requests: 3},
	},
	{
		Name: "token limit", Runner: limited(runner.Limits{Tokens: 30}),
		Steps: []llmtest.Step{Look("W1", 1), Look("W2", 1)},
		Want:  Outcome{Err: "limit of tokens", Calls: "look, look", Most: 1, Took: 2 * time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "input limit with a last answer", Runner: lastAnswer(limited(runner.Limits{InputTokens: 20})),
		Steps: []llmtest.Step{Look("W1", 1), Look("W2", 1), sent},
		Want:  Outcome{Text: SentText, Calls: "look, look", Most: 1, Took: 2 * time.Second, Usage: Answers(3), Requests: 3},
	},
	{
		Name: "cost limit", Runner: limited(runner.Limits{Cost: 2}),
		Steps: []llmtest.Step{Look("W1", 1), Look("W2", 1)},
		Want:  Outcome{Err: "limit of cost", Calls: "look, look", Most: 1, Took: 2 * time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name:   "request limit", // the question and the instructions alone exceed the bound
		Runner: limited(runner.Limits{RequestTokens: 10}),
		Want:   Outcome{Err: "limit of request_tokens"},
	},
	{
		Name: "calls in place of the last answer", Runner: lastAnswer(runner.Runner{MaxTurns: 1}),
		Steps: []llmtest.Step{Look("W1", 1), Look("W2", 1)},
		Want:  Outcome{Err: "limit of turns", Calls: "look, look: not_run", Most: 1, Took: time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "exactly the turns of the limit", Runner: runner.Runner{MaxTurns: 2},
		Steps: []llmtest.Step{Look("W1", 1), sent},
		Want:  Outcome{Text: SentText, Calls: "look", Most: 1, Took: time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "turn limit with a last answer", Runner: lastAnswer(runner.Runner{MaxTurns: 1}),
		Steps: []llmtest.Step{Look("W1", 1), sent},
		Want:  Outcome{Text: SentText, Calls: "look", Most: 1, Took: time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "limit of wrong rounds", Runner: runner.Runner{MaxInvalidRounds: 2},
		Steps: []llmtest.Step{Refund("W1", 0), llmtest.Calls("lok", nil)},
		Want:  Outcome{Err: "limit of invalid_rounds", Calls: "refund: invalid_arguments, lok: unknown_tool", Usage: Answers(2), Requests: 2},
	},
	{
		Name: "right call between wrong rounds", Runner: runner.Runner{MaxInvalidRounds: 2},
		Steps: []llmtest.Step{Refund("W1", 0), Look("W1", 1), Refund("W1", 0), sent},
		Want:  Outcome{Text: SentText, Calls: "refund: invalid_arguments, look, refund: invalid_arguments", Most: 1, Took: time.Second, Usage: Answers(4), Requests: 4},
	},
	{
		Name: "repeated calls end after a nudge", Runner: limited(runner.Limits{Repeats: 2}),
		Steps: []llmtest.Step{Look("W1", 1), Look("W1", 1), sorry},
		Want:  Outcome{Text: SorryText, Calls: "look, look", Most: 1, Took: 2 * time.Second, Usage: Answers(3), Requests: 3},
	},
	{
		Name: "repeated calls end the run", Runner: limited(runner.Limits{Repeats: 2}),
		Steps: []llmtest.Step{Look("W1", 1), Look("W1", 1), Look("W1", 1), Look("W1", 1)},
		Want:  Outcome{Err: "limit of stall", Calls: "look, look, look, look", Most: 1, Took: 4 * time.Second, Usage: Answers(4), Requests: 4},
	},
	{
		Name: "cycle of calls ends the run", Runner: limited(runner.Limits{Repeats: 2}),
		Steps: []llmtest.Step{
			Look("W1", 1), Look("W2", 1), Look("W1", 1), Look("W2", 1), Look("W1", 1), Look("W2", 1), Look("W1", 1), Look("W2", 1),
		},
		Want: Outcome{Err: "limit of stall", Calls: "look, look, look, look, look, look, look, look", Most: 1, Took: 8 * time.Second, Usage: Answers(8), Requests: 8},
	},
	{
		Name: "stall with a last answer", Runner: lastAnswer(limited(runner.Limits{Repeats: 2})),
		Steps: []llmtest.Step{Look("W1", 1), Look("W1", 1), Look("W1", 1), Look("W1", 1), sorry},
		Want:  Outcome{Text: SorryText, Calls: "look, look, look, look", Most: 1, Took: 4 * time.Second, Usage: Answers(5), Requests: 5},
	},

	{
		Name: "approved call", Agent: paying, Runner: deciding(runner.Pending.Approve),
		Steps: []llmtest.Step{pay(), sent},
		Want:  Outcome{Text: SentText, Calls: "pay", Most: 1, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "decline with a reason", Agent: paying, Runner: deciding(func(p runner.Pending) runner.Input { return p.Deny("ask the boss") }),
		Steps: []llmtest.Step{pay(), sorry},
		Want:  Outcome{Text: SorryText, Calls: "pay: denied", Usage: Answers(2), Requests: 2},
	},
	{
		Name: "approval that stands", Agent: paying,
		Runner: deciding(func(p runner.Pending) runner.Input {
			return runner.By("ada", p.ApproveAlways(event.EveryCall), "a contract")
		}),
		Steps: []llmtest.Step{pay(), pay().And(Look("W1", 2)), sent},
		Want:  Outcome{Text: SentText, Calls: "pay, pay, look", Most: 1, Took: 2 * time.Second, Usage: Answers(3), Requests: 3},
	},
	{
		Name: "decline that stands", Agent: paying,
		Runner: deciding(func(p runner.Pending) runner.Input { return p.DenyAlways(event.SameArguments, "no") }),
		Steps:  []llmtest.Step{pay(), pay(), sorry},
		Want:   Outcome{Text: SorryText, Calls: "pay: denied, pay: denied", Usage: Answers(3), Requests: 3},
	},
	{
		Name: "decline beside other calls", Agent: paying, Runner: deciding(func(p runner.Pending) runner.Input { return p.Deny("no") }),
		Steps: []llmtest.Step{pay().And(Look("W1", 2)), sorry},
		Want:  Outcome{Text: SorryText, Calls: "pay: denied, look", Most: 1, Took: 2 * time.Second, Usage: Answers(2), Requests: 2},
	},

	{
		Name:  "tool error then recovery",
		Steps: []llmtest.Step{Refund("W0", 5), Refund("W1", 5), sent},
		Want:  Outcome{Text: SentText, Calls: "refund: failed, refund", Most: 1, Took: 3 * time.Second, Usage: Answers(3), Requests: 3},
	},
	{
		Name:  "unknown tool then the right name",
		Steps: []llmtest.Step{llmtest.Calls("lok", nil), Look("W1", 1), sent},
		Want:  Outcome{Text: SentText, Calls: "lok: unknown_tool, look", Most: 1, Took: time.Second, Usage: Answers(3), Requests: 3},
	},
	{
		Name:  "tool that wants another call",
		Steps: []llmtest.Step{llmtest.Calls("again", nil), sorry},
		Want:  Outcome{Text: SorryText, Calls: "again: invalid_arguments", Most: 1, Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "tool that hides its error",
		Steps: []llmtest.Step{llmtest.Calls("hide", nil), sorry},
		Want:  Outcome{Text: SorryText, Calls: "hide: failed", Most: 1, Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "abort alone",
		Steps: []llmtest.Step{llmtest.Calls("abort", nil)},
		Want:  Outcome{Err: "turn 1: tool abort: the shop is closed", Calls: "abort: failed", Most: 1, Usage: Answers(1), Requests: 1},
	},
	{
		Name:  "panic beside a good call",
		Steps: []llmtest.Step{llmtest.Calls("break_down", nil).And(Look("W1", 2)), sent},
		Want:  Outcome{Text: SentText, Calls: "break_down: panicked, look", Most: 1, Took: 2 * time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "timeout beside a good call",
		Steps: []llmtest.Step{llmtest.Calls("sleep", nil).And(Look("W1", 2)), sent},
		Want:  Outcome{Text: SentText, Calls: "sleep: timed_out, look", Most: 2, Took: 2 * time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "the same tool twice, one call fails",
		Steps: []llmtest.Step{Refund("W0", 5).And(Refund("W1", 5)), sorry},
		Want:  Outcome{Text: SorryText, Calls: "refund: failed, refund", Most: 1, Took: 3 * time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "text beside a call",
		Steps: []llmtest.Step{llmtest.Text("I look.").And(Look("W1", 1)), sent},
		Want:  Outcome{Text: SentText, Calls: "look", Most: 1, Took: time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "reasoning before a call",
		Steps: []llmtest.Step{llmtest.Reasoning("Where is it?").And(Look("W1", 1)), sent},
		Want:  Outcome{Text: SentText, Calls: "look", Most: 1, Took: time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "two empty turns",
		Steps: []llmtest.Step{llmtest.Text(""), llmtest.Text("")},
		Want:  Outcome{Err: "finish empty", Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "cut off call then a whole one",
		Steps: []llmtest.Step{Look("W1", 1).Finish("length"), Look("W1", 1), sent},
		Want:  Outcome{Text: SentText, Calls: "look: not_run, look", Most: 1, Took: time.Second, Usage: Answers(3), Requests: 3},
	},
	{
		Name:  "cut off calls twice",
		Steps: []llmtest.Step{Look("W1", 1).Finish("length"), Look("W1", 1).Finish("length")},
		Want:  Outcome{Err: "finish cut_off", Calls: "look: not_run, look: not_run", Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "refusal after a call",
		Steps: []llmtest.Step{Look("W1", 1), llmtest.Refusal("No.")},
		Want:  Outcome{Err: "finish refusal", Calls: "look", Most: 1, Took: time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name:  "filter after a call",
		Steps: []llmtest.Step{Look("W1", 1), llmtest.Text("It").Finish("content_filter")},
		Want:  Outcome{Text: "It", Err: "finish content_filter", Calls: "look", Most: 1, Took: time.Second, Usage: Answers(2), Requests: 2},
	},

	{
		Name: "forced call, then an answer", Agent: choosing(llm.ToolNamed("look")),
		Steps: []llmtest.Step{Look("W1", 1), sent},
		Want:  Outcome{Text: SentText, Calls: "look", Most: 1, Took: time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "required call that does not come", Agent: choosing(llm.ToolRequired),
		Steps: []llmtest.Step{sent, sent},
		Want:  Outcome{Text: SentText, Err: "finish no_call", Usage: Answers(2), Requests: 2},
	},
	{
		Name: "required call that comes late", Agent: choosing(llm.ToolRequired),
		Steps: []llmtest.Step{sorry, Look("W1", 1), sent},
		Want:  Outcome{Text: SentText, Calls: "look", Most: 1, Took: time.Second, Usage: Answers(3), Requests: 3},
	},
	{
		Name: "forbidden call", Agent: choosing(llm.ToolNone),
		Steps: []llmtest.Step{Look("W1", 1), sorry},
		Want:  Outcome{Text: SorryText, Calls: "look: not_run", Usage: Answers(2), Requests: 2},
	},
	{
		Name: "call outside the allowed tools", Agent: choosing(llm.ToolAmong(llm.ToolAuto, "look")),
		Steps: []llmtest.Step{Refund("W1", 5).And(Look("W1", 1)), sorry},
		Want:  Outcome{Text: SorryText, Calls: "refund: not_run, look", Most: 1, Took: time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "calls one after the other", Agent: func(a *agent.Agent) { a.Settings.ParallelToolCalls = new(false) },
		Steps: []llmtest.Step{Look("W1", 2).And(Look("W2", 2)), sent},
		Want:  Outcome{Text: SentText, Calls: "look, look", Most: 1, Took: 4 * time.Second, Usage: Answers(2), Requests: 2},
	},

	{
		Name:  "server error then success",
		Steps: []llmtest.Step{wire(http.StatusInternalServerError, "Oh."), sent},
		Want:  Outcome{Text: SentText, Usage: Answers(1), Requests: 2},
	},
	{
		Name:  "overloaded until the end",
		Steps: []llmtest.Step{failing(503, llm.KindOverloaded, "Busy."), failing(503, llm.KindOverloaded, "Busy."), failing(503, llm.KindOverloaded, "Busy."), failing(503, llm.KindOverloaded, "Busy.")},
		Want:  Outcome{Err: "overloaded", Requests: 4},
	},
	{
		Name:  "wrong key",
		Steps: []llmtest.Step{failing(401, llm.KindAuth, "Wrong key.")},
		Want:  Outcome{Err: "auth", Requests: 1},
	},
	{
		Name: "hang up before the first answer", HangUp: time.Second,
		Steps: []llmtest.Step{sent.Delay(5 * time.Second)},
		Want:  Outcome{Err: "hung up", Took: time.Second, Requests: 1},
	},
	{
		Name: "hang up while a person decides", HangUp: time.Second, Agent: paying, Runner: runner.Runner{
			Decide: func(ctx context.Context, _ runner.Pending) (runner.Input, error) { return nil, Wait(ctx, 60) },
		},
		Steps: []llmtest.Step{pay()},
		Want:  Outcome{Err: "turn 1: call r1.t1.c0: Decide: the customer hung up", Calls: "pay", Took: time.Second, Usage: Answers(1), Requests: 1},
	},
	{
		Name: "run out of time", Runner: runner.Runner{RunTimeout: 3 * time.Second},
		Steps: []llmtest.Step{Look("W1", 60)},
		Want:  Outcome{Err: "limit of run_time", Calls: "look", Took: 3 * time.Second, Usage: Answers(1), Requests: 1},
	},
}
