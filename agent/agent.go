package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// An Agent is a value: build it as a literal, and leave it alone once a run
// uses it. Any number of runs may use one Agent at once.
type Agent struct {
	// Name tells agents apart in events, logs and errors. Empty: "agent".
	Name string
	// Instructions are sent as the leading system message of each request. They
	// are not part of the history. Empty: none are sent.
	Instructions string
	// Instruct, if not nil, is asked for the instructions before each turn, in
	// place of Instructions. Its error ends the run.
	Instruct func(context.Context, Info) (string, error)
	// Model answers. The runner's Model stands in for it if there is one.
	Model llm.Model
	// Tools are what the model may call. Their names must differ. The slice is
	// copied when a run starts.
	Tools []tool.Tool
	// Toolsets are more tools, which are listed before each turn, all sets at the
	// same time. Their names and those of Tools must differ, else the run ends with
	// an error; of a set that is Optional, tools with the name of another are left
	// out.
	Toolsets []tool.Set
	// Output asks the model for a form of its final answer. The answer is not
	// checked against it. Some servers never call a tool if a request asks for a form.
	// Requests to them that offer tools go without Output, and a notice says so (see
	// openai.Profile.OutputAlone). Describe the form in the instructions, too. Nil: text.
	Output *llm.OutputFormat
	// Settings go into each request unchanged, such as Temperature. A runner enforces
	// two of them, because some providers ignore them:
	//
	//   - ParallelToolCalls false: the calls of an answer run one after the other, in
	//     order. A call that waits for approval, or is in doubt, blocks the calls after
	//     it.
	//   - ToolChoice "none" or a named tool: a call that the choice forbids does not
	//     run. The model reads the reason. The call counts as a wrong call
	//     (MaxInvalidRounds).
	//   - ToolChoice "required" or a named tool: the runner sends the choice until the
	//     model makes an allowed call, and again after the caller's next message. If
	//     every turn forced a call, no model could ever answer. The runner asks once
	//     more after an answer without a call; the second such answer in a row fails
	//     the run ("no_call"). It does not enforce "required" if there are HostedTools,
	//     because an answer does not show every call that a provider ran.
	//
	// A runner does not read the members of Extra. It answers calls of HostedTools of
	// the type "builtin_function" with their own arguments, as Kimi requires.
	Settings llm.Settings
}

// Info is what [Agent.Instruct] is told about the run that it is asked for.
type Info struct {
	Session string // empty outside a session
	Run     int    // of the session, from 1
	Turn    int    // that is about to begin, from 1
	// Messages is the history so far. It is for reading only.
	Messages []llm.Message
}

// DisplayName returns the Name, or "agent" if it has none.
func (a *Agent) DisplayName() string {
	if a.Name == "" {
		return "agent"
	}
	return a.Name
}

// Validate reports an Agent that cannot run, whatever its model says: a tool
// that is the zero [tool.Tool], or two tools of one name. A runner calls it
// before the first request.
func (a *Agent) Validate() error {
	if a == nil {
		return errors.New("agent: is nil")
	}
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
	return nil
}
