// Package queue keeps requests in a database. Workers answer each request in a
// session, across pauses, crashes and any number of processes. The package does not
// depend on the subject of the requests.
//
//	q, err := queue.Open(ctx, journal)
//	ids, err := q.Add(ctx, "Please cancel my order.")
//	err = queue.Workers{Queue: q, Agent: a, Count: 4}.Run(ctx)
//
// # What to copy
//
// The journal is the truth about a conversation, and its lease on the session keeps
// two workers from the same request. The row of a request is a copy: its state has
// the position in the journal at which a worker read it, and an older state never
// replaces a newer state. So a process may die between the end of a run and the
// update of the row: the next process reads the journal and updates the row.
//
// A decision is a row, too, and names the question by its position in the journal.
// Whoever decides does not open the session, and so does not wait for a worker. The
// request is [Decided] then. The next worker passes the decision to the run, and
// ignores a decision about an older question.
package queue
