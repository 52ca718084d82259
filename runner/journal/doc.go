// Package journal is where a session's events are kept: the interface of a
// store, and one in memory.
//
//	store := new(journal.Memory)
//	r := runner.Runner{Journal: store}
//	result, err := r.Session("order-42").Run(ctx, assistant, runner.Say(llm.User("Hello")))
//	data, err := json.Marshal(store) // every session in it, to be kept anywhere
//
// Words owned here: journal (the store), log (the events of one session).
package journal
