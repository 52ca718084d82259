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
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type orderArgs struct {
	Order string `json:"order" jsonschema_description:"Number of the order, e.g. W1001"`
}

type refundArgs struct {
	Order  string  `json:"order" jsonschema_description:"Number of the order, e.g. W1001"`
	Amount float64 `json:"amount" jsonschema:"minimum=0.01" jsonschema_description:"What to pay back, in euros"`
}

// limit is the largest refund without approval, in euros.
const limit = 100.00

func isLarge(_ context.Context, in refundArgs) (bool, error) { return in.Amount > limit, nil }

// A shop has a slow list of orders, and keeps a receipt for each refund in a file named for
// the call's idempotency key. The bank of a real program would be a server that receives the
// key with the request.
type shop struct{ dir string }

func (shop) find(ctx context.Context, in orderArgs) (map[string]any, error) {
	for i := range 4 {
		tool.CallFrom(ctx).Progress(float64(i), 4, "asking the warehouse")
		select {
		case <-time.After(400 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return map[string]any{"order": in.Order, "article": "desk lamp", "price": 129.90, "state": "delivered"}, nil
}

func (s shop) receipt(key string) string {
	return filepath.Join(s.dir, fmt.Sprintf("%x.txt", sha256.Sum256([]byte(key))))
}

func (s shop) refund(ctx context.Context, in refundArgs) (string, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return "", err
	}
	text := fmt.Sprintf("%.2f euros were paid back for order %s.", in.Amount, in.Order)
	file := s.receipt(tool.CallFrom(ctx).Key)
	if err := os.WriteFile(file+".draft", []byte(text), 0o600); err != nil {
		return "", err
	}
	return text, os.Rename(file+".draft", file)
}

// look reports after a crash whether the money was paid back. So no payment happens twice.
func (s shop) look(_ context.Context, c tool.Call, _ json.RawMessage) (receipt string, paid bool, err error) {
	text, err := os.ReadFile(s.receipt(c.Key))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	return string(text), err == nil, err
}

func assistant(model llm.Model, s shop) *agent.Agent {
	return &agent.Agent{
		Name:         "desk",
		Instructions: "You work at the order desk of a shop. Be brief.",
		Model:        model,
		Tools: []tool.Tool{
			tool.Must(tool.New("find_order", "Finds an order.", s.find, tool.Idempotent())),
			tool.Must(tool.New("refund", "Pays money back for an order.", s.refund, tool.NeedsApprovalIf(isLarge), tool.Reconcile(s.look))),
		},
	}
}
