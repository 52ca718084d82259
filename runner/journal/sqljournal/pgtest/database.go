package pgtest

import (
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// shared is the server for all tests of a process. The first test starts the server, and
// the server ends with the process. Without syncs to the disk, tests run faster.
var shared = sync.OnceValues(func() (*Server, error) {
	return newServer("fsync = off", "synchronous_commit = off", "full_page_writes = off")
})

var databases atomic.Int64

// Database makes an empty database for a test and returns its URL (postgres://…). The user
// in the URL has all rights. All databases of a process are on one server, which takes
// 500 connections and does not sync to the disk; a test that crashes its server uses
// [Start]. A database exists until the process ends. Database is safe for concurrent use.
func Database(t testing.TB) string {
	t.Helper()
	need(t)
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test%d", databases.Add(1))
	db, err := sql.Open("pgx", s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // a failure does no harm: the database is made, or the test fails
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name+" STRATEGY wal_log"); err != nil {
		t.Fatal(err)
	}
	return s.URL(name)
}
