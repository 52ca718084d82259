package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A Server is a PostgreSQL server. It is not safe for concurrent use, but its
// databases are.
type Server struct {
	base string // holds the directory data and the file log
	bin  string // where the programs are
	port int
	end  func() error // stops the server and removes the files
}

// Start starts a server for one test, and stops the server at the end of the test. Most
// tests use [Database], which shares a server. A server of Start syncs every commit to the
// disk, and a test may crash and restart it.
func Start(t testing.TB) *Server {
	t.Helper()
	need(t)
	s, err := newServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// URL returns the URL of a database of the server. The database postgres always exists.
// The URL stays the same after a restart.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// Crash kills the server. Clients get no answer, and the next start recovers the data.
func (s *Server) Crash() error {
	return s.run("pg_ctl", "-D", s.data(), "-m", "immediate", "-w", "-t", patience, "stop")
}

// Restart starts the server after [Server.Crash].
func (s *Server) Restart() error {
	return s.run("pg_ctl", "-D", s.data(), "-o", fmt.Sprintf("-p %d", s.port), "-l", filepath.Join(s.base, "log"), "-w", "-t", patience, "start")
}

func (s *Server) data() string { return filepath.Join(s.base, "data") }

// patience is how long pg_ctl waits, in seconds. Its own minute is too short: on a slow disk,
// the recovery after a crash takes longer, because it syncs every file.
const patience = "600"

// newServer makes a server and starts it.
func newServer(settings ...string) (_ *Server, err error) {
	// The directory of a test would not do: other users cannot read its parents.
	base, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, err
	}
	s := &Server{base: base, bin: programs(), end: func() error { return os.RemoveAll(base) }}
	if s.end, err = startStopper(base); err == nil {
		err = s.initialize(settings)
	}
	if err == nil {
		err = s.startAnywhere()
	}
	if err != nil {
		return nil, fmt.Errorf("pgtest: %w", errors.Join(err, s.end()))
	}
	return s, nil
}

// initialize makes the files of the server.
func (s *Server) initialize(settings []string) error {
	if err := chown(s.base); err != nil {
		return err
	}
	if err := s.run("initdb", "-D", s.data(), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"); err != nil {
		return err
	}
	conf, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if runtime.GOOS == "linux" { // one call in place of one for each of a thousand files
		settings = append(settings, "recovery_init_sync_method = syncfs")
	}
	settings = append(settings, "listen_addresses = '127.0.0.1'", "unix_socket_directories = ''", "max_connections = 500")
	_, err = io.WriteString(conf, strings.Join(settings, "\n")+"\n")
	return errors.Join(err, conf.Close())
}

// startAnywhere starts the server on a free port. If another process takes the port in
// the meantime, startAnywhere tries the next port.
func (s *Server) startAnywhere() (err error) {
	for range 5 {
		if s.port, err = freePort(); err != nil {
			return err
		}
		if err = s.Restart(); err == nil {
			return nil
		}
	}
	return err
}

func freePort() (int, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// run runs a program of PostgreSQL, as an unprivileged user if the tests run as root.
func (s *Server) run(name string, args ...string) error {
	// The output goes to a file, because the server inherits the output of pg_ctl: a pipe
	// would stay open, and the command would never end.
	out, err := os.CreateTemp(s.base, name)
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(out.Close(), os.Remove(out.Name())) }() // a failure does no harm: the directory is removed later
	cmd := exec.CommandContext(context.Background(), filepath.Join(s.bin, name), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.base, out, out
	asUser(cmd)
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		log, _ := os.ReadFile(filepath.Join(s.base, "log"))
		return fmt.Errorf("%s: %w\n%s%s", name, err, said, log)
	}
	return nil
}

// stopScript is a shell script that waits for the end of its input. The input ends when
// the process of the tests ends. Then the script stops the server of a directory and
// removes the directory. A stopped server has removed the file postmaster.pid.
const stopScript = `read -r _
pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" && for _ in $(seq 600); do
	[ -e "$0/data/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null || break
	sleep 0.05
done
rm -rf "$0"`

// startStopper starts the stopScript in a process of its own. end closes the input of the
// script and waits for its end.
func startStopper(base string) (end func() error, err error) {
	cmd := exec.CommandContext(context.Background(), "sh", "-c", stopScript, base)
	cmd.Dir = "/"
	detach(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() error { return errors.Join(in.Close(), cmd.Wait()) }, nil
}
