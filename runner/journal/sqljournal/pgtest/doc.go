// Package pgtest starts PostgreSQL servers for tests. The package needs only the installed
// programs of PostgreSQL, and no server that already runs.
//
//	func TestSession(t *testing.T) {
//		store, err := sqljournal.OpenPostgres(t.Context(), pgtest.Database(t))
//		...
//	}
//
// The package uses initdb from PATH, or else the newest version below
// /usr/lib/postgresql. Without the programs, a test is skipped with a line that says how to
// install them. If the environment variable TOOLLOOP_REQUIRE_POSTGRES is set, the test
// fails. Servers run on Unix only.
//
// A server listens on a free port of 127.0.0.1 and keeps its data in a temporary
// directory. The server ends with the process of the tests, even after SIGKILL. PostgreSQL
// refuses to run as root, so for root the server runs as the user postgres or nobody.
package pgtest
