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

// maxGroup bounds how many writes are put into one transaction, and with that how
// long it keeps others from the file.
const maxGroup = 256

// errUndone is what came of a write whose leader did not return.
var errUndone = &unsettledError{errors.New("sqljournal: the transaction was left")}

// A group puts what sessions write while a transaction is going on into the next
// one, in the order in which it came: one wait for the disk for all of them. SQLite
// has one writer, and without this it does one small thing at a time, while leases
// that nobody renews in time run out.
//
// There is no goroutine: one of those who wait leads, and is followed by the first
// of those who came meanwhile. The zero group is ready.
type group struct {
	mu      sync.Mutex
	led     bool
	waiting []*write // those that no transaction has taken up
}

// A write is a part of a transaction.
type write struct {
	ctx  context.Context
	do   func(ctx context.Context, to execer) error
	lead chan struct{} // closed when it is to lead
	done chan struct{} // closed when err is what came of it
	err  error
	next bool // lead is closed; guarded by the group's mu
}

// execer is a pool, a connection or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// write runs do, whose changes are made whole or not at all. If ctx ends before
// it was its turn, it is not run.
func (g *group) write(ctx context.Context, db *sql.DB, do func(context.Context, execer) error) error {
	w := &write{ctx: ctx, do: do, lead: make(chan struct{}), done: make(chan struct{})}
	g.enter(w, false)
	return g.await(w, db)
}

// first is write for what goes before all that waits.
func (g *group) first(ctx context.Context, db *sql.DB, do func(context.Context, execer) error) error {
	w := &write{ctx: ctx, do: do, lead: make(chan struct{}), done: make(chan struct{})}
	g.enter(w, true)
	return g.await(w, db)
}

// await waits until w was made, and leads if it is to.
func (g *group) await(w *write, db *sql.DB) error {
	select {
	case <-w.lead:
	case <-w.done:
		return w.err
	case <-w.ctx.Done():
		if g.leave(w) {
			return context.Cause(w.ctx)
		}
		select { // its turn has come: what comes of it is worth waiting for
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
			at = 1 // it leads the transaction that this one will be in
		}
	}
	g.waiting = slices.Insert(g.waiting, at, w)
	if !g.led {
		g.led = true
		g.follow()
	}
}

// follow makes the first of those who wait the leader. The caller holds mu.
func (g *group) follow() {
	g.waiting[0].next = true
	close(g.waiting[0].lead)
}

// leave withdraws a write. False: it was taken up, or is to lead.
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

// run makes a transaction of those who wait, of whom the first leads, and hands
// over.
func (g *group) run(db *sql.DB) {
	g.mu.Lock()
	n := min(len(g.waiting), maxGroup)
	batch := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	g.mu.Unlock()
	for _, w := range batch {
		w.err = errUndone
	}
	defer func() {
		for _, w := range batch {
			close(w.done)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.led = len(g.waiting) > 0; g.led {
			g.follow()
		}
	}()
	commit(db, batch)
}

// commit runs a batch in a transaction, and says to each what came of it.
func commit(db *sql.DB, batch []*write) {
	ctx, cancel := untilAll(batch)
	defer cancel()
	own := make([]error, len(batch))
	err := transact(ctx, db, batch, own)
	for i, w := range batch {
		w.err = cmp.Or(own[i], err)
		if _, open := errors.AsType[*unsettledError](err); err != nil && !open && ctx.Err() != nil {
			w.err = context.Cause(w.ctx) // and not what the database says of that
		}
	}
}

// transact leaves in own the error of each write that is its own. The one that it
// returns is that of all others: nothing was made of them, unless it is unsettled.
func transact(ctx context.Context, db *sql.DB, batch []*write, own []error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	to := &prepared{tx: tx, statements: map[string]*sql.Stmt{}}
	defer to.close()
	made := 0
	for i, w := range batch {
		if own[i] = context.Cause(w.ctx); own[i] != nil {
			continue
		}
		var lost error
		if own[i], lost = to.apart(ctx, w.do, len(batch) > 1); lost != nil {
			return lost
		}
		if own[i] == nil {
			made++
		}
	}
	if made == 0 {
		return nil
	}
	to.close()
	return sqliteCommit(tx)
}

// untilAll returns a context that ends when those of all writes have: who gave up
// takes nothing from the others.
func untilAll(batch []*write) (context.Context, context.CancelFunc) {
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

// prepared is a transaction in which each statement is prepared once.
type prepared struct {
	tx         *sql.Tx
	statements map[string]*sql.Stmt
}

// apart runs do such that its changes can be taken back without those of others.
// lost: they could not, and with them all is gone.
func (p *prepared) apart(ctx context.Context, do func(context.Context, execer) error, others bool) (err, lost error) {
	if !others {
		err := do(ctx, p)
		return err, err
	}
	if _, err := p.ExecContext(ctx, `SAVEPOINT apart`); err != nil {
		return err, err
	}
	if err = do(ctx, p); err != nil {
		if _, back := p.ExecContext(ctx, `ROLLBACK TO apart`); back != nil {
			return err, err // such as a full disk, which ends the transaction
		}
	}
	if _, released := p.ExecContext(ctx, `RELEASE apart`); released != nil {
		return released, released
	}
	return err, nil
}

func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (p *prepared) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := p.statement(ctx, query)
	if err != nil {
		return p.tx.QueryRowContext(ctx, query, args...) // whose error it then is
	}
	return s.QueryRowContext(ctx, args...)
}

func (p *prepared) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := p.statements[query]; s != nil {
		return s, nil
	}
	s, err := p.tx.PrepareContext(ctx, query)
	if err == nil {
		p.statements[query] = s
	}
	return s, err
}

// close ends the statements, and may be called again.
func (p *prepared) close() {
	for _, s := range p.statements {
		_ = s.Close()
	}
	clear(p.statements)
}
