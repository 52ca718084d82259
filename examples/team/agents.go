package main

import (
	"context"
	"fmt"
	"regexp"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type order struct {
	Order string `json:"order" jsonschema_description:"The number of the order, e.g. W1001"`
}

type refund struct {
	Order string `json:"order"`
	Euros int    `json:"euros" jsonschema:"minimum=1"`
}

// team returns triage. The other agents have no Model of their own, so they use the model of
// triage.
func team(model llm.Model) *agent.Agent {
	pay := tool.Must(tool.New("refund", "Pays money back to a customer.", func(_ context.Context, in refund) (string, error) {
		return fmt.Sprintf("%d euros for %s are paid back", in.Euros, in.Order), nil
	}, tool.NeedsApproval()))
	bill := tool.Must(tool.New("read_bill", "Reads the bill of an order.", func(_ context.Context, in order) (string, error) {
		return in.Order + ": 24 euros, paid twice with the card 4111 1111 1111 1111", nil
	}))
	track := tool.Must(tool.New("track", "Finds the parcel of an order.", func(_ context.Context, in order) (string, error) {
		return in.Order + " is with the carrier and arrives tomorrow", nil
	}))
	cashier := &agent.Agent{Name: "cashier", Instructions: "You are the cashier. You pay money back.", Tools: []tool.Tool{pay}}
	billing := &agent.Agent{
		Name: "billing", Instructions: "You answer questions about bills. The cashier pays money back.",
		Tools: []tool.Tool{bill}, Checks: []agent.Check{{Name: "cards", Output: hideCards}},
		Helpers: []agent.Helper{{Name: "ask_cashier", Description: "Asks the cashier to pay money back.", Agent: cashier}},
	}
	shipping := &agent.Agent{Name: "shipping", Instructions: "You answer questions about parcels.", Tools: []tool.Tool{track}}
	triage := &agent.Agent{Name: "triage", Model: model, Instructions: "You find out who can help, and hand over."}
	triage.Handoffs = []agent.Handoff{
		{Agent: billing, Description: "For bills and money."},
		{Agent: shipping, Description: "For parcels."},
	}
	back := []agent.Handoff{{Agent: triage, Description: "For everything else."}}
	billing.Handoffs, shipping.Handoffs = back, back
	return triage
}

var card = regexp.MustCompile(`\b(\d{4} ){3}(\d{4})\b`)

// hideCards leaves the last four digits of a card.
func hideCards(_ context.Context, s agent.Subject) (agent.Verdict, error) {
	if hidden := card.ReplaceAllString(s.Text, "**** $2"); hidden != s.Text {
		return agent.Verdict{Replace: hidden}, nil
	}
	return agent.Verdict{}, nil
}
