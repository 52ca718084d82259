package sqljournal

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// A device between a process and PostgreSQL, such as a NAT, can forget a connection
// without a word to either side: statements get lost and no answer comes. The constants
// bound how long the process waits for an answer.
const (
	// idleAlive is the time after its last use for which a connection counts as alive.
	idleAlive = time.Second
	// pingTimeout bounds the check of a connection that was idle for longer.
	pingTimeout = time.Second
	// attempts bounds how often a repeatable statement runs.
	attempts = 3
)

// openPool makes a pool that hands out no forgotten connection.
func openPool(dsn string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	c := new(checker)
	return sql.OpenDB(stdlib.GetConnector(*config, stdlib.OptionShouldPing(c.dead))), nil
}

// A checker finds dead connections among the idle connections of a pool.
type checker struct {
	mu    sync.Mutex
	found time.Time // when the checker found a dead connection last; guarded by mu
}

// dead pings an idle connection and closes the connection if no answer comes. After a
// dead connection was found, dead closes all connections that were idle at that time
// without a ping, because each ping would cost a caller a second. The pool opens a new
// connection in place of a closed connection.
func (c *checker) dead(ctx context.Context, p stdlib.ShouldPingParams) bool {
	if p.IdleDuration < idleAlive {
		return false
	}
	c.mu.Lock()
	doomed := time.Now().Add(-p.IdleDuration).Before(c.found)
	c.mu.Unlock()
	if !doomed {
		bounded, cancel := context.WithTimeout(ctx, pingTimeout)
		defer cancel()
		if p.Conn.PgConn().Ping(bounded) == nil {
			return false
		}
		if ctx.Err() == nil {
			c.mu.Lock()
			c.found = time.Now()
			c.mu.Unlock()
		}
	}
	// A context that has ended keeps Close from waiting. A close of the socket alone would
	// make pgx open one more connection, for a request to cancel a statement.
	ended, end := context.WithCancel(context.Background())
	end()
	_ = p.Conn.PgConn().Close(ended)
	return true // pgx pings the closed connection, and the ping fails at once
}

// postgres waits for a slot of the gate and runs do on a connection of the pool.
func (j *Journal) postgres(ctx context.Context, do func(context.Context, execer) error) error {
	leave, err := j.gate.enter(ctx, j.DB, 1)
	if err != nil {
		return err
	}
	defer leave()
	conn, err := j.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer j.monitor.track(conn)()
	return do(ctx, conn)
}

// retry runs a repeatable operation again if the connection broke.
func retry(ctx context.Context, run func() error) error {
	for n := 1; ; n++ {
		err := run()
		if err == nil || n == attempts || ctx.Err() != nil || !connectionBroke(err) {
			return err
		}
	}
}

// connectionBroke reports whether an error concerns the connection and not the statement.
// A connection that could not be opened does not count: an attempt at once would fail in
// the same way.
func connectionBroke(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.SeverityUnlocalized != "ERROR"
	}
	_, unopened := errors.AsType[*pgconn.ConnectError](err)
	return !unopened && !errors.Is(err, sql.ErrNoRows)
}
