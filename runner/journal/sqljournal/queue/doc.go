// Package queue works off sessions that have something to do, in any number of processes,
// in the database of a [sqljournal.Journal].
//
//	q, err := queue.Open(ctx, store)
//	_, err = q.Put(ctx, nil, queue.Job{Session: "invoice-17"}, runner.Once("begin", llm.User("Pay invoice 17.")))
//	err = queue.Workers{Queue: q, Agent: clerk, Count: 4}.Run(ctx)
//
// # What is sure
//
// The session's lease decides who works on a session: there is no second lock. The row of
// a job says only what to look at; the journal is the truth. So a process can die at any
// point:
//
//   - Inputs wait in a table until the run that got them has ended. They reach the session
//     at least once, and the session takes each once: a message by its key, a decision by
//     the position of its question. A message is therefore a [runner.Once], and not a
//     [runner.Say].
//   - Each Put counts a wake-up. A worker that ends a job notes the state of the job only if
//     there was no wake-up since the worker took the job; otherwise the job waits again. So
//     a wake-up during a run is not lost.
//   - The job of a dead process waits again when the lease of its session has run out:
//     [sqljournal.Journal.Lease] and at most two seconds more.
//   - After another worker has taken a job, the earlier worker cannot change the job.
//
// [Queue.Put] takes part in a transaction of the caller: a decision, the caller's own
// record of it and the wake-up are stored together, or not at all.
//
// # Order
//
// The highest Priority comes first. Of jobs with the same priority, the job of the tenant
// with the fewest running jobs comes first, and then the oldest.
//
// # Tables
//
// toolloop_jobs has a row for each job, and toolloop_inputs has the inputs that wait. You
// may read both at any time. A row of toolloop_inputs that cannot be read holds its session up;
// see [InputError].
package queue
