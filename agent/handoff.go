package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A Handoff lets the model give the conversation to another agent:
//
//	triage.Handoffs = []agent.Handoff{{Agent: billing, Description: "For invoices and refunds."}}
//
// The model sees a tool. After a call of the tool, and after all other calls of the same
// answer, the run goes on as the other agent, with its model, instructions, tools, checks and
// Output. Limits and usage go on. Agents may hand over to each other and back; the Limits of
// the runner bound the hand-offs of a run (Handoffs).
//
// A session stays with the agent that has the conversation: give the first agent to each run
// of the session, and the run finds the other agent by its name among the agents that the
// Handoffs reach. A hand-off that was recorded and not made, because the process died, goes to
// the agent of that name, too, with the Filter of the Handoff that now leads to it. Without an
// agent of the name, runs end with an error and change nothing. runner.Change.Handoff is a hand-off by a function of the program.
type Handoff struct {
	// Agent goes on with the conversation. If the Agent has no Model, it uses the Model of the
	// first agent.
	Agent *Agent
	// Name is the name of the tool. Empty means "transfer_to_" and the name of the Agent.
	Name string
	// Description tells the model when to hand over. The model reads it after a sentence with
	// the name of the Agent.
	Description string
	// Filter, if not nil, returns what the next agent sees of the conversation. It must keep
	// the last message of the user, system messages, each call with its results, and calls that
	// a person decided about. The journal keeps everything. The slice is the Filter's; the
	// contents of the messages are only for reading. If a Filter panics or breaks these rules,
	// the run ends with an error: the first agent keeps the conversation, and reads in the next
	// run that it was not handed over. Nil means the whole conversation.
	Filter func(history []llm.Message) []llm.Message
}

type handoffArgs struct {
	Reason string `json:"reason,omitempty" jsonschema_description:"Why, and what the other agent must know that the conversation does not say."`
}

// Tool returns the tool that the model sees. The runner does not call its function.
func (h *Handoff) Tool() (tool.Tool, error) {
	if h.Agent == nil {
		return tool.Tool{}, errors.New("it has no Agent")
	}
	name, text := h.Name, fmt.Sprintf("Hands the conversation over to the agent %q.", h.Agent.DisplayName())
	if name == "" {
		name = "transfer_to_" + toolName(h.Agent.DisplayName())
	}
	if h.Description != "" {
		text += " " + h.Description
	}
	return tool.New(name, text, func(context.Context, handoffArgs) (string, error) { return "", nil })
}

// toolName returns a name with characters for every provider.
func toolName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
}

// Reachable returns a and the agents to which its Handoffs lead, also over other agents. a is
// the first. Agents of Helpers are not among them.
func (a *Agent) Reachable() []*Agent {
	all := []*Agent{a}
	for i := 0; i < len(all); i++ {
		for _, h := range all[i].Handoffs {
			if h.Agent != nil && !slices.Contains(all, h.Agent) {
				all = append(all, h.Agent)
			}
		}
	}
	return all
}

// validateHandoffs checks the Handoffs of a. names are the names of the tools of a.
func (a *Agent) validateHandoffs(names map[string]bool) error {
	for i := range a.Handoffs {
		h := &a.Handoffs[i]
		t, err := h.Tool()
		switch {
		case err != nil:
			return fmt.Errorf("agent %q: hand-off %d: %w", a.DisplayName(), i, err)
		case h.Agent == a:
			return fmt.Errorf("agent %q: hand-off %d: the agent would hand over to itself", a.DisplayName(), i)
		case names[t.Name()]:
			return fmt.Errorf("agent %q: two tools are named %q", a.DisplayName(), t.Name())
		}
		names[t.Name()] = true
	}
	return nil
}

// run checks a and the agents to which its Handoffs lead. outer are the agents that a helps. An
// agent that was checked below other agents has no outer agent below: otherwise the check would
// have come back to the agent itself.
func (v *validation) run(a *Agent, outer []*Agent) error {
	if depth, checked := v.runs[a]; checked {
		if len(outer)+depth > maxHelpers {
			return errTooDeep
		}
		return nil
	}
	named, depth := map[string]bool{}, 0
	for _, b := range a.Reachable() {
		if named[b.DisplayName()] {
			return fmt.Errorf("agent %q: its hand-offs lead to two agents that are named %q", a.DisplayName(), b.DisplayName())
		}
		named[b.DisplayName()] = true
		if slices.Contains(outer, b) {
			return fmt.Errorf("the agent %q would help itself: its helper %q hands over to it", b.DisplayName(), a.DisplayName())
		}
		if below, checked := v.agents[b]; checked && len(outer)+below > maxHelpers {
			return errTooDeep
		} else if !checked {
			if err := v.own(b, outer); err != nil {
				return err
			}
		}
		depth = max(depth, v.agents[b])
	}
	if len(outer) > 0 { // nobody comes back to the first agent
		note(&v.runs, a, depth)
	}
	return nil
}
