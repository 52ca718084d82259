package main

import (
	"context"
	"regexp"
	"strings"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A price is in dollars for a million tokens.
type price struct{ input, cached, output float64 }

// prices belong to the program, because providers change them. The empty name is for
// models that are not in the table.
var prices = map[string]price{
	"small": {0.15, 0.075, 0.60},
	"large": {2.50, 1.25, 10},
	"":      {2.50, 2.50, 10},
}

// cost is for runner.Runner.Cost. A provider may report a model with a date, such as
// small-2026-03-01.
func cost(model string, u llm.Usage) float64 {
	name := ""
	for n := range prices {
		if strings.HasPrefix(model, n) && len(n) > len(name) {
			name = n
		}
	}
	p := prices[name]
	return (float64(u.InputTokens-u.CachedTokens)*p.input + float64(u.CachedTokens)*p.cached + float64(u.OutputTokens)*p.output) / 1e6
}

// A topic is the answer of the sorter.
type topic struct {
	Topic string `json:"topic" jsonschema:"enum=orders,enum=other"`
}

// agents returns two agents: a cheap sorter for every message, and an expensive clerk for
// the messages about orders.
func agents(small, large llm.Model) (sorter, clerk *agent.Agent) {
	find := tool.Must(tool.New("find_order", "Finds an order by its number, e.g. W1001.", findOrder, tool.Idempotent()))
	return &agent.Agent{
			Name: "sorter", Model: small, Output: agent.OutputOf[topic](),
			Instructions: "Sort the message: is it about orders of the shop, or about something else?",
		}, &agent.Agent{
			Name: "clerk", Model: large, Tools: []tool.Tool{find},
			Instructions: "Look up each order of the message, and answer the customer.",
		}
}

type orderArgs struct {
	Number string `json:"number" jsonschema:"pattern=^W[0-9]{4}$"`
}

// findOrder invents the state of an order from the last digit of the number.
func findOrder(_ context.Context, in orderArgs) (string, error) {
	states := []string{"is packed", "is on its way", "has arrived"}
	return in.Number + " " + states[int(in.Number[4])%len(states)], nil
}

var orderNumber = regexp.MustCompile(`\bW\d{4}\b`)
