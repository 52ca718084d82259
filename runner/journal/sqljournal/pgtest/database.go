package pgtest

import (
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// common is the server of all tests of a process, which the first one starts. It
// is not stopped: it ends after the process.
var common = sync.OnceValues(func() (*Server, error) {
	return newServer("fsync = off", "synchronous_commit = off", "full_page_writes = off")
})

var databases atomic.Int64

// Database makes an empty database for a test, and returns its URL
// (postgres://...), whose user may do anything. All databases of a process are on
// one server, which takes 500 connections and keeps nothing safe from its own
// crash: for that, see [Start]. They are there until the process ends. Database
// may be called by any number of tests at once.
func Database(t testing.TB) string {
	t.Helper()
	need(t)
	s, err := common()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test%d", databases.Add(1))
	db, err := sql.Open("pgx", s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // it did what it was for, or the test fails
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name+" STRATEGY wal_log"); err != nil {
		t.Fatal(err)
	}
	return s.URL(name)
}
