package agent

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A Check (a guardrail) looks at what enters or leaves a conversation. Set one function or
// several. A function returns a [Verdict]; the zero Verdict lets the thing pass. The runner
// records each Verdict as an event, so a run that continues after a crash asks nobody twice.
//
//   - Input, Call and Result are barriers: no token is spent before the checks on the input
//     have passed, no tool of a turn runs before the checks on all calls of the turn have
//     passed, and no model reads a result before the checks on it have passed.
//   - The checks on one thing run one after the other, in the order of Agent.Checks, and a
//     later check sees the text that an earlier check wrote. Several things, such as the
//     calls of a turn, are checked at the same time, at most 16.
//   - An error, a panic, and a function that does not return within the runner's ToolTimeout
//     end the run with an error. The log has the stack of a panic.
//   - The calls and results of provider-run (hosted) tools are not checked.
type Check struct {
	// Name is the name of the check in events, logs and errors. It must not be empty, and
	// the names of an agent's checks must differ.
	Name string
	// Input checks each message of the user since the last answer, before a model reads the
	// message. Stop removes the message and everything after it from the conversation.
	Input func(context.Context, Subject) (Verdict, error)
	// Beside runs Input beside the model's request, and not before it. A Verdict other than
	// pass cancels the request, and nothing of its answer is kept. After Replace the model is
	// asked again. A stream may have shown a part of the answer.
	Beside bool
	// Call checks each tool call with the arguments that the tool's function will get, before
	// a person is asked for approval. Stop ends the run, and no call of the answer runs.
	// Replace replaces the arguments. With Again, the call does not run, and the model reads
	// the reason; a turn in which no call is right counts for the runner's MaxInvalidRounds.
	Call func(context.Context, Subject) (Verdict, error)
	// Result checks each result of a tool, failures included. Stop and Replace keep the text
	// of the result from the model. With Again, the model reads the reason as a failure of
	// the call. Of a result that is put aside (runner.Runner.PutAside), Result checks the
	// beginning, and each piece that the model reads with read_result as a result of
	// read_result. After Stop and Again the model can read no piece; Replace changes the
	// beginning only.
	Result func(context.Context, Subject) (Verdict, error)
	// Output checks the final answer, before the form of [Agent.Output]. Stop removes the
	// answer from the conversation. With Again, the model reads the reason and answers again.
	// The result of a tool with tool.Final is a Result, and no Output. A stream may have
	// shown the answer.
	Output func(context.Context, Subject) (Verdict, error)
	// Retries bounds the turns of a run in which this check says Again. One more Again is
	// Stop. Zero means 2. -1 means that the first Again is Stop.
	Retries int
}

// A Subject is the thing that a [Check] looks at. A Subject is only for reading.
type Subject struct {
	// Text is the text of the message, of the result or of the answer. For a call, Text is
	// the arguments as JSON.
	Text string
	// Message is the message of the user, the message with the result, or the answer, with
	// all parts. For a call, Message is the zero Message.
	Message llm.Message
	// Call is the call, or the call of the result.
	Call llm.ToolCall
	// Info describes the run. Its Turn is the turn that reads an input or a result, or whose
	// answer has the call.
	Info Info
	// Ask asks a model; nil means the model of the run. The answer is no turn of the run, but
	// the usage and cost count in the run. Ask is safe for concurrent use until the function
	// returns.
	Ask func(context.Context, llm.Model, *llm.Request) (*llm.Response, error)
}

// A Verdict is the result of a [Check]. At most one field may be set; the zero Verdict means
// pass.
type Verdict struct {
	// Stop ends the run with a *runner.CheckError. The text is the reason.
	Stop string
	// Replace replaces the text of the message, of the result or of the answer, or the
	// arguments of the call. Parts without a text, such as images, stay.
	Replace string
	// Again sends the text to the model as the reason why it must do something else. An Input
	// cannot be done again, so Again is an error there.
	Again string
}

// validateChecks returns why the checks of an agent cannot be used.
func validateChecks(checks []Check) error {
	seen := make(map[string]bool, len(checks))
	for i, c := range checks {
		switch {
		case c.Name == "":
			return fmt.Errorf("check %d has no Name", i)
		case seen[c.Name]:
			return fmt.Errorf("two checks are named %q", c.Name)
		case c.Input == nil && c.Call == nil && c.Result == nil && c.Output == nil:
			return fmt.Errorf("check %q has no function", c.Name)
		case c.Beside && c.Input == nil:
			return fmt.Errorf("check %q is Beside, but has no Input", c.Name)
		case c.Retries < -1:
			return fmt.Errorf("check %q: Retries is %d; -1 means none", c.Name, c.Retries)
		}
		seen[c.Name] = true
	}
	return nil
}
