package main_test

import (
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// cluster is a PostgreSQL server of a test. It keeps nothing safe: only its
// clients are killed.
type cluster struct {
	bin, dir string
	port     int
}

// startCluster starts a server until the end of the test. Where there is none to
// start it skips the test, or fails it with TOOLLOOP_REQUIRE_POSTGRES.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{bin: postgresBin()}
	if c.bin == "" && os.Getenv("TOOLLOOP_REQUIRE_POSTGRES") == "" {
		t.Skip("skipped: no initdb on PATH nor below /usr/lib/postgresql; install the package postgresql")
	}
	require.NotEmpty(t, c.bin, "no PostgreSQL, and TOOLLOOP_REQUIRE_POSTGRES is set")
	// Not the directory of the test, which its parents hide from other users.
	base, err := os.MkdirTemp("", "orderdesk")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(base)) })
	require.NoError(t, os.Chmod(base, 0o711))
	c.dir = filepath.Join(base, "data")
	require.NoError(t, os.Mkdir(c.dir, 0o700))
	require.NoError(t, stepDown(c.dir))
	c.do(t, "initdb", "-D", c.dir, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync")

	l, err := net.Listen("tcp", "127.0.0.1:0") // a free port, most probably still free in a moment
	require.NoError(t, err)
	c.port = l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	options := fmt.Sprintf("-p %d -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=300 "+
		"-c fsync=off -c synchronous_commit=off -c full_page_writes=off", c.port)
	c.do(t, "pg_ctl", "-D", c.dir, "-o", options, "-l", filepath.Join(c.dir, "log"), "-w", "start")
	t.Cleanup(func() { c.do(t, "pg_ctl", "-D", c.dir, "-m", "immediate", "-w", "stop") })
	return c
}

// postgresBin is where the server's programs are; "": there are none.
func postgresBin() string {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(lastOf(found))
}

// do runs one of the server's programs.
func (c *cluster) do(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), name) // no pipe: the server keeps it open
	require.NoError(t, err)
	defer out.Close()
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, out, out
	asUser(cmd)
	err = cmd.Run()
	said, _ := os.ReadFile(out.Name())
	log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
	require.NoError(t, err, "%s: %s%s", name, said, log)
}

// create makes a database as a copy of another.
func (c *cluster) create(t *testing.T, name, template string) {
	t.Helper()
	db, err := sql.Open("pgx", c.url("postgres"))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `CREATE DATABASE `+name+` TEMPLATE `+template)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

func (c *cluster) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", c.port, database)
}
