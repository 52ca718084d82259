package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// limit is the largest payment without approval, in cents.
const limit = 500_00

// An order is a purchase order. Yours would come from a database.
type order struct {
	Order    string `json:"order"`
	Supplier string `json:"supplier"`
	Cents    int    `json:"cents"` // the agreed price
}

var orders = map[string]order{
	"P101": {"P101", "Miller Paper", 120_00},
	"P102": {"P102", "Holt Furniture", 2400_00},
	"P103": {"P103", "Ines Cole", 89_90},
	"P104": {"P104", "Lakeside Print", 760_00},
}

type orderArgs struct {
	Order string `json:"order" jsonschema_description:"Number of the purchase order, e.g. P101"`
}

func getOrder(_ context.Context, in orderArgs) (order, error) {
	o, ok := orders[in.Order]
	if !ok { // the model reads this error and can react to it
		return o, fmt.Errorf("there is no purchase order %s", in.Order)
	}
	return o, nil
}

type payArgs struct {
	Order string `json:"order" jsonschema_description:"Number of the purchase order, e.g. P101"`
	Cents int    `json:"cents" jsonschema:"minimum=1" jsonschema_description:"Amount in cents"`
}

// needsApproval reports whether a person must approve a payment. A call that pays
// too much or an unknown order needs no approval, because pay refuses it.
func needsApproval(_ context.Context, in payArgs) (bool, error) {
	return in.Cents > limit && in.Cents <= orders[in.Order].Cents, nil
}

// A bank makes payments, each as a file. The bank of a real program would be a
// server that receives the idempotency key with the payment.
type bank struct{ dir string }

// pay makes one payment. After a crash the runner may call pay again with the same
// key, while nobody knows whether the first attempt has paid.
func (b bank) pay(ctx context.Context, in payArgs) (string, error) {
	o, ok := orders[in.Order]
	switch {
	case !ok:
		return "", fmt.Errorf("there is no purchase order %s", in.Order)
	case in.Cents > o.Cents:
		return "", fmt.Errorf("the agreed price of order %s is only %s", o.Order, euros(o.Cents))
	}
	receipt := fmt.Sprintf("Paid %s to %s for order %s.", euros(in.Cents), o.Supplier, o.Order)
	if err := b.transfer(tool.CallFrom(ctx).Key, receipt); err != nil {
		return "", err
	}
	return receipt, nil
}

// transfer moves the money once for each key. The check of the key and the
// payment must be one step: here the link fails if its name exists, and the file
// has its whole content before. In a database, a unique index on the key does the
// same.
func (b bank) transfer(key, receipt string) error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	draft, err := os.CreateTemp(b.dir, "*.draft")
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	_, err = draft.WriteString(receipt + "\n")
	if err := errors.Join(err, draft.Close()); err != nil {
		return err
	}
	name := fmt.Sprintf("%x.txt", sha256.Sum256([]byte(key)))
	err = os.Link(draft.Name(), filepath.Join(b.dir, name))
	if errors.Is(err, fs.ErrExist) {
		return nil // an earlier attempt at this call has paid
	}
	return err
}

func euros(cents int) string { return fmt.Sprintf("%d.%02d euros", cents/100, cents%100) }

// clerk returns the agent. Both tools are idempotent, so the runner repeats a call
// whose end is not recorded. Without that option the runner would ask a person.
func clerk(model llm.Model, b bank) *agent.Agent {
	return &agent.Agent{
		Name: "clerk",
		Instructions: "You pay the invoices of a company. Look up the purchase order, and pay the agreed price, never more. " +
			"If something does not fit, pay nothing and say why. Be brief.",
		Model: model,
		Tools: []tool.Tool{
			tool.Must(tool.New("get_order", "Looks up a purchase order.", getOrder, tool.Idempotent())),
			tool.Must(tool.New("pay_order", "Pays the supplier of a purchase order.", b.pay,
				tool.Idempotent(), tool.NeedsApprovalIf(needsApproval))),
		},
	}
}
