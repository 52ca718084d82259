package scenario

import (
	"context"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// A look is a function of a check.
type look = func(context.Context, agent.Subject) (agent.Verdict, error)

// checked gives the desk a check.
func checked(c agent.Check) func(*agent.Agent) {
	c.Name = "guard"
	return func(a *agent.Agent) { a.Checks = []agent.Check{c} }
}

// if9 gives a verdict about everything that names the order W9.
func if9(v agent.Verdict) look {
	return func(_ context.Context, s agent.Subject) (agent.Verdict, error) {
		if strings.Contains(s.Text, "W9") {
			return v, nil
		}
		return agent.Verdict{}, nil
	}
}

// late gives the verdicts of l that are more than a pass after a second, so that checks of
// other things have passed before.
func late(l look) look {
	return func(ctx context.Context, s agent.Subject) (agent.Verdict, error) {
		v, err := l(ctx, s)
		if err == nil && v != (agent.Verdict{}) {
			err = Wait(ctx, 1)
		}
		return v, err
	}
}

// always gives a verdict about everything, after a second.
func always(v agent.Verdict) look {
	return func(ctx context.Context, _ agent.Subject) (agent.Verdict, error) { return v, Wait(ctx, 1) }
}

const nine = "W9 was sent."

// guarded are runs with checks.
var guarded = []Scenario{
	{
		Name: "check stops the input", Agent: checked(agent.Check{Input: always(agent.Verdict{Stop: "no"})}),
		Want: Outcome{Err: "check of input", Took: time.Second},
	},
	{
		Name: "check beside the request stops it", Agent: checked(agent.Check{Beside: true, Input: always(agent.Verdict{Stop: "no"})}),
		Steps: []llmtest.Step{sent.Delay(5 * time.Second)},
		Want:  Outcome{Err: "check of input", Took: time.Second, Requests: 1},
	},
	{
		Name: "check refuses a call", Agent: checked(agent.Check{Call: if9(agent.Verdict{Again: "W9 is secret"})}),
		Steps: []llmtest.Step{Look("W9", 1).And(Look("W1", 1)), sent},
		Want:  Outcome{Text: SentText, Calls: "look: denied, look", Most: 1, Took: time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "check of a call stops the run", Agent: checked(agent.Check{Call: late(if9(agent.Verdict{Stop: "W9 is secret"}))}),
		Steps: []llmtest.Step{Look("W1", 1).And(Look("W9", 1))},
		Want:  Outcome{Err: "check of call", Calls: "look: not_run, look: not_run", Took: time.Second, Usage: Answers(1), Requests: 1},
	},
	{
		Name: "check replaces arguments", Agent: checked(agent.Check{Call: if9(agent.Verdict{Replace: `{"order":"W1","seconds":2}`})}),
		Steps: []llmtest.Step{Look("W9", 1), sent},
		Want:  Outcome{Text: SentText, Calls: "look", Most: 1, Took: 2 * time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "check replaces a result", Agent: checked(agent.Check{Result: if9(agent.Verdict{Replace: "It is secret."})}),
		Steps: []llmtest.Step{Look("W9", 1).And(Look("W1", 1)), sorry},
		Want:  Outcome{Text: SorryText, Calls: "look, look", Most: 2, Took: time.Second, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "check sends the answer back", Agent: checked(agent.Check{Output: if9(agent.Verdict{Again: "W9 is secret"})}),
		Steps: []llmtest.Step{llmtest.Text(nine), sorry},
		Want:  Outcome{Text: SorryText, Usage: Answers(2), Requests: 2},
	},
	{
		Name: "check withdraws the answer", Agent: checked(agent.Check{Output: if9(agent.Verdict{Stop: "W9 is secret"})}),
		Steps: []llmtest.Step{llmtest.Text(nine)},
		Want:  Outcome{Err: "check of output", Usage: Answers(1), Requests: 1, Shown: nine},
	},
	{
		Name: "check with a model", Agent: func(a *agent.Agent) {
			checked(agent.Check{Output: func(ctx context.Context, s agent.Subject) (agent.Verdict, error) {
				resp, err := s.Ask(ctx, nil, &llm.Request{Messages: []llm.Message{llm.User("Is this polite? " + s.Text)}})
				if err != nil || resp.Message.Text() == "yes" {
					return agent.Verdict{}, err
				}
				return agent.Verdict{Replace: resp.Message.Text()}, nil
			}})(a)
		},
		Steps: []llmtest.Step{sorry, sent},
		Want:  Outcome{Text: SentText, Usage: Answers(2), Requests: 2, Shown: SorryText},
	},
}
