// Package sqljournal keeps sessions in a database: SQLite for one machine,
// PostgreSQL for many workers.
//
//	store, err := sqljournal.OpenSQLite(ctx, "desk.db")    // or
//	store, err := sqljournal.OpenPostgres(ctx, "postgres://…")
//	r := runner.Runner{Journal: store}
//
// It is a module of its own. Until the first release a program that uses a clone
// names both:
//
//	go mod edit -require github.com/seed-916e8f6a/toolloop@v0.1.0 -replace github.com/seed-916e8f6a/toolloop=CLONE
//	go mod edit -require github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal@v0.1.0 -replace github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal=CLONE/runner/journal/sqljournal
//
// A session is run by one worker at a time. Who opens it takes a lease in the
// database; a process renews the leases of all its sessions in one statement. Each
// append names the holder and the position, and is refused if either is another: who
// lost the lease, because its machine slept or its process hung, writes nothing any
// more. In the database only its clock counts. A worker compares its lease with its
// own clock besides, right before each function of a tool, and calls none once three
// quarters of the lease have passed since the database answered last. A wall clock
// that is set forward by as much ends the sessions that are open; they go on with the
// next run.
//
// # Effects
//
// What the lease fences is the journal. The effect of a tool goes elsewhere, and a
// process that was stopped can have it after another one has taken over its session
// and decided about the call. The call's key keeps such an effect from being had
// twice only while both attempts have the same key. A tool that keeps its records in
// a database writes [tool.Call.Fence] beside the key; see the example named fence.
//
// # Errors
//
// What the database cannot do is a [journal.StoreError] with the session and the
// position: nothing was added, and the append can be tried again. Where a
// connection breaks in an append, the log asks the database whether it was made.
// If the database does not answer, the log is over, and its Context ends with the
// StoreError. When the database is back, and the lease has run out or was given
// back, the session goes on with all that was acknowledged.
//
// Each row has a checksum. Rows that are missing, changed or too many are a
// [journal.CorruptError].
//
// # Tables
//
// One row of toolloop_sessions for each session, one of toolloop_events for each
// event, with its JSON as text. They may be read at any time, and sessions that
// nobody has open may be deleted with their events:
//
//	SELECT body::json->>'name' FROM toolloop_events WHERE session = 'order-42' AND body::json->>'type' = 'tool_call_started';
package sqljournal
