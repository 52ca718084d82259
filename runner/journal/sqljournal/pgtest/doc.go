// Package pgtest gives tests a PostgreSQL server of their own, made with the
// programs that are installed: nothing has to be set up or started before.
//
//	func TestSession(t *testing.T) {
//		store, err := sqljournal.OpenPostgres(t.Context(), pgtest.Database(t))
//		...
//	}
//
// The programs are those of the newest version below /usr/lib/postgresql, unless
// initdb is on PATH. Where there are none, a test is skipped with a line that says
// what to install; with the environment variable TOOLLOOP_REQUIRE_POSTGRES it
// fails. Servers are started on Unix only.
//
// A server listens on a port of 127.0.0.1, keeps its data in a directory for
// temporary files, and does not outlive the process, however that ends. PostgreSQL
// does not run as root: for root it runs as the user postgres or nobody.
package pgtest
