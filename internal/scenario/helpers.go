package scenario

import (
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// helped gives the desk a helper with the tools of the desk, and with a tool that a person must
// approve. change, if not nil, changes the helper.
func helped(change func(*agent.Helper)) func(*agent.Agent) {
	return func(a *agent.Agent) {
		cashier := &agent.Agent{Name: "cashier", Instructions: "You pay.", Tools: a.Tools, Toolsets: a.Toolsets}
		paying(cashier)
		a.Helpers = []agent.Helper{{Name: "ask_cashier", Description: "Pays.", Agent: cashier}}
		if change != nil {
			change(&a.Helpers[0])
		}
	}
}

func ask() llmtest.Step { return llmtest.Calls("ask_cashier", `{"task":"Pay W1."}`) }

var paid = llmtest.Text("It is paid.")

// helpers are runs with a helper.
var helpers = []Scenario{
	{
		Name: "helper", Agent: helped(nil),
		Steps: []llmtest.Step{ask(), Look("W1", 1), paid, sent},
		Want:  Outcome{Text: SentText, Calls: "ask_cashier, look", Most: 2, Took: time.Second, Usage: Answers(4), Requests: 4},
	},
	{
		Name: "call of a helper approved", Agent: helped(nil), Runner: deciding(func(p runner.Pending) runner.Input { return p.Approve() }),
		Steps: []llmtest.Step{ask(), pay(), paid, sent},
		Want:  Outcome{Text: SentText, Calls: "ask_cashier, pay", Most: 1, Usage: Answers(4), Requests: 4},
	},
	{
		Name: "call of a helper denied", Agent: helped(nil), Runner: deciding(func(p runner.Pending) runner.Input { return p.Deny("the shop has no money") }),
		Steps: []llmtest.Step{ask(), pay().And(Look("W1", 1)), sorry, sorry},
		Want:  Outcome{Text: SorryText, Calls: "ask_cashier, pay: denied, look", Most: 2, Took: time.Second, Usage: Answers(4), Requests: 4},
	},
	{
		Name: "helper without end", Agent: helped(func(h *agent.Helper) { h.MaxTurns = 2 }),
		Steps: []llmtest.Step{ask(), Look("W1", 1), Look("W2", 1), sorry},
		Want:  Outcome{Text: SorryText, Calls: "ask_cashier: failed, look, look", Most: 2, Took: 2 * time.Second, Usage: Answers(4), Requests: 4},
	},
	{
		Name: "hand-off inside of a helper", Agent: helped(func(h *agent.Helper) { backOffice(nil)(h.Agent) }),
		Steps: []llmtest.Step{ask(), give("give_away"), Look("W1", 1), paid, sent},
		Want:  Outcome{Text: SentText, Calls: "ask_cashier, give_away, look", Most: 2, Took: time.Second, Usage: Answers(5), Requests: 5},
	},
	{
		Name: "check inside of a helper", Agent: helped(func(h *agent.Helper) {
			checked(agent.Check{Call: if9(agent.Verdict{Again: "W9 is secret"})})(h.Agent)
		}),
		Steps: []llmtest.Step{ask(), Look("W9", 1), sorry, sorry},
		Want:  Outcome{Text: SorryText, Calls: "ask_cashier, look: denied", Most: 1, Usage: Answers(4), Requests: 4},
	},
}
