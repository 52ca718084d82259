package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type refundArgs struct {
	Order  string  `json:"order" jsonschema_description:"Number of the order, e.g. W1001"`
	Amount float64 `json:"amount" jsonschema:"minimum=0.01" jsonschema_description:"What to pay back, in euros"`
}

// limit is the largest refund without approval, in euros.
const limit = 100.00

func isLarge(_ context.Context, in refundArgs) (bool, error) { return in.Amount > limit, nil }

// A bank keeps a receipt for each payment, in a file named for the call's
// idempotency key. The bank of a real program would be a server that receives the
// key with the request.
type bank struct{ dir string }

func (b bank) receipt(key string) string {
	return filepath.Join(b.dir, fmt.Sprintf("%x.txt", sha256.Sum256([]byte(key))))
}

func (b bank) refund(ctx context.Context, in refundArgs) (string, error) {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return "", err
	}
	text := fmt.Sprintf("%.2f euros were paid back for order %s.", in.Amount, in.Order)
	// The rename makes the receipt visible as a whole: after a crash, look must not
	// find an empty one.
	file := b.receipt(tool.CallFrom(ctx).Key)
	if err := os.WriteFile(file+".draft", []byte(text), 0o600); err != nil {
		return "", err
	}
	return text, os.Rename(file+".draft", file)
}

// look reports after a crash whether the bank has paid. So no payment happens twice.
func (b bank) look(_ context.Context, c tool.Call, _ json.RawMessage) (receipt string, paid bool, err error) {
	text, err := os.ReadFile(b.receipt(c.Key))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	return string(text), err == nil, err
}

func assistant(model llm.Model, b bank) *agent.Agent {
	return &agent.Agent{
		Name:         "assistant",
		Instructions: "You work at the order desk of a shop. Be brief.",
		Model:        model,
		Tools: []tool.Tool{
			tool.Must(tool.New("refund", "Pays money back for an order.", b.refund,
				tool.NeedsApprovalIf(isLarge), tool.Reconcile(b.look))),
		},
	}
}
