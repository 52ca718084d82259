// Package queue keeps requests in a database and has workers answer them, each in
// a conversation of its own, across pauses, crashes and any number of processes.
// It knows nothing of what the requests are about.
//
//	q, err := queue.Open(ctx, journal)
//	ids, err := q.Add(ctx, "Please cancel my order.")
//	err = queue.Workers{Queue: q, Agent: a, Count: 4}.Run(ctx)
//
// # What to copy
//
// The journal is what is true of a conversation, and its lease on the session is
// what keeps two workers from one request. The row of a request only tells of it:
// its state carries the position in the journal that it was read at, and an older
// one never replaces a newer one. So a process may die between the end of a run
// and the row: the next one reads the journal and writes the row again.
//
// A decision is a row, too, which names what was asked by its position in the
// journal. Whoever decides opens no session, and so need not wait for a worker,
// or be one: the request is [Decided] then. The worker that takes the request next
// gives the decision to the run; one that no longer fits is left where it is.
package queue
