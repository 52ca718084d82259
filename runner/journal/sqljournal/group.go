package sqljournal

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// maxGroup bounds how many writes share a transaction. A long transaction would keep
// other processes from the file.
const maxGroup = 256

// errAbandoned is the result of a write whose leader panicked or ended its goroutine.
var errAbandoned = &unknownOutcomeError{errors.New("sqljournal: the transaction was left")}

// A group is a group commit: writes of sessions that arrive during a transaction share
// the next transaction, in the order of their arrival, and therefore wait for the disk
// once. SQLite has one writer. With a transaction for each write, sessions would wait so
// long that their leases run out.
//
// A group has no goroutine. One of the waiting writers leads: its goroutine runs the
// transaction for all of them, and then the first writer that arrived meanwhile leads.
// The zero group is ready.
type group struct {
	mu      sync.Mutex
	led     bool
	waiting []*write // writes that are not yet in a transaction

	// statements are prepared once for all transactions, because SQLite takes longer to
	// parse a statement than to run it. A nil statement is not yet prepared. Only the
	// leader uses the map.
	statements map[string]*sql.Stmt
}

// A write is a part of a transaction.
type write struct {
	ctx  context.Context
	do   func(ctx context.Context, to execer) error
	sync bool          // the transaction waits for the disk
	lead chan struct{} // closed when the goroutine of the write shall lead
	done chan struct{} // closed when err is final
	err  error
	next bool // lead is closed; guarded by the group's mu
}

// execer is a pool, a connection or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// write runs do in a transaction. The database keeps all changes of do or none. If ctx
// ends while the write waits, do does not run. With sync, the changes are on the disk when
// write returns.
func (g *group) write(ctx context.Context, db *sql.DB, sync bool, do func(context.Context, execer) error) error {
	w := &write{ctx: ctx, do: do, sync: sync, lead: make(chan struct{}), done: make(chan struct{})}
	g.enter(w, false)
	return g.await(w, db)
}

// first is like write with sync, but do runs before all waiting writes.
func (g *group) first(ctx context.Context, db *sql.DB, do func(context.Context, execer) error) error {
	w := &write{ctx: ctx, do: do, sync: true, lead: make(chan struct{}), done: make(chan struct{})}
	g.enter(w, true)
	return g.await(w, db)
}

// await waits for the end of w, and leads a transaction if w becomes the leader.
func (g *group) await(w *write, db *sql.DB) error {
	select {
	case <-w.lead:
	case <-w.done:
		return w.err
	case <-w.ctx.Done():
		if g.leave(w) {
			return context.Cause(w.ctx)
		}
		select { // a transaction has the write already, so only its end tells the outcome
		case <-w.lead:
		case <-w.done:
			return w.err
		}
	}
	g.run(db)
	return w.err
}

func (g *group) enter(w *write, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := len(g.waiting)
	if first {
		at = 0
		if len(g.waiting) > 0 && g.waiting[0].next {
			at = 1 // behind the leader of the transaction that w will be in
		}
	}
	g.waiting = slices.Insert(g.waiting, at, w)
	if !g.led {
		g.led = true
		g.promote()
	}
}

// promote makes the first waiting write the leader. The caller holds mu.
func (g *group) promote() {
	g.waiting[0].next = true
	close(g.waiting[0].lead)
}

// leave withdraws a write. It returns false if a transaction has the write, or if the
// write shall lead.
func (g *group) leave(w *write) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, w)
	if i < 0 || w.next {
		return false
	}
	g.waiting = slices.Delete(g.waiting, i, i+1)
	return true
}

