package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// limit is the largest payment without a person, in cents.
const limit = 500_00

// patience is how long a payment waits for the bank.
const patience = 3 * 24 * time.Hour

// orders are the purchase orders with their agreed prices in cents. Yours would come from
// a database.
var orders = map[string]int{"P101": 120_00, "P102": 2400_00, "P103": 89_90, "P104": 760_00, "P105": 45_50}

type orderArgs struct {
	Order string `json:"order" jsonschema_description:"number of the purchase order, e.g. P101"`
}

type payArgs struct {
	Invoice int    `json:"invoice"`
	Order   string `json:"order"`
	Cents   int    `json:"cents" jsonschema:"minimum=1"`
}

type textArgs struct {
	Invoice int    `json:"invoice"`
	Text    string `json:"text" jsonschema:"minLength=1"`
}

// books stand for the bank and the mail server. Each entry has the key of its call, so a
// call that is repeated after a crash changes nothing.
type books struct{ db *sql.DB }

func openBooks(ctx context.Context, db *sql.DB) (books, error) {
	_, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS books (id TEXT PRIMARY KEY, kind TEXT NOT NULL, invoice INTEGER NOT NULL, text TEXT NOT NULL);
		CREATE TABLE IF NOT EXISTS budget (id TEXT PRIMARY KEY, day TEXT NOT NULL, cents INTEGER NOT NULL)`)
	return books{db}, err
}

func (b books) enter(ctx context.Context, kind string, invoice int, text string) (string, error) {
	_, err := b.db.ExecContext(ctx, `INSERT INTO books (id, kind, invoice, text) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		tool.CallFrom(ctx).Key, kind, invoice, text)
	return kind + ": " + text, err
}

func (b books) find(_ context.Context, in orderArgs) (string, error) {
	cents, ok := orders[in.Order]
	if !ok { // the model reads this error
		return "", fmt.Errorf("there is no purchase order %s", in.Order)
	}
	return fmt.Sprintf("The agreed price of %s is %d cents.", in.Order, cents), nil
}

func (b books) history(ctx context.Context, in orderArgs) (string, error) {
	var n int
	err := b.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM books WHERE kind IN ('ordered', 'paid') AND text LIKE '%' || $1 || '%'`, in.Order).Scan(&n)
	return fmt.Sprintf("Payments for order %s so far: %d.", in.Order, n), err
}

func (b books) pay(ctx context.Context, in payArgs) (string, error) {
	if agreed := orders[in.Order]; in.Cents > agreed {
		return "", fmt.Errorf("the agreed price of order %q is only %d cents", in.Order, agreed)
	}
	text := fmt.Sprintf("%d cents for order %s", in.Cents, in.Order)
	if _, err := b.enter(ctx, "ordered", in.Invoice, text); err != nil {
		return "", err
	}
	return "", tool.Later(text) // the bank confirms the transfer
}

// A transfer is a payment in the books of the bank, with the key of the call.
type transfer struct {
	key     string
	invoice int
	text    string
}

// confirm confirms the transfers that were ordered.
func (b books) confirm(ctx context.Context, tx *sql.Tx) (all []transfer, err error) {
	rows, err := tx.QueryContext(ctx, `UPDATE books SET kind = 'paid' WHERE kind = 'ordered' RETURNING id, invoice, text`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var t transfer
		if err := rows.Scan(&t.key, &t.invoice, &t.text); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, rows.Err()
}

func (b books) reject(ctx context.Context, in textArgs) (string, error) {
	return b.enter(ctx, "rejected", in.Invoice, in.Text)
}

func (b books) mail(ctx context.Context, in textArgs) (string, error) {
	return b.enter(ctx, "mail", in.Invoice, in.Text)
}

// policy approves small payments, as long as they fit into the budget of the day. All else
// waits for a person.
func (b books) policy(daily int) func(context.Context, runner.Pending) (runner.Input, error) {
	return func(ctx context.Context, p runner.Pending) (runner.Input, error) {
		var in payArgs
		if err := json.Unmarshal([]byte(p.ToolCall.Arguments), &in); err != nil || in.Cents > limit {
			return nil, err
		}
		fits, err := b.reserve(ctx, p.Key, in.Cents, daily)
		if err != nil || !fits {
			return nil, err
		}
		return runner.By("policy: daily budget", p.Approve()), nil
	}
}

// reserve takes a payment from the budget of today, if the payment fits. One statement looks
// and reserves, so two workers never use the same money. The id is the key of the call: the
// policy is asked again if its process dies before the answer is recorded, and the same
// reservation counts.
func (b books) reserve(ctx context.Context, key string, cents, daily int) (fits bool, err error) {
	_, err = b.db.ExecContext(ctx, `INSERT INTO budget (id, day, cents) SELECT $1, $2, $3
		WHERE $3 + (SELECT COALESCE(SUM(cents), 0) FROM budget WHERE day = $2) <= $4 ON CONFLICT DO NOTHING`,
		key, time.Now().UTC().Format(time.DateOnly), cents, daily)
	if err != nil {
		return false, err
	}
	err = b.db.QueryRowContext(ctx, `SELECT COUNT(*) > 0 FROM budget WHERE id = $1`, key).Scan(&fits)
	return fits, err
}

// clerk returns the agent. All tools are idempotent, so the runner repeats a call whose end
// is not recorded.
func clerk(model llm.Model, b books) *agent.Agent {
	return &agent.Agent{
		Name: "clerk",
		Instructions: "You handle the invoices of a company. Look up the purchase order and earlier payments. " +
			"Pay the invoice if it is not above the agreed price and the order is not paid yet; otherwise reject it. Then write a mail to the supplier. Be brief.",
		Model: model,
		Tools: []tool.Tool{
			tool.Must(tool.New("find_order", "Looks up a purchase order.", b.find, tool.Idempotent())),
			tool.Must(tool.New("find_payments", "Counts earlier payments for a purchase order.", b.history, tool.Idempotent())),
			tool.Must(tool.New("pay_invoice", "Pays an invoice.", b.pay, tool.Idempotent(), tool.NeedsApproval(),
				tool.LateWithin(patience, "The bank has not confirmed the transfer: tell the supplier that it takes longer."))),
			tool.Must(tool.New("reject_invoice", "Rejects an invoice with a reason.", b.reject, tool.Idempotent())),
			tool.Must(tool.New("write_mail", "Writes to the supplier.", b.mail, tool.Idempotent())),
		},
	}
}
