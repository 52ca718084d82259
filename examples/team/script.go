package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// scripted returns a script in place of a model, behind the client for real providers.
func scripted() llm.Model {
	script := llmtest.NewScript(llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		return reply(req).Response()
	}).Forever())
	return openai.Config{HTTPClient: script.Client(), Key: "none"}.Model("script")
}

var orderNumber = regexp.MustCompile(`W\d+`)

// reply is what the agent of a request does next, by its tools and the last message.
func reply(req *llm.Request) llmtest.Step {
	question, result := "", ""
	for _, m := range req.Messages {
		if m.Role == llm.RoleUser {
			question, result = m.Text(), ""
		}
		for _, r := range m.Results() {
			if !strings.Contains(r.Text(), "handed over") {
				result = r.Text()
			}
		}
	}
	number := orderNumber.FindString(question)
	offered := map[string]bool{}
	for _, t := range req.Tools {
		offered[t.Name] = true
	}
	switch wants := strings.Contains(question, "back"); {
	case offered["transfer_to_shipping"] && strings.Contains(question, "parcel"):
		return llmtest.Calls("transfer_to_shipping", nil)
	case offered["transfer_to_billing"]:
		return llmtest.Calls("transfer_to_billing", nil)
	case result != "":
		return llmtest.Text(strings.TrimRight(result, ".") + ".")
	case offered["refund"]:
		return llmtest.Calls("refund", refund{number, 24})
	case offered["ask_cashier"] && wants:
		return llmtest.Calls("ask_cashier", map[string]string{"task": fmt.Sprintf("Pay 24 euros for %s back.", number)})
	case offered["read_bill"]:
		return llmtest.Calls("read_bill", order{number})
	}
	return llmtest.Calls("track", order{number})
}
