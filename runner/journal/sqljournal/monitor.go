package sqljournal

import (
	"context"
	"database/sql"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// silence is how long a statement runs before the monitor asks the server, on a new
	// connection, whether the server runs the statement.
	silence = time.Second
	// answerDelay is how long an answer may still be on its way after the server says that
	// the statement does not run.
	answerDelay = 250 * time.Millisecond
)

// A monitor finds connections whose statement or answer got lost, and closes them. A slow
// statement, or a statement that waits for a lock, continues: a short timeout would
// repeat the work of a slow database. The zero monitor is ready.
type monitor struct {
	check sync.Mutex // held while the monitor asks the server

	mu  sync.Mutex
	all map[*tracked]struct{} // guarded by mu
}

// tracked is a connection with a running statement.
type tracked struct {
	conn  *pgx.Conn
	wire  net.Conn
	since time.Time
	timer *time.Timer
}

// track adds a connection until the caller calls stop. A connection of an unknown driver
// is not monitored.
func (m *monitor) track(conn *sql.Conn) (stop func()) {
	x := &tracked{since: time.Now()}
	_ = conn.Raw(func(raw any) error {
		if c, ok := raw.(*stdlib.Conn); ok {
			x.conn, x.wire = c.Conn(), c.Conn().PgConn().Conn()
		}
		return nil
	})
	if x.conn == nil {
		return func() {}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[*tracked]struct{}{}
	}
	m.all[x] = struct{}{}
	x.timer = time.AfterFunc(silence, func() { m.closeLost(x) })
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		x.timer.Stop()
		delete(m.all, x)
	}
}

// closeLost asks the server about all silent connections, and closes the connections
// whose statement the server does not run.
func (m *monitor) closeLost(x *tracked) {
	if m.check.TryLock() { // a check that already runs includes x, or the next check will
		defer m.check.Unlock()
		if lost := m.lost(m.silent(), x.conn.Config()); lost != nil {
			time.Sleep(answerDelay) //nolint:forbidigo // real time: the answer of a statement that has just ended may be on its way
			for _, l := range m.silent() {
				if slices.Contains(lost, l) {
					_ = l.wire.Close()
				}
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, waits := m.all[x]; waits {
		x.timer.Reset(silence)
	}
}

// silent returns the connections whose statement has run for longer than silence.
func (m *monitor) silent() (all []*tracked) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for x := range m.all {
		if time.Since(x.since) >= silence {
			all = append(all, x)
		}
	}
	return all
}

// lost returns the connections for which the server runs no statement. The server can
// tell only if its process numbers are the numbers that the client sees. A pooler between
// both hides the numbers, and then lost returns nothing.
func (m *monitor) lost(all []*tracked, config *pgx.ConnConfig) (lost []*tracked) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*pingTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close(ctx) }()
	pids := make([]int64, len(all))
	for i, x := range all {
		pids[i] = int64(x.conn.PgConn().PID())
	}
	var self int64
	var running []int64
	err = conn.QueryRow(ctx, `SELECT pg_backend_pid()::bigint, ARRAY(
		SELECT pid::bigint FROM pg_stat_activity WHERE pid = ANY($1::bigint[]) AND (state IS NULL OR state NOT LIKE 'idle%'))`, pids).Scan(&self, &running)
	if err != nil || self != int64(conn.PgConn().PID()) {
		return nil
	}
	for i, x := range all {
		if !slices.Contains(running, pids[i]) {
			lost = append(lost, x)
		}
	}
	return lost
}
