// Package runner runs agents: it asks the model, runs the tool calls of each turn
// concurrently, sends the results back, and repeats until the model has answered.
//
//	result, err := runner.Run(ctx, assistant, llm.User("What is it like in Beijing?"))
//	fmt.Println(result.Text)
//
// [Stream] does the same and yields every event as it happens. A [Session] keeps a
// conversation over several runs in a journal.
//
// # Tools
//
// A tool's function runs on its own goroutine. Its context ends at its deadline, when
// the run's context ends, or when the consumer of Stream leaves. Go cannot kill a
// function, so the run leaves a function behind that has not returned some seconds
// after its context ended: the call is reported as timed out (or with unknown outcome,
// if the run was cancelled), the run logs it, and a late result is dropped. A hung tool
// never hangs a run.
//
// A run calls other functions of the program in the same way: the model,
// [Runner.Decide], [Runner.Redact], the agent's Instruct, toolsets, approval policies
// and the journal. Each call has its own goroutine. The run leaves a function behind
// if it does not return within 5 seconds after its context ended, and logs a warning.
// Then the run ends with the cause of that context. It continues only without an
// optional toolset, or with a text withheld that Redact did not return. Two parts of
// the program can still block a run: the loop over Stream, which is the caller's
// goroutine, and the handler of the Logger.
//
// # What the model does not see
//
// The provider of the model reads what tools return. A password in a URL of a
// result, as in postgres://ann:s3cret@db, is replaced by [redacted]; a user's name
// without a password stays. [Runner.KeepPasswords] switches that off, for agents
// that edit files. [Runner.Redact] takes out other secrets.
//
// # The history
//
// Every provider accepts [Result.Messages], however the run ended: each tool call has
// one result, in the order of the calls, directly after the message with the calls, and
// arguments of the model are JSON objects (in the caller's own messages: any JSON). The result of a call that did not run says so, and so does
// the result of a call with unknown outcome.
//
// A run can end after the model made calls and before their functions began: by an
// error, a cancelled context, or a consumer that leaves. In a session these calls stay
// open. They run when the session continues without a message. A message closes them.
//
// The words of this package: run, turn, session.
package runner
