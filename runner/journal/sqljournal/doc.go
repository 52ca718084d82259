// Package sqljournal keeps sessions in a database: SQLite for one machine,
// PostgreSQL for many workers.
//
//	store, err := sqljournal.OpenSQLite(ctx, "desk.db")    // or
//	store, err := sqljournal.OpenPostgres(ctx, "postgres://…")
//	r := runner.Runner{Journal: store}
//
// A session is run by one worker at a time. Who opens it takes a lease in the
// database, renews it while it is open, and writes each event at the position
// that it expects; who lost the lease, because its machine slept or its process
// hung, writes nothing any more.
package sqljournal
