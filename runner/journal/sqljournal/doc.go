// Package sqljournal stores sessions in a database: SQLite for a single machine,
// PostgreSQL for many workers.
//
//	store, err := sqljournal.OpenSQLite(ctx, "desk.db")    // or
//	store, err := sqljournal.OpenPostgres(ctx, "postgres://…")
//	r := runner.Runner{Journal: store}
//
// The package is a module of its own. Until the first release, name both modules of the
// clone. Write the path of your clone, such as ../toolloop, in place of CLONE:
//
//	go mod edit -require github.com/seed-916e8f6a/toolloop@v0.1.0 -replace github.com/seed-916e8f6a/toolloop=CLONE
//	go mod edit -require github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal@v0.1.0 -replace github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal=CLONE/runner/journal/sqljournal
//
// At most one worker at a time runs a given session; a worker may run many sessions.
// Opening a session takes a lease in the database, and a process renews the leases of all
// its sessions in one statement. Each append names the holder and the position; the
// database refuses an append with another holder or position. A worker can lose its lease,
// for example because its machine slept. The database then refuses every append of this
// worker.
//
// In the database only the database's clock counts. Right before each function of a tool,
// a worker also compares its lease with its own clock, and calls no function after three
// quarters of the lease since the last renewal. If the wall clock jumps forward by three
// quarters of the lease, the logs of all open sessions end, and with them the runs of these
// sessions. The next run of a session continues the session.
//
// # Effects
//
// The lease fences the journal. The effect of a tool happens elsewhere: a stopped process
// can cause the effect after another process has taken over the session and decided about
// the call. The idempotency key prevents a second effect only while both attempts have the
// same key. A tool with a database therefore writes [tool.Call.Fence] beside the key; see
// the example named fence.
//
// # Errors
//
// A failed operation is a [journal.StoreError] with the session and the position. After a
// failed append, look at the Context of the log: unless Context has ended, nothing was
// added, and the append can be repeated. If a connection breaks during an append, the
// log asks the database for the outcome. Without an answer the log ends: its Context ends
// with the StoreError. After the database is back, and the lease has run out, the next run
// continues the session with all acknowledged events.
//
// Each row has a checksum. Missing, changed or additional rows are a
// [journal.CorruptError].
//
// # Tables
//
// toolloop_sessions has a row for each session, and toolloop_events has a row for each
// event, with the event's JSON as text. You may read the tables at any time, and delete
// closed sessions together with their events:
//
//	SELECT body::json->>'name' FROM toolloop_events WHERE session = 'order-42' AND body::json->>'type' = 'tool_call_started';
package sqljournal
