//go:build unix

package stores_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/stretchr/testify/require"
)

// requireVariable makes a test without PostgreSQL fail and not skip.
const requireVariable = "TOOLLOOP_REQUIRE_POSTGRES"

// startPostgres starts a server of its own, which the end of the test stops, and
// returns a connection string. It listens on a socket in its directory.
func startPostgres(t testing.TB) string {
	t.Helper()
	bin, err := postgresPrograms()
	if err != nil && os.Getenv(requireVariable) == "" {
		t.Skip(err)
	}
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "toolloop") // t.TempDir is in a directory that only this user may enter, and long
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	credential := unprivileged(t, dir)
	data := filepath.Join(dir, "data")

	initdb := exec.CommandContext(t.Context(), filepath.Join(bin, "initdb"), "--no-sync", "-A", "trust", "-U", "toolloop", "-D", data)
	initdb.SysProcAttr, initdb.Dir = credential, dir
	out, err := initdb.CombinedOutput()
	require.NoError(t, err, "%s", out)

	server := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=")
	var log bytes.Buffer
	server.SysProcAttr, server.Dir, server.Stderr = credential, dir, &log
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGINT) // a fast shutdown
		_ = server.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	dsn := fmt.Sprintf("host=%s user=toolloop dbname=postgres", dir)
	awaitPostgres(t, dsn)
	return dsn
}

// postgresPrograms returns the directory of the newest ones.
func postgresPrograms() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("PostgreSQL (initdb) is not on this machine")
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

func version(path string) int {
	n, _ := strconv.Atoi(strings.Split(path, "/")[4]) // 0 sorts behind all others
	return n
}

// unprivileged gives dir to a user that the server runs as, since it refuses to
// run as root.
func unprivileged(t testing.TB, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("nobody")
	require.NoError(t, err)
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	require.NoError(t, err)
	require.NoError(t, os.Chown(dir, int(uid), int(gid)))
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// awaitPostgres waits until the server takes connections.
func awaitPostgres(t testing.TB, dsn string) {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for db.PingContext(ctx) != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the server does not take connections")
		}
	}
}
