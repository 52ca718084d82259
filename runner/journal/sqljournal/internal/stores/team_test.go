package stores_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// The instructions of the agents of a team.
const (
	triageName = "triage"
	workerName = "worker"
)

// teamTurns are the turns of a session of a team: a hand-off, two turns of work, a hand-off
// back, an answer that a check refuses, and the answer.
const teamTurns = 6

func (o order) maxTurns() int {
	if o.Team {
		return teamTurns
	}
	return turns
}

// crew names who does the work, for the line of a campaign.
func (o order) crew() string {
	switch {
	case o.Helpers:
		return ", helpers"
	case o.Team:
		return ", checks and hand-offs"
	}
	return ""
}

// effects are the calls that must have their effect.
func (o order) effects() (refs []string) {
	add := func(path string, first, last int) {
		for turn := first; turn <= last; turn++ {
			for call := range calls {
				refs = append(refs, fmt.Sprintf("%sr1.t%d.c%d", path, turn, call))
			}
		}
	}
	switch {
	case o.Helpers:
		add("r1.t1.c0/", 1, helperTurns)
		add("r1.t1.c1/", 1, helperTurns)
	case o.Team:
		refs = []string{"r1.t1.c1"}
		add("", 2, 3)
	default:
		add("", 1, turns)
	}
	return refs
}

// team returns an agent that hands over to a worker, which hands back. Checks look at
// everything: some pass, one replaces arguments, one replaces results, one refuses an answer.
func team(tools []tool.Tool) *agent.Agent {
	worker := &agent.Agent{Name: workerName, Instructions: workerName, Tools: tools, Checks: checks()}
	triage := &agent.Agent{Name: triageName, Instructions: triageName, Tools: tools, Checks: checks()}
	triage.Handoffs = []agent.Handoff{{Agent: worker, Filter: func(h []llm.Message) []llm.Message {
		if h[0].Text() == "Thank you." {
			h = h[1:]
		}
		return h
	}}}
	worker.Handoffs = []agent.Handoff{{Agent: triage}}
	return triage
}

func checks() []agent.Check {
	pass := func(context.Context, agent.Subject) (agent.Verdict, error) { return agent.Verdict{}, nil }
	return []agent.Check{
		{Name: "barrier", Input: pass, Call: func(_ context.Context, s agent.Subject) (agent.Verdict, error) {
			var in deedArgs
			if s.Call.Name != "repeat" || json.Unmarshal([]byte(s.Text), &in) != nil || in.N > 100 {
				return agent.Verdict{}, nil
			}
			return agent.Verdict{Replace: fmt.Sprintf(`{"n":%d}`, in.N+100)}, nil
		}},
		{Name: "beside", Beside: true, Input: pass},
		{Name: "last", Call: pass, Result: func(_ context.Context, s agent.Subject) (agent.Verdict, error) {
			if !strings.HasPrefix(s.Text, "bank") {
				return agent.Verdict{}, nil
			}
			return agent.Verdict{Replace: "The bank says: " + s.Text}, nil
		}, Output: func(_ context.Context, s agent.Subject) (agent.Verdict, error) {
			if s.Text == "Is all done?" {
				return agent.Verdict{Again: "Do not ask."}, nil
			}
			return agent.Verdict{}, nil
		}},
	}
}

// teamwork is the answer of an agent of a team.
func teamwork(who string, turn int) (*llm.Response, error) {
	call := func(i int, name string) llm.Part {
		args := fmt.Sprintf(`{"n":%d}`, turn)
		if strings.HasPrefix(name, "transfer") {
			args = "{}"
		}
		return llm.ToolCall{ID: fmt.Sprintf("call_%d_%d", turn, i), Name: name, Arguments: args}
	}
	switch {
	case who == triageName && turn == 0:
		return llmtest.Parts(call(0, "transfer_to_worker"), call(1, "gated")).Response()
	case who == workerName && turn <= 2:
		return llmtest.Parts(call(0, "repeat"), call(1, []string{"once", "bank"}[turn%2]), call(2, "gated")).Response()
	case who == workerName:
		return llmtest.Parts(call(0, "transfer_to_triage")).Response()
	case turn == 4:
		return llmtest.Text("Is all done?").Response()
	}
	return llmtest.Text("All is done.").Response()
}
