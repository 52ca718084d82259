package scenario

import (
	"context"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// backOffice gives the desk an agent to hand over to, which hands back. Both have the tools of
// the desk. seen is the filter of the back office.
func backOffice(seen func([]llm.Message) []llm.Message) func(*agent.Agent) {
	return func(a *agent.Agent) {
		back := &agent.Agent{Name: "back office", Instructions: "You have time.", Tools: a.Tools, Toolsets: a.Toolsets}
		back.Handoffs = []agent.Handoff{{Agent: a, Name: "give_back"}}
		a.Handoffs = []agent.Handoff{{Agent: back, Name: "give_away", Filter: seen}}
	}
}

func give(tool string) llmtest.Step { return llmtest.Calls(tool, `{"reason":"it takes time"}`) }

// handoffs are runs with a change of the agent.
var handoffs = []Scenario{
	{
		Name: "hand-off", Agent: backOffice(nil),
		Steps: []llmtest.Step{give("give_away"), Look("W1", 1), sent},
		Want:  Outcome{Text: SentText, Calls: "give_away, look", Most: 1, Took: time.Second, Usage: Answers(3), Requests: 3},
	},
	{
		Name: "hand-off beside other calls", Agent: backOffice(nil),
		Steps: []llmtest.Step{Look("W1", 2).And(give("give_away"), Look("W2", 1)), sent},
		Want:  Outcome{Text: SentText, Calls: "look, give_away, look", Most: 2, Took: 2 * time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "hand-off and back", Agent: backOffice(nil),
		Steps: []llmtest.Step{give("give_away"), give("give_back"), sent},
		Want:  Outcome{Text: SentText, Calls: "give_away, give_back", Usage: Answers(3), Requests: 3},
	},
	{
		Name: "hand-off with a filter", Agent: backOffice(func(history []llm.Message) []llm.Message { return history[:1] }),
		Steps: []llmtest.Step{Look("W1", 1), give("give_away"), sent},
		Want:  Outcome{Text: SentText, Calls: "look, give_away", Most: 1, Took: time.Second, Usage: Answers(3), Requests: 3},
	},
	{
		Name: "hand-off by the program", Agent: backOffice(nil), Runner: runner.Runner{
			BeforeTurn: func(_ context.Context, info agent.Info) (runner.Change, error) {
				if info.Turn == 2 {
					return runner.Change{Handoff: "back office"}, nil
				}
				return runner.Change{}, nil
			},
		},
		Steps: []llmtest.Step{Look("W1", 1), sent},
		Want:  Outcome{Text: SentText, Calls: "look", Most: 1, Took: time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "hand-off without end", Agent: backOffice(nil), Runner: limited(runner.Limits{Handoffs: 2}),
		Steps: []llmtest.Step{give("give_away"), give("give_back"), give("give_away")},
		Want:  Outcome{Err: "limit of handoffs", Calls: "give_away, give_back, give_away", Usage: Answers(3), Requests: 3},
	},
}
