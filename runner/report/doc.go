// Package report shows the events of a session to developers: as one page for a browser,
// or as Markdown for a ticket.
//
//	result, err := runner.Run(ctx, assistant, llm.User("Weather in Beijing?"))
//	…
//	err = report.HTML(file, result.Events)
//
// After a pause or a crash, slices.Concat(result.Earlier, result.Events) has the whole run.
// Both forms show, in the order of the events:
//
//   - the messages, and each turn with its reasoning, usage, cost and time
//   - each tool call with its arguments, repairs, approval, result and failure
//   - retries, notices, limits, stalls, compactions, pauses, and the end of each run
//   - the runs inside a call, if the events have them
//
// A report has the whole content of the events, with the instructions. So a report is for
// people who may read the journal. The runner removes passwords of URLs, and the secrets of
// runner.Runner.Redact, from results and errors only: messages, arguments and answers can
// have secrets. Images, sound and files appear as their type and size.
//
// Nothing in an event can act: texts stay texts. Invisible characters, and characters that
// change the direction of the text around them, appear as their number: ⟨U+202E⟩. Long
// texts are cut, with a note of the missing bytes. Events of an unknown type appear as
// their JSON.
package report
