package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// An Agent is a value: build an Agent as a literal, and do not change the Agent while a
// run uses it. Several runs may use one Agent at the same time.
type Agent struct {
	// Name is the name of the agent in events, logs and errors. Empty means "agent".
	Name string
	// Instructions are sent as the leading system message of each request. Instructions
	// are not part of the history. Empty means that no instructions are sent.
	Instructions string
	// Instruct, if not nil, returns the instructions before each turn, in place of
	// Instructions. An error ends the run.
	Instruct func(context.Context, Info) (string, error)
	// Model generates the responses. A Model of the runner replaces this Model.
	Model llm.Model
	// Tools are the tools that the model may call. The names must differ. The slice is
	// copied when a run starts.
	Tools []tool.Tool
	// Toolsets are further tools, listed before each turn, all sets at the same time. If
	// two tools of Tools and Toolsets have the same name, the run ends with an error. An
	// Optional set drops such a tool instead.
	Toolsets []tool.Set
	// Helpers are agents that the model may call like tools. Their names and those of the
	// Tools must differ.
	Helpers []Helper
	// Handoffs are agents to which the model may give the conversation. The names of their
	// tools and those of the Tools must differ. Agents may hand over to each other.
	Handoffs []Handoff
	// Output is the form of the final answer, usually made by [OutputOf]. The answer is
	// validated, and the model corrects an answer in a wrong form. Nil means text.
	Output *Output
	// Checks look at what enters and leaves the conversation. The order counts for checks on
	// the same thing. The slice is copied when a run starts.
	Checks []Check
	// Settings, such as Temperature, go into each request unchanged, except ToolChoice
	// (see below). A runner enforces two of the settings, because some providers ignore
	// them:
	//
	//   - ParallelToolCalls false: the calls of an answer run one after the other, in
	//     order. A call that waits for approval, or is in doubt, blocks the calls after
	//     it.
	//   - ToolChoice "none", a named tool, or a choice among tools (llm.ToolAmong): a
	//     call that the choice forbids does not run. The model reads the reason. The call
	//     counts as a wrong call (MaxInvalidRounds).
	//   - ToolChoice "required" (also among some tools) or a named tool: the runner sends
	//     the choice until the model makes an allowed call, and again after the caller's
	//     next message. If every turn forced a call, no model could ever answer. The names
	//     of llm.ToolAmong hold for every turn; only the demand to call a tool ends after
	//     the first allowed call. After an answer without a call, the runner sends one more
	//     request; a second such answer in a row fails the run ("no_call"). With
	//     HostedTools, "required" is not enforced, because an answer does not show every
	//     call that a provider ran.
	//
	// A runner does not read the members of Extra.
	//
	// A call of a hosted tool of the type "builtin_function" runs no function: the result
	// is the text of the call's arguments. Kimi requires this for its own tools.
	Settings llm.Settings
}

// Info describes the run for [Agent.Instruct] and for functions of a runner.
type Info struct {
	Session string // name of the session; empty outside a session
	Agent   string // name of the agent
	Run     int    // number of the run in the session, from 1
	Turn    int    // number of the turn that is about to begin, from 1
	// Messages is the history so far. Do not change the messages.
	Messages []llm.Message
	Usage    llm.Usage // the sum over the turns of the run so far
	Tools    []string  // names of the agent's tools, in the order of the request
}

// DisplayName returns the Name, or "agent" if the Name is empty.
func (a *Agent) DisplayName() string {
	if a.Name == "" {
		return "agent"
	}
	return a.Name
}

// Validate returns an error for an Agent that cannot run: the zero [tool.Tool] in Tools,
// two tools or two checks with the same name, a check without a function, an Output without a
// form, or a helper that cannot run or that would help itself. A runner calls Validate before
// the first request.
func (a *Agent) Validate() error {
	if a == nil {
		return errors.New("agent: the Agent is nil")
	}
	return new(validation).run(a, nil)
}

// A validation looks at each agent once, however many helpers share the agent.
type validation struct {
	runs   map[*Agent]int // agents that were checked with all that they reach: how deep helpers are nested in their runs
	agents map[*Agent]int // agents that were checked: how deep their own helpers are nested
}

func note(depths *map[*Agent]int, a *Agent, depth int) {
	if *depths == nil {
		*depths = map[*Agent]int{}
	}
	(*depths)[a] = depth
}

// own checks an agent without the agents to which its Handoffs lead.
func (v *validation) own(a *Agent, outer []*Agent) error {
	seen := make(map[string]bool, len(a.Tools))
	for i, t := range a.Tools {
		if t.IsZero() {
			return fmt.Errorf("agent %q: tool %d is the zero Tool; make tools with tool.New", a.DisplayName(), i)
		}
		if seen[t.Name()] {
			return fmt.Errorf("agent %q: two tools are named %q", a.DisplayName(), t.Name())
		}
		seen[t.Name()] = true
	}
	if err := validateChecks(a.Checks); err != nil {
		return fmt.Errorf("agent %q: %w", a.DisplayName(), err)
	}
	if !a.Output.Any() {
		if err := a.Output.prepare(); err != nil {
			return fmt.Errorf("agent %q: %w", a.DisplayName(), err)
		}
	}
	if err := v.helpers(a, seen, outer); err != nil {
		return err
	}
	return a.validateHandoffs(seen)
}
