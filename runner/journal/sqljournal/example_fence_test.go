package sqljournal_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// The table and both statements are the same for SQLite and PostgreSQL. A row without
// cents fences off attempts: only an attempt with a higher fence may pay.
const (
	paymentsTable = `CREATE TABLE payments (key TEXT PRIMARY KEY, fence BIGINT NOT NULL, cents BIGINT)`

	// pay pays and records key and fence. If the call was paid before, or if this attempt
	// was fenced off, the statement changes nothing.
	pay = `INSERT INTO payments (key, fence, cents) VALUES ($1, $2, $3)
		ON CONFLICT (key) DO UPDATE SET fence = excluded.fence, cents = excluded.cents
		WHERE payments.cents IS NULL AND payments.fence < excluded.fence`
	// fenceOff looks for the payment. Without a payment, the statement fences off the
	// attempt. In PostgreSQL it waits for a payment whose transaction has not ended.
	fenceOff = `INSERT INTO payments (key, fence, cents) VALUES ($1, $2, NULL)
		ON CONFLICT (key) DO UPDATE SET fence = CASE WHEN payments.fence < excluded.fence THEN excluded.fence ELSE payments.fence END
		RETURNING cents`
)

// A bank keeps payments in a database.
type bank struct{ db *sql.DB }

var errFencedOff = errors.New("somebody has decided that this attempt did not happen")

// pay is a tool's function. It pays once for each call, and never in an attempt that was
// fenced off.
func (b bank) pay(ctx context.Context, c tool.Call, cents int64) (string, error) {
	result, err := b.db.ExecContext(ctx, pay, c.Key, c.Fence, cents)
	if err != nil {
		return "", err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return fmt.Sprintf("paid %d", cents), err
	}
	var before sql.NullInt64
	if err := b.db.QueryRowContext(ctx, `SELECT cents FROM payments WHERE key = $1`, c.Key).Scan(&before); err != nil {
		return "", err
	}
	if !before.Valid {
		return "", errFencedOff
	}
	return fmt.Sprintf("paid %d", before.Int64), nil
}

// reconcile reports whether an attempt in doubt has paid. If not, reconcile fences off
// the attempt, which can then never pay.
func (b bank) reconcile(ctx context.Context, c tool.Call, _ json.RawMessage) (string, bool, error) {
	var cents sql.NullInt64
	if err := b.db.QueryRowContext(ctx, fenceOff, c.Key, c.Fence).Scan(&cents); err != nil || !cents.Valid {
		return "", false, err
	}
	return fmt.Sprintf("paid %d", cents.Int64), true, nil
}

type payArgs struct {
	Cents int64 `json:"cents"`
}

// tool is what an agent gets.
func (b bank) tool() tool.Tool {
	return tool.Must(tool.New("pay", "Pays an amount.", func(ctx context.Context, in payArgs) (string, error) {
		return b.pay(ctx, tool.CallFrom(ctx), in.Cents)
	}, tool.Reconcile(b.reconcile)))
}

// A process was stopped while it paid. Another one has taken over its session, has
// found no payment, and pays in an attempt of its own. The first process wakes up,
// and its payment comes too late.
func Example_fence() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "bank")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := sqljournal.OpenSQLite(ctx, filepath.Join(dir, "bank.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	b := bank{store.DB}
	if _, err := b.db.ExecContext(ctx, paymentsTable); err != nil {
		log.Fatal(err)
	}

	first := tool.Call{Key: "order-42/r1.t1.c0", Fence: 5}
	_, happened, err := b.reconcile(ctx, first, nil)
	fmt.Println("happened:", happened, err)

	_, err = b.pay(ctx, first, 500)
	fmt.Println("the first attempt wakes up:", err)

	second := tool.Call{Key: first.Key, Fence: 8}
	paid, err := b.pay(ctx, second, 500)
	fmt.Println("the second attempt:", paid, err)

	// Output:
	// happened: false <nil>
	// the first attempt wakes up: somebody has decided that this attempt did not happen
	// the second attempt: paid 500 <nil>
}
