package sqljournal

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// What lies between a process and PostgreSQL can forget a connection without a word
// to either: what is sent is lost, and no answer comes. How long is waited for one:
const (
	// idleAlive is how long a connection counts as alive after its last use.
	idleAlive = time.Second
	// answerBound is how long one that was idle may take to say that it is alive.
	answerBound = time.Second
	// silence is after what time of waiting for a statement the server is asked, on a
	// connection of its own, whether it has the statement at all.
	silence = time.Second
	// settling is how long an answer may still be on its way when the server says that
	// it has not.
	settling = 250 * time.Millisecond
	// attempts is how often what is safe to ask again is asked.
	attempts = 3
)

// openPool makes a pool that gives out no connection that was forgotten.
func openPool(dsn string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	c := new(checker)
	return sql.OpenDB(stdlib.GetConnector(*config, stdlib.OptionShouldPing(c.dead))), nil
}

// A checker looks after the idle connections of a pool.
type checker struct {
	mu    sync.Mutex
	found time.Time // when one was found dead last; guarded by mu
}

// dead asks a connection that was idle whether it is alive, and closes one that does
// not say so, and all that were idle when one was found dead: each of them would
// cost somebody that time. The pool opens another one in its place.
func (c *checker) dead(ctx context.Context, p stdlib.ShouldPingParams) bool {
	if p.IdleDuration < idleAlive {
		return false
	}
	c.mu.Lock()
	doomed := time.Now().Add(-p.IdleDuration).Before(c.found)
	c.mu.Unlock()
	if !doomed {
		bounded, cancel := context.WithTimeout(ctx, answerBound)
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
	_ = p.Conn.PgConn().Conn().Close()
	return true // and pgx finds it closed
}

// postgres runs do on a connection of the pool, when it is its turn.
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
	defer j.watcher.watch(conn)()
	return do(ctx, conn)
}

// again runs what may be made more than once, until a connection has borne it.
func again(ctx context.Context, run func() error) error {
	for n := 1; ; n++ {
		err := run()
		if err == nil || n == attempts || ctx.Err() != nil || !broke(err) {
			return err
		}
	}
}

// broke says whether a connection broke, and not the statement that it bore. One
// that could not be opened is none: who asks again at once is told the same.
func broke(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.SeverityUnlocalized != "ERROR"
	}
	_, unopened := errors.AsType[*pgconn.ConnectError](err)
	return !unopened && !errors.Is(err, sql.ErrNoRows)
}

// on runs do on the connection that is kept for renewals.
func (r *round) on(ctx context.Context, j *Journal, do func(context.Context, execer) error) error {
	if j.DB.Stats().MaxOpenConnections == 1 { // there is none to spare
		return do(ctx, j.DB)
	}
	return again(ctx, func() error {
		if r.conn != nil && !answers(ctx, r.conn) {
			r.leave()
		}
		if r.conn == nil {
			var err error
			if r.conn, err = j.DB.Conn(ctx); err != nil {
				return err
			}
		}
		defer j.watcher.watch(r.conn)()
		err := do(ctx, r.conn)
		if err != nil {
			r.leave()
		}
		return err
	})
}

// answers says whether a connection is alive that was idle since the last renewal.
func answers(ctx context.Context, conn *sql.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, answerBound)
	defer cancel()
	return conn.PingContext(ctx) == nil
}

// leave gives the connection back.
func (r *round) leave() {
	if r.conn != nil {
		_ = r.conn.Close()
		r.conn = nil
	}
}

// A watcher finds connections that are waited for in vain: the server has not got the
// statement, or its answer was lost. A statement that is slow, or waits for a lock,
// is left alone. The zero watcher is ready.
type watcher struct {
	check sync.Mutex // held while the server is asked

	mu  sync.Mutex
	all map[*watched]struct{} // guarded by mu
}

// watched is a connection with a statement.
type watched struct {
	conn  *pgx.Conn
	wire  net.Conn
	since time.Time
	timer *time.Timer
}

// watch looks after a connection until stop is called. One of a driver that is not
// known is not looked after.
func (w *watcher) watch(conn *sql.Conn) (stop func()) {
	x := &watched{since: time.Now()}
	_ = conn.Raw(func(raw any) error {
		if c, ok := raw.(*stdlib.Conn); ok {
			x.conn, x.wire = c.Conn(), c.Conn().PgConn().Conn()
		}
		return nil
	})
	if x.conn == nil {
		return func() {}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*watched]struct{}{}
	}
	w.all[x] = struct{}{}
	x.timer = time.AfterFunc(silence, func() { w.ask(x) })
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		x.timer.Stop()
		delete(w.all, x)
	}
}

// ask asks the server about all that have waited for long, and closes those of which
// it knows nothing.
func (w *watcher) ask(x *watched) {
	if w.check.TryLock() {
		defer w.check.Unlock()
		if lost := w.lost(w.silent(), x.conn.Config()); lost != nil {
			time.Sleep(settling) //nolint:forbidigo // real time: the database must get the chance to answer
			for _, l := range w.silent() {
				if slices.Contains(lost, l) {
					_ = l.wire.Close()
				}
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, waits := w.all[x]; waits {
		x.timer.Reset(silence)
	}
}

// silent returns the connections that have been waited for long.
func (w *watcher) silent() (all []*watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for x := range w.all {
		if time.Since(x.since) >= silence {
			all = append(all, x)
		}
	}
	return all
}

// lost returns those of which the server says that they bear no statement. It can say
// so only where its processes are known by their numbers, which a pooler in between
// hides.
func (w *watcher) lost(all []*watched, config *pgx.ConnConfig) (lost []*watched) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*answerBound)
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
	var borne []int64
	err = conn.QueryRow(ctx, `SELECT pg_backend_pid()::bigint, ARRAY(
		SELECT pid::bigint FROM pg_stat_activity WHERE pid = ANY($1::bigint[]) AND (state IS NULL OR state NOT LIKE 'idle%'))`, pids).Scan(&self, &borne)
	if err != nil || self != int64(conn.PgConn().PID()) {
		return nil
	}
	for i, x := range all {
		if !slices.Contains(borne, pids[i]) {
			lost = append(lost, x)
		}
	}
	return lost
}
