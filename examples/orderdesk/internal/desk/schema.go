package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"modernc.org/sqlite"
)

// migrations bring the tables to the current version, each once and in order. Only
// append to them.
var migrations = [][]string{
	{
		`CREATE TABLE users (
			id TEXT PRIMARY KEY,
			first_name TEXT NOT NULL, last_name TEXT NOT NULL,
			email TEXT NOT NULL,
			email_key TEXT NOT NULL, -- in lower case, as it is looked for
			address1 TEXT NOT NULL, address2 TEXT NOT NULL, city TEXT NOT NULL,
			state TEXT NOT NULL, country TEXT NOT NULL, zip TEXT NOT NULL)`,
		`CREATE INDEX users_by_email ON users (email_key)`,
		`CREATE INDEX users_by_zip ON users (zip)`,
		`CREATE TABLE payment_methods (
			user_id TEXT NOT NULL REFERENCES users (id),
			id TEXT NOT NULL,
			source TEXT NOT NULL,
			brand TEXT NOT NULL, last_four TEXT NOT NULL, -- '' where there is none
			balance_cents BIGINT CHECK (balance_cents >= 0),
			PRIMARY KEY (user_id, id))`,
		`CREATE TABLE products (id TEXT PRIMARY KEY, name TEXT NOT NULL)`,
		`CREATE TABLE variants (
			product_id TEXT NOT NULL REFERENCES products (id),
			item_id TEXT NOT NULL,
			options TEXT NOT NULL, -- a JSON object
			available BOOLEAN NOT NULL,
			price_cents BIGINT NOT NULL,
			PRIMARY KEY (product_id, item_id))`,
		`CREATE TABLE orders (
			id TEXT PRIMARY KEY,
			user_id TEXT NOT NULL REFERENCES users (id),
			position BIGINT NOT NULL, -- among the user's
			status TEXT NOT NULL,
			address1 TEXT NOT NULL, address2 TEXT NOT NULL, city TEXT NOT NULL,
			state TEXT NOT NULL, country TEXT NOT NULL, zip TEXT NOT NULL,
			cancel_reason TEXT NOT NULL, -- '' where it does not apply, as below
			exchange_items TEXT, exchange_new_items TEXT, -- JSON arrays
			exchange_payment_method_id TEXT NOT NULL,
			exchange_difference_cents BIGINT,
			return_items TEXT, -- a JSON array
			return_payment_method_id TEXT NOT NULL,
			UNIQUE (user_id, position))`,
		`CREATE TABLE order_items (
			order_id TEXT NOT NULL REFERENCES orders (id),
			position BIGINT NOT NULL, -- an order may hold an item twice
			item_id TEXT NOT NULL, product_id TEXT NOT NULL, name TEXT NOT NULL,
			price_cents BIGINT NOT NULL,
			options TEXT NOT NULL, -- a JSON object
			PRIMARY KEY (order_id, position))`,
		`CREATE TABLE fulfillments (
			order_id TEXT NOT NULL REFERENCES orders (id),
			position BIGINT NOT NULL,
			tracking_ids TEXT NOT NULL, item_ids TEXT NOT NULL, -- JSON arrays
			PRIMARY KEY (order_id, position))`,
		`CREATE TABLE payments (
			order_id TEXT NOT NULL REFERENCES orders (id),
			position BIGINT NOT NULL,
			type TEXT NOT NULL,
			amount_cents BIGINT NOT NULL,
			payment_method_id TEXT NOT NULL,
			PRIMARY KEY (order_id, position))`,
		`CREATE TABLE calls (
			key TEXT PRIMARY KEY, -- the idempotency key of a call that changed something
			tool TEXT NOT NULL,
			result TEXT NOT NULL)`,
	},
	// The number of the last attempt that wrote the row. A row without a result
	// belongs to a refused call and stops earlier attempts.
	{`ALTER TABLE calls ADD COLUMN fence BIGINT NOT NULL DEFAULT 0`},
}

// migrate is safe to run in any number of processes at once.
func (d *Desk) migrate(ctx context.Context) error {
	err := d.patient(ctx, func(t *tx) error {
		if d.postgres { // transactions of SQLite exclude each other
			if err := t.exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('desk_version'))`); err != nil {
				return err
			}
		}
		if err := t.exec(ctx, `CREATE TABLE IF NOT EXISTS desk_version (version BIGINT NOT NULL)`); err != nil {
			return err
		}
		version, err := one[int](ctx, t, `SELECT COALESCE(MAX(version), 0) FROM desk_version`)
		if err != nil {
			return err
		}
		return t.migrateFrom(ctx, version)
	})
	if err != nil {
		return fmt.Errorf("desk: migrate: %w", err)
	}
	return nil
}

// The retries after SQLite reports a locked file without waiting.
const (
	sqliteBusy = 5
	lookAgain  = 20 * time.Millisecond
	patience   = 500 // as many as fit into the time for which SQLite usually waits
)

// patient is update for a file that may be new. If a different process creates the
// file and has not set WAL mode yet, SQLite does not wait.
func (d *Desk) patient(ctx context.Context, f func(*tx) error) error {
	for n := 1; ; n++ {
		err := d.update(ctx, f)
		e, is := errors.AsType[*sqlite.Error](err)
		if !is || e.Code()&0xff != sqliteBusy || n == patience {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lookAgain):
		}
	}
}

func (t *tx) migrateFrom(ctx context.Context, version int) error {
	if version > len(migrations) {
		return fmt.Errorf("the tables are of version %d, and this program knows up to %d", version, len(migrations))
	}
	for i, statements := range migrations[version:] {
		for _, s := range statements {
			if err := t.exec(ctx, s); err != nil {
				return err
			}
		}
		if err := t.exec(ctx, `INSERT INTO desk_version (version) VALUES ($1)`, version+i+1); err != nil {
			return err
		}
	}
	return nil
}

// one returns the only value of a row.
func one[T any](ctx context.Context, t *tx, query string, args ...any) (v T, err error) {
	err = t.QueryRowContext(ctx, query, args...).Scan(&v)
	return v, err
}
