package sqljournal_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// cluster is a PostgreSQL server of the tests: its data in a directory of its
// own, listening on a socket in there and on a port of loopback that was free.
type cluster struct {
	dir  string
	port int
	bin  string // the directory of initdb and pg_ctl
	ends io.Closer
}

// noPostgres says what is missing, and how to get it.
const noPostgres = "no PostgreSQL on this machine: initdb is not on PATH, nor below /usr/lib/postgresql; install the package postgresql (apt-get install postgresql)"

// requirePostgres makes what would skip fail.
const requirePostgres = "TOOLLOOP_REQUIRE_POSTGRES"

// postgresBin finds the directory of the programs; "": there are none.
func postgresBin() string {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(found[len(found)-1])
}

// newCluster makes a server in a directory, which is not there yet, and starts it.
func newCluster(dir string, settings ...string) (*cluster, error) {
	c := &cluster{dir: dir, bin: postgresBin()}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if err := stepDown(dir); err != nil {
		return nil, err
	}
	err := c.run("initdb", "-D", dir, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if err != nil {
		return nil, err
	}
	settings = append([]string{"listen_addresses = '127.0.0.1'", "unix_socket_directories = ''", "max_connections = 500"}, settings...)
	conf, err := os.OpenFile(filepath.Join(dir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	_, err = conf.WriteString(strings.Join(settings, "\n") + "\n")
	if err := errors.Join(err, conf.Close()); err != nil {
		return nil, err
	}
	if err := c.watch(); err != nil {
		return nil, err
	}
	return c, c.startAnywhere()
}

// watch starts a process that stops the server when this one has ended, even if
// it was killed: then its end of a pipe is closed.
func (c *cluster) watch() error {
	cmd := exec.Command("sh", "-c", `read -r _; "$0" -D "$1" -m immediate stop; rm -rf "$1"/*`, filepath.Join(c.bin, "pg_ctl"), c.dir)
	cmd.Dir = "/"
	asUser(cmd)
	aside(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	c.ends = waiter{in, cmd}
	return cmd.Start()
}

// waiter closes what a command reads, and waits for its end.
type waiter struct {
	io.Closer
	cmd *exec.Cmd
}

func (w waiter) Close() error { return errors.Join(w.Closer.Close(), w.cmd.Wait()) }

// startAnywhere starts the server on a port that is free. Somebody else may take
// it first: then another is tried.
func (c *cluster) startAnywhere() (err error) {
	for range 5 {
		if c.port, err = freePort(); err != nil {
			return err
		}
		if err = c.start(); err == nil {
			return nil
		}
	}
	return err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func (c *cluster) start() error {
	return c.run("pg_ctl", "-D", c.dir, "-o", fmt.Sprintf("-p %d", c.port), "-l", filepath.Join(c.dir, "log"), "-w", "start")
}

// crash ends the server at once, as kill does. It can be started again.
func (c *cluster) crash() error {
	return c.run("pg_ctl", "-D", c.dir, "-m", "immediate", "-w", "stop")
}

// run runs a program of PostgreSQL's, as a user that it takes.
func (c *cluster) run(name string, args ...string) error {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	asUser(cmd)
	var out strings.Builder
	// A server that is started keeps the files that it was given: a pipe would
	// never end.
	log, err := os.CreateTemp("", "postgres")
	if err != nil {
		return err
	}
	defer os.Remove(log.Name())
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log.Name())
		more, _ := os.ReadFile(filepath.Join(c.dir, "log"))
		fmt.Fprintf(&out, "%s\n%s", text, more)
		return fmt.Errorf("%s: %w\n%s", name, err, out.String())
	}
	return nil
}

// dsn is the connection string of a database of the server.
func (c *cluster) dsn(database string) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=%s sslmode=disable", c.port, database)
}

// shared is the server of all tests, which is started when the first one asks.
var shared struct {
	once      sync.Once
	dir       string
	cluster   *cluster
	err       error
	databases atomic.Int64
}

func startShared() {
	if shared.dir, shared.err = os.MkdirTemp("", "sqljournal"); shared.err != nil {
		return
	}
	// Others than the owner must come to the directory below.
	if shared.err = os.Chmod(shared.dir, 0o711); shared.err != nil {
		return
	}
	shared.cluster, shared.err = newCluster(filepath.Join(shared.dir, "data"), "fsync = off", "synchronous_commit = off", "full_page_writes = off")
}

func stopShared() error {
	var err error
	if shared.cluster != nil {
		err = shared.cluster.ends.Close()
	}
	if shared.dir != "" {
		err = errors.Join(err, os.RemoveAll(shared.dir))
	}
	return err
}

func TestMain(m *testing.M) {
	code := m.Run()
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// needPostgres skips a test where there is none, or fails it.
func needPostgres(t testing.TB) {
	t.Helper()
	if postgresBin() != "" {
		return
	}
	if os.Getenv(requirePostgres) != "" {
		t.Fatal(noPostgres)
	}
	t.Skip(noPostgres)
}

// database makes a database of the shared server for a test, and returns its
// connection string.
func database(t testing.TB) string {
	t.Helper()
	needPostgres(t)
	shared.once.Do(startShared)
	require.NoError(t, shared.err)
	name := fmt.Sprintf("test%d", shared.databases.Add(1))
	db, err := sql.Open("pgx", shared.cluster.dsn("postgres"))
	require.NoError(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), "CREATE DATABASE "+name+" STRATEGY wal_log")
	require.NoError(t, err)
	return shared.cluster.dsn(name)
}
