package sqljournal_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
)

// A nat stands between clients and a server, and can forget the connections that it
// has: what is sent on one is lost, and neither side is told.
type nat struct {
	listener net.Listener
	server   string

	mu     sync.Mutex
	known  map[*flow]struct{}
	opened int // connections since the last forget
}

// A flow is a connection.
type flow struct {
	client, server net.Conn
	lost           chan struct{} // closed: it is forgotten
}

func newNAT(t *testing.T, server string) *nat {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n := &nat{listener: l, server: server, known: map[*flow]struct{}{}}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go n.serve(client)
		}
	}()
	return n
}

func (n *nat) serve(client net.Conn) {
	server, err := net.Dial("tcp", n.server)
	if err != nil {
		_ = client.Close()
		return
	}
	f := &flow{client: client, server: server, lost: make(chan struct{})}
	n.mu.Lock()
	n.known[f] = struct{}{}
	n.opened++
	n.mu.Unlock()
	go f.carry(server, client)
	f.carry(client, server)
}

// carry copies until the end, which it tells only while the flow is known.
func (f *flow) carry(to, from net.Conn) {
	_, _ = io.Copy(forgetful{f, to}, from)
	select {
	case <-f.lost:
	default:
		_ = to.Close()
	}
}

// forgetful is where a flow writes to.
type forgetful struct {
	*flow
	to net.Conn
}

func (w forgetful) Write(b []byte) (int, error) {
	select {
	case <-w.lost:
		return len(b), nil
	default:
		return w.to.Write(b)
	}
}

// count returns the number of connections since the last forget.
func (n *nat) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.opened
}

// forget loses all connections.
func (n *nat) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opened = 0
	for f := range n.known {
		close(f.lost)
		delete(n.known, f)
	}
}

// behind returns a journal behind a nat, and one that is not.
func behind(t *testing.T) (*nat, *sqljournal.Journal, *sqljournal.Journal) {
	t.Helper()
	dsn := pgtest.Database(t)
	where, err := url.Parse(dsn)
	require.NoError(t, err)
	n := newNAT(t, where.Host)
	where.Host = n.listener.Addr().String()
	j, err := sqljournal.OpenPostgres(t.Context(), where.String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return n, j, openPostgres(t, dsn)
}

// TestForgotten: all connections of a pool are forgotten, when they were idle for
// long or a moment ago. Nobody waits for longer than it takes to find that out, and
// nobody is told of it; not the session that was open either.
func TestForgotten(t *testing.T) {
	t.Parallel()
	for _, idle := range []bool{true, false} {
		t.Run(fmt.Sprint("idle ", idle), func(t *testing.T) {
			t.Parallel()
			n, j, direct := behind(t)
			log := open(t, j, "open")
			require.NoError(t, log.Append(t.Context(), true, notes(1, 1)...))
			use := func(round int) {
				var group errgroup.Group
				for i := range 16 {
					group.Go(func() error {
						log, err := j.Open(context.Background(), fmt.Sprintf("order %d of %d", i, round))
						if err == nil {
							err = log.Append(context.Background(), true, notes(1, 1)...)
						}
						if err == nil {
							_, err = readAll(log)
						}
						if err == nil {
							err = log.Close()
						}
						return err
					})
				}
				require.NoError(t, group.Wait())
			}
			use(1)
			if idle {
				const busy = `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
					AND pid <> pg_backend_pid() AND clock_timestamp() - state_change < interval '1.1 s'`
				require.Eventually(t, func() bool { return number(t, direct, busy) == 0 }, 30*time.Second, 50*time.Millisecond)
			}
			n.forget()
			began := time.Now()
			require.NoError(t, log.Append(t.Context(), true, notes(2, 1)...))
			use(2)
			took := time.Since(began)
			// A forgotten connection costs no second connection, for a request to cancel: 85
			// are enough for 16 sessions with four statements each, and 165 were too many.
			require.Less(t, n.count(), 110)
			// 2 or 3 seconds, and the time that the server needs for the new connections
			// and for pgx's requests to cancel: some machines fork slowly.
			require.Less(t, took, 10*time.Second+4*opening(t, direct, 40))
			require.NoError(t, log.Append(t.Context(), true, notes(3, 1)...))
			require.NoError(t, log.Close())
			holds(t, direct, "open", notes(1, 3))
		})
	}
}

// opening returns how long the server takes to open n connections at once.
func opening(t *testing.T, j *sqljournal.Journal, n int) time.Duration {
	t.Helper()
	began := time.Now()
	var group errgroup.Group
	j.DB.SetMaxOpenConns(n)
	held := make(chan *sql.Conn, n)
	for range n {
		group.Go(func() error {
			conn, err := j.DB.Conn(t.Context())
			if err == nil {
				held <- conn // the pool opens a connection for each call
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	took := time.Since(began)
	close(held)
	for conn := range held {
		require.NoError(t, conn.Close())
	}
	return took
}

// TestForgottenRenewal: the connection that renews leases is forgotten as well, and no
// session is lost over it.
func TestForgottenRenewal(t *testing.T) {
	t.Parallel()
	n, j, direct := behind(t)
	j.Lease = 9 * time.Second
	log := open(t, j, "order-42")
	const ends = `SELECT MAX(expires) FROM toolloop_sessions`
	renewed := func() {
		before := number(t, direct, ends)
		require.Eventually(t, func() bool { return number(t, direct, ends) > before }, 30*time.Second, 10*time.Millisecond)
	}
	renewed()
	n.forget()
	renewed()
	require.NoError(t, log.Close())
}

// TestSlowStatement: a statement that waits for longer than a forgotten one is waited
// for is left alone where the server has it.
func TestSlowStatement(t *testing.T) {
	t.Parallel()
	_, j, direct := behind(t)
	log := open(t, j, "order-42")
	tx, err := direct.DB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), `SELECT FROM toolloop_sessions FOR UPDATE`)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- log.Append(context.Background(), true, notes(1, 1)...) }()
	var pid int64
	waiting := func() (is bool) {
		const query = `SELECT COALESCE(MAX(pid), 0) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
			AND clock_timestamp() - state_change > interval '3 s'`
		pid = number(t, direct, query)
		return pid > 0
	}
	require.Eventually(t, waiting, 30*time.Second, 50*time.Millisecond)
	require.NoError(t, tx.Rollback())
	require.NoError(t, <-done)
	require.EqualValues(t, 1, number(t, direct, fmt.Sprintf(`SELECT COUNT(*) FROM pg_stat_activity WHERE pid = %d`, pid)))
	require.NoError(t, log.Close())
}
