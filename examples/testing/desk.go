// Package desk is an agent for refunds, with an example of a test file:
// desk_test.go.
package desk

import (
	"context"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type FindArgs struct {
	Order string `json:"order" jsonschema:"example=W1"`
}

type RefundArgs struct {
	Order string `json:"order" jsonschema:"example=W1"`
	Cents int    `json:"cents" jsonschema:"minimum=1"`
}

type MailArgs struct {
	Order string `json:"order" jsonschema:"example=W1"`
	Text  string `json:"text" jsonschema:"minLength=1"`
}

// New returns the agent of a shop.
func New(shop *Shop, model llm.Model) *agent.Agent {
	return &agent.Agent{
		Name:         "desk",
		Instructions: "You look after refunds. Look the order up first.",
		Model:        model,
		Tools: []tool.Tool{
			tool.Must(tool.New("find_order", "An order: what was paid, and what was refunded.", shop.find)),
			tool.Must(tool.New("refund", "Pays back a part or all of an order.", shop.refund,
				tool.Idempotent(), tool.NeedsApprovalIf(isLarge))),
			tool.Must(tool.New("send_mail", "Writes to the customer of an order.", shop.mail)),
		},
	}
}

// isLarge reports whether a refund needs the approval of a person.
func isLarge(_ context.Context, in RefundArgs) (bool, error) { return in.Cents > 100_00, nil }

func (s *Shop) find(ctx context.Context, in FindArgs) (Order, error) { return s.Find(ctx, in.Order) }

func (s *Shop) refund(ctx context.Context, in RefundArgs) (Order, error) {
	return s.Refund(ctx, tool.CallFrom(ctx).Key, in.Order, in.Cents) // the key prevents a second refund when the call is repeated
}

func (s *Shop) mail(ctx context.Context, in MailArgs) (string, error) {
	if err := s.Mail(ctx, in.Order, in.Text); err != nil {
		return "", tool.Hide(err) // the model does not need the name of the mail server
	}
	return "The mail is sent.", nil
}
