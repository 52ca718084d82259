// Package runner runs agents: it asks the model, runs the tool calls of each
// turn concurrently, hands the results back, and repeats until the model has
// answered.
//
//	result, err := runner.Run(ctx, assistant, llm.User("What is it like in Beijing?"))
//	fmt.Println(result.Text)
//
// [Stream] is the same with every event as it happens. A [Session] keeps a
// conversation over several runs in a journal.
//
// # Tools
//
// A tool's function runs on a goroutine of its own, with a context that ends at
// its deadline, when the run's context ends, or when the consumer of Stream
// leaves. Go cannot kill a function: one that has not returned some seconds
// after its context ended is left behind. It is reported as timed out (or, if
// the run was cancelled, its outcome is unknown), logged, and what it returns
// later is dropped. A hung tool never hangs a run.
//
// The same holds for everything else of the program that a run calls: a model,
// [Runner.Decide], [Runner.Redact], the instructions, toolsets, policies of approval,
// a journal. Each has a goroutine of its own, and is left behind some seconds after
// its context ended, with a warning in the log. Its run ends with the reason for which
// the context did, or goes on where it can do without: an optional toolset, a text
// that Redact was to change. Only two things of the program can hold a run up: the
// loop over Stream, which runs on the caller's goroutine, and a handler of the Logger.
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
// [Result.Messages] is valid to send at any time, however the run ended: each
// tool call has one result, in the order of the calls, directly after the
// message that made them, and arguments are JSON objects. A call whose function
// did not run says so, and so does one whose outcome nobody knows.
//
// In a session, calls that a run did not begin before it ended, by an error, a
// cancelled context or a consumer that left, are still to be done: they run if the
// session goes on without a message, and a message closes them.
//
// Words owned here: run, turn, session.
package runner
