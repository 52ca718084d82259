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
	// checked against it. Servers that would then never call a tool are not asked for
	// it while the agent has tools (openai.Profile.OutputAlone), which a notice tells:
	// say in the instructions what the answer is to be, too. Nil: text.
	Output *llm.OutputFormat
	// Settings go into each request as they are, such as Temperature. A runner holds
	// the model to three of them, whatever the provider makes of them:
	//
	//   - ParallelToolCalls false: the calls of an answer run one after the other, in
	//     their order. A call that waits for approval, or is in doubt, holds up those
	//     behind it.
	//   - ToolChoice: a call that it does not let the model make is not run, and the
	//     model reads so. With "none" that is each call, with a named tool the call of
	//     any other. It counts as a wrong call.
	//   - A ToolChoice that makes the model call ("required", a named tool) is in force
	//     until the model has made such a call, and then no more until the caller's next
	//     message: with it, no model could ever answer. An answer without the call is
	//     asked for once more, and then the run fails. With HostedTools, "required" is
	//     left to the provider, which may have run one of its own.
	//
	// Extra is the provider's business, and nothing in it is held to. Of HostedTools a
	// runner answers the calls of the type "builtin_function", as Kimi wants it: with
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
