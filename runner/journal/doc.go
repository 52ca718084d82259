// Package journal is where a session's events are kept: the interface of a
// store, one in memory, and one of files.
//
//	r := runner.Runner{Journal: journal.Dir{Path: "/var/lib/desk/sessions"}}
//	result, err := r.Session("order-42").Run(ctx, assistant, runner.Say(llm.User("Hello")))
//
// A [Dir] is for the processes of one machine. A [Memory] is for tests, and for
// those who keep sessions elsewhere, since all of it is one JSON value:
//
//	data, err := json.Marshal(memory)
//
// Package journaltest checks that a store of your own keeps its promises.
//
// Words owned here: journal (the store), log (the events of one session).
package journal
