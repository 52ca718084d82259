package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A Helper is an agent as a tool of another agent:
//
//	agent.Helper{Name: "find_sources", Description: "Finds sources for a claim.", Agent: researcher}
//
// The model calls the helper like a tool, with {"task": "…"}. The call starts a run of the
// helper's Agent in the same session, and the final answer of that run is the result: a text,
// or JSON if the Agent has an Output. After a hand-off inside the helper's run, the result has
// the form of the agent that answers. Several helpers of one turn run at the same time.
//
//   - The events of the helper's run are in the same stream and journal, with the call as
//     their Path. After a pause or a crash, the helper's run goes on where it was.
//   - If a call of the helper needs a decision, the outer run does everything else, and
//     pauses. Result.Pending has the calls of helpers, too.
//   - A helper whose run fails, for example at a limit, is a failed call: the model of the
//     outer run reads the reason. [tool.Abort] ends the outer run.
//   - Usage and cost of the helper count in the outer run, whose Limits, Budget, deadline and
//     cancellation hold for the helper, too.
//   - The helper's run has the Runner of the outer run, with these exceptions: BeforeTurn and
//     StopWhen are not called, and AtLimit is called at the helper's own limits only.
type Helper struct {
	// Name and Description are those of the tool that the model sees.
	Name, Description string
	// Agent does the work. If it has no Model, it uses the Model of the outer agent. Its own
	// helpers may call further helpers, but no agent may help itself.
	Agent *Agent
	// Task, if not zero, replaces Name and Description: the model calls this tool, and the
	// result of its function is the message that the Agent reads. So the arguments can have
	// any type, and the options of the tool hold for the helper: [tool.NeedsApproval],
	// [tool.Concurrency], [tool.Alone], [tool.Final], and [tool.MaxResult], which bounds the
	// message and the answer. [tool.Timeout] bounds the helper's run; the default is no bound
	// but the context of the outer run. After a crash, the runner may call the function again, so the
	// function must have no effect.
	Task tool.Tool
	// Sees, if not nil, returns the part of the outer conversation that the Agent reads
	// before the task. history ends before the answer with the call. The slice belongs to
	// Sees; the contents of the messages are only for reading. Sees is called once for a call,
	// except after a crash. Nil means that the Agent reads only its task.
	Sees func(history []llm.Message) []llm.Message
	// MaxTurns bounds the turns of the helper's run. Zero means Runner.MaxTurns. -1 means no
	// limit.
	MaxTurns int
	// Limits bound what a run of the helper may spend.
	Limits Limits
}

type task struct {
	Task string `json:"task" jsonschema:"minLength=1" jsonschema_description:"What to do, with everything that one must know for it."`
}

// Tool returns the tool that the model sees. Its function makes the message for the Agent.
func (h *Helper) Tool() (tool.Tool, error) {
	if h.Task.IsZero() {
		return tool.New(h.Name, h.Description, func(_ context.Context, in task) (string, error) { return in.Task, nil })
	}
	if h.Name != "" || h.Description != "" {
		return tool.Tool{}, errors.New("it has a Task, and a Name or a Description")
	}
	return h.Task, nil
}

// maxHelpers bounds how deep helpers are nested, because a longer chain is a mistake.
const maxHelpers = 32

var errTooDeep = fmt.Errorf("helpers are nested more than %d deep", maxHelpers)

// helpers checks the helpers of a, and their agents. outer are the agents around a.
func (v *validation) helpers(a *Agent, names map[string]bool, outer []*Agent) error {
	if len(a.Helpers) == 0 {
		return nil
	}
	if len(outer) == maxHelpers {
		return errTooDeep
	}
	outer = append(slices.Clip(outer), a)
	depth := 0
	for i := range a.Helpers {
		h := &a.Helpers[i]
		t, err := h.Tool()
		switch {
		case err != nil:
			return fmt.Errorf("agent %q: helper %d: %w", a.DisplayName(), i, err)
		case names[t.Name()]:
			return fmt.Errorf("agent %q: two tools are named %q", a.DisplayName(), t.Name())
		case h.Agent == nil:
			return fmt.Errorf("agent %q: helper %q has no Agent", a.DisplayName(), t.Name())
		case slices.Contains(outer, h.Agent):
			return fmt.Errorf("agent %q: helper %q: the agent %q would help itself", a.DisplayName(), t.Name(), h.Agent.DisplayName())
		case h.MaxTurns < -1:
			return fmt.Errorf("agent %q: helper %q: MaxTurns is %d; -1 means no limit", a.DisplayName(), t.Name(), h.MaxTurns)
		}
		names[t.Name()] = true
		if err := v.run(h.Agent, outer); err != nil {
			return fmt.Errorf("agent %q: helper %q: %w", a.DisplayName(), t.Name(), err)
		}
		depth = max(depth, v.runs[h.Agent]+1)
	}
	note(&v.agents, a, depth)
	return nil
}
