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
	// checked against it. Nil: text.
	Output *llm.OutputFormat
	// Settings go into each request as they are, such as Temperature; but a
	// ToolChoice that makes the model call a tool holds for the first turn of a
	// run, since with it no model could ever answer. Of HostedTools a runner
	// answers the calls of the type "builtin_function", as Kimi wants it: with
	// their own arguments.
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
