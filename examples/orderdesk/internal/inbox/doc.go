// Package inbox keeps the requests of users. A request is a text and a job of package
// sqljournal/queue: the queue has the state of the request, and the workers of the queue
// answer it in a session. The package does not depend on the subject of the requests.
//
//	in, err := inbox.Open(ctx, journal)
//	ids, err := in.Add(ctx, "Please cancel my order.")
//	err = inbox.Workers{Inbox: in, Agent: a, Count: 4}.Run(ctx)
//
// # What to copy
//
// The table of the inbox and the tables of the queue change in one transaction: a request
// and its job, several decisions of a person, the retry of several requests. What a
// display needs (who works on what, what other processes have) comes from the callbacks of
// the workers and from the leases of the journal.
package inbox