// run commits the waiting writes in one transaction, and makes the next write the leader.
func (g *group) run(db *sql.DB) {
	g.mu.Lock()
	n := min(len(g.waiting), maxGroup)
	batch := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	g.mu.Unlock()
	for _, w := range batch {
		w.err = errAbandoned // stays only if a panic ends commit
	}
	defer func() {
		for _, w := range batch {
			close(w.done)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.led = len(g.waiting) > 0; g.led {
			g.promote()
		}
	}()
	g.commit(db, batch)
}

// commit runs a batch in a transaction, and sets the error of each write.
func (g *group) commit(db *sql.DB, batch []*write) {
	ctx, cancel := contextOfAll(batch)
	defer cancel()
	own := make([]error, len(batch))
	err := g.transact(ctx, db, batch, own)
	for i, w := range batch {
		w.err = cmp.Or(own[i], err)
		if _, unknown := errors.AsType[*unknownOutcomeError](err); err != nil && !unknown && ctx.Err() != nil {
			w.err = context.Cause(w.ctx) // the reason, in place of the database's "interrupted"
		}
	}
}

// transact stores in own the errors that concern a single write. The returned error
// applies to every other write of the batch: none was committed, unless the error is an
// *unknownOutcomeError.
func (g *group) transact(ctx context.Context, db *sql.DB, batch []*write, own []error) error {
	if err := g.prepare(ctx, db); err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if !slices.ContainsFunc(batch, func(w *write) bool { return w.sync }) {
		restore, err := skipSync(ctx, conn)
		if err != nil {
			return err
		}
		defer restore()
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	to := &transaction{tx: tx, prepared: g.statements, statements: map[string]*sql.Stmt{}}
	defer to.close()
	changed := 0
	for i, w := range batch {
		if own[i] = context.Cause(w.ctx); own[i] != nil {
			continue
		}
		var lost error
		if own[i], lost = to.savepoint(ctx, w.do, len(batch) > 1); lost != nil {
			return lost
		}
		if own[i] == nil {
			changed++
		}
	}
	if changed == 0 {
		return nil
	}
	to.close()
	return sqliteCommit(tx)
}

// contextOfAll returns a context that ends when the contexts of all writes have ended. A
// caller that gives up must not cancel the writes of other callers.
func contextOfAll(batch []*write) (context.Context, context.CancelFunc) {
	if len(batch) == 1 {
		return context.WithCancel(batch[0].ctx)
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(batch[0].ctx))
	var left atomic.Int64
	left.Store(int64(len(batch)))
	stops := make([]func() bool, len(batch))
	for i, w := range batch {
		stops[i] = context.AfterFunc(w.ctx, func() {
			if left.Add(-1) == 0 {
				cancel(context.Cause(w.ctx))
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel(nil)
	}
}

// prepare prepares the statements that earlier transactions used. It runs before a
// transaction, because the transaction may have the only connection of the pool.
func (g *group) prepare(ctx context.Context, db *sql.DB) error {
	if g.statements == nil {
		g.statements = map[string]*sql.Stmt{}
	}
	for query, s := range g.statements {
		if s != nil {
			continue
		}
		s, err := db.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		g.statements[query] = s
	}
	return nil
}

// A transaction runs prepared statements.
type transaction struct {
	tx         *sql.Tx
	prepared   map[string]*sql.Stmt // of the group; a new statement gets a nil entry
	statements map[string]*sql.Stmt // of this transaction
}

// savepoint runs do. If the transaction is shared, do runs inside a savepoint, so that an
// error of do reverts the changes of do alone. The second error means that the savepoint
// could not be reverted: the whole transaction is lost.
func (t *transaction) savepoint(ctx context.Context, do func(context.Context, execer) error, shared bool) (err, lost error) {
	if !shared {
		err := do(ctx, t)
		return err, err
	}
	if _, err := t.ExecContext(ctx, `SAVEPOINT write`); err != nil {
		return err, err
	}
	if err = do(ctx, t); err != nil {
		if _, reverted := t.ExecContext(ctx, `ROLLBACK TO write`); reverted != nil {
			return err, err // a full disk, for example, ends the whole transaction
		}
	}
	if _, released := t.ExecContext(ctx, `RELEASE write`); released != nil {
		return released, released
	}
	return err, nil
}

func (t *transaction) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := t.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (t *transaction) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := t.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (t *transaction) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := t.statement(ctx, query)
	if err != nil {
		return t.tx.QueryRowContext(ctx, query, args...) // only a query can make a Row with an error
	}
	return s.QueryRowContext(ctx, args...)
}

func (t *transaction) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := t.statements[query]; s != nil {
		return s, nil
	}
	if s := t.prepared[query]; s != nil {
		t.statements[query] = t.tx.StmtContext(ctx, s)
		return t.statements[query], nil
	}
	s, err := t.tx.PrepareContext(ctx, query)
	if err == nil {
		t.statements[query], t.prepared[query] = s, nil
	}
	return s, err
}

// close ends the statements. It may be called more than once.
func (t *transaction) close() {
	for _, s := range t.statements {
		_ = s.Close()
	}
	clear(t.statements)
}
