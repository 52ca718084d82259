// Package runner runs agents. A run asks the model, runs the tool calls of the answer
// concurrently, sends the results back, and repeats until an answer has no calls.
//
//	result, err := runner.Run(ctx, assistant, llm.User("What is it like in Beijing?"))
//	fmt.Println(result.Text)
//
// Most programs use [Run], or the fields of a [Runner] for limits, logs and secrets.
// [Stream] yields every event as it happens. A [Session] keeps a conversation over
// several runs in a journal, and continues a run after a pause or a crash.
//
// # Words
//
//   - turn: one answer of the model, with its tool calls.
//   - run: turns until a final answer or an error. A pause does not end a run.
//   - session: a conversation over several runs. A journal stores the events of a session
//     as one log.
//   - call: a tool call of the model. To run a call, the run invokes the function of the tool.
//   - open: a call is open if the call has not begun.
//   - in doubt: a call is in doubt if the call began and has no recorded end.
//   - decision: an answer about a call that waits for approval or is in doubt. Until then,
//     the call is undecided.
//   - pause: a run that needs a decision pauses until the decision. Nothing runs during a
//     pause.
//
// # Functions of the program
//
// A run invokes a tool's function on a goroutine that is not the caller's. This goroutine
// can invoke another function of the program later, so a function that calls
// [runtime.LockOSThread] must unlock the thread before it returns. The context of the
// function ends at the tool's deadline, at the end of the run's context, or when the
// consumer of Stream leaves. Go cannot kill a function. If a function does not return
// within 5 seconds after the end of its context, the run leaves the function behind and
// logs a warning. The call is then reported as timed out, or with unknown outcome if the
// run was cancelled, and a late result is dropped. A hung tool never hangs a run.
//
// The same rule holds for the model, [Runner.Decide], [Runner.BeforeTurn],
// [Runner.StopWhen], the agent's Instruct, toolsets,
// approval policies and the journal. If one of these functions was left behind, the run
// ends with the cause of the context, except that a run continues without an optional
// toolset. [Runner.Redact] has no context; its comment has the rule for a Redact that
// does not return. Two parts of the program can still block a run: the loop over Stream,
// because the loop runs on the caller's goroutine, and the handler of the Logger.
//
// # Secrets
//
// The provider of the model reads the results of tools. A password in a URL of a result,
// as in postgres://ann:s3cret@db, is replaced by [redacted]; a user's name without a
// password stays. Agents that edit files need [Runner.KeepPasswords]. Programs remove
// further secrets with [Runner.Redact].
//
// # The history
//
// Every provider accepts [Result.Messages], however the run ended:
//
//   - Each tool call has one result, in the order of the calls, directly after the message
//     with the calls. The result of a call that did not run says so, and so does the result
//     of a call with unknown outcome.
//   - The arguments of the model's calls are JSON objects. Arguments in the caller's own
//     messages are kept unchanged; the client of package openai sends {} in place of
//     arguments that the provider would refuse.
//
// A run can end after the model made calls and before the run invoked the functions: by an
// error, a cancelled context, or a consumer that leaves. In a session these calls stay
// open, and run when the session continues without a message. A message closes the calls.
//
// The examples show approval at a terminal (Approval) and in a later process (Pending),
// calls in doubt (Pending.Happened), redaction, cancellation, limits, retries, cost, long
// results (Runner.PutAside), an agent as a tool, and hosted tools.
package runner
