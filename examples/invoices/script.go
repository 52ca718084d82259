package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// scripted returns a script in place of a model.
func scripted() llm.Model {
	script := llmtest.NewScript(llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		return reply(req).Usage(llm.Usage{InputTokens: 1000, OutputTokens: 50, TotalTokens: 1050}).Response()
	}).Forever())
	script.Delay = 20 * time.Millisecond
	return script
}

// reply looks up the order, pays or rejects, writes a mail, and answers.
func reply(req *llm.Request) llmtest.Step {
	var number, cents int
	var supplier, order string
	var results []llm.ToolResult
	for _, m := range req.Messages {
		if m.Role == llm.RoleUser {
			_, rest, _ := strings.Cut(m.Text(), " for order ")
			_, _ = fmt.Sscanf(m.Text(), "Invoice %d of", &number)
			_, _ = fmt.Sscanf(rest, "%4s, %d cents.", &order, &cents)
			supplier, _, _ = strings.Cut(strings.TrimPrefix(m.Text(), fmt.Sprintf("Invoice %d of ", number)), " for ")
		}
		results = append(results, m.Results()...)
	}
	switch len(results) {
	case 0:
		return llmtest.Calls("find_order", orderArgs{order}).And(llmtest.Calls("find_payments", orderArgs{order}))
	case 2:
		if results[0].IsError || cents > orders[order] {
			return llmtest.Calls("reject_invoice", textArgs{number, fmt.Sprintf("Invoice %d does not fit order %s.", number, order)})
		}
		return llmtest.Calls("pay_invoice", payArgs{number, order, cents})
	case 3:
		return llmtest.Calls("write_mail", textArgs{number, fmt.Sprintf("To %s, invoice %d: %s", supplier, number, results[2].Text())})
	}
	return llmtest.Text(fmt.Sprintf("Invoice %d: %s", number, results[2].Text()))
}
