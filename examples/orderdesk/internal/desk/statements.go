package desk

import (
	"context"
	"database/sql"
	"sync"
)

// statements are the prepared statements of SQLite's read-only transactions. SQLite takes
// longer to parse such a statement than to run it.
type statements struct {
	db    *sql.DB
	known sync.Map // *sql.Stmt by its query
}

// view runs f with one read-only state of the database. A query is prepared after its
// first transaction, because preparing takes a connection, and other transactions may
// hold all connections.
func (s *statements) view(ctx context.Context, opts *sql.TxOptions, f func(*tx) error) error {
	t := &tx{prepared: s}
	err := transact(ctx, s.db, opts, t, f)
	if err != nil {
		return err
	}
	for _, query := range t.unknown {
		prepared, err := s.db.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		if _, twice := s.known.LoadOrStore(query, prepared); twice {
			_ = prepared.Close()
		}
	}
	return nil
}

// QueryContext runs the prepared statement of the query, if there is one.
func (t *tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if t.prepared == nil {
		return t.Tx.QueryContext(ctx, query, args...)
	}
	if known, ok := t.prepared.known.Load(query); ok {
		return t.StmtContext(ctx, known.(*sql.Stmt)).QueryContext(ctx, args...)
	}
	t.unknown = append(t.unknown, query)
	return t.Tx.QueryContext(ctx, query, args...)
}
