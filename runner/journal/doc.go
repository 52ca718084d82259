// Package journal stores the events of sessions: the interface of a store, a store in
// memory, and a store of files.
//
//	r := runner.Runner{Journal: journal.Dir{Path: "/var/lib/desk/sessions"}}
//	result, err := r.Session("order-42").Run(ctx, assistant, runner.Say(llm.User("Hello")))
//
// Most programs use [Dir], which serves the processes of a machine. [Memory] is for
// tests, and for programs that store sessions elsewhere, because all of a Memory is one
// JSON value:
//
//	data, err := json.Marshal(memory)
//
// Package journaltest checks that your own store keeps the rules.
//
// The words of this package: journal (the store), log (the events of a session), open (a
// session is open while a process holds the log of the session).
//
// The examples show sessions in files (Dir), sessions as one JSON value (Memory), and a
// program that reads events (Log).
package journal
