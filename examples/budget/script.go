package main

import (
	"context"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// scripted returns a script in place of a model, behind the client for real providers.
func scripted(name string) llm.Model {
	script := llmtest.NewScript(llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		return reply(req).Usage(llm.Usage{InputTokens: int64(900 + 600*len(req.Messages)), CachedTokens: 512, OutputTokens: 60}).Response()
	}).Forever())
	return openai.Config{HTTPClient: script.Client(), Key: "none"}.Model(name)
}

// reply sorts a message, or looks up one order after the other and answers.
func reply(req *llm.Request) llmtest.Step {
	var orders, known []string
	for _, m := range req.Messages {
		if m.Role == llm.RoleUser && orders == nil { // the message at a limit comes later
			orders = orderNumber.FindAllString(m.Text(), -1)
		}
		for _, p := range m.Parts {
			if r, ok := p.(llm.ToolResult); ok {
				known = append(known, r.Text())
			}
		}
	}
	if len(req.Tools) == 0 {
		return llmtest.Text(map[bool]string{true: `{"topic":"orders"}`, false: `{"topic":"other"}`}[len(orders) > 0])
	}
	if len(known) < len(orders) && req.ToolChoice != llm.ToolNone {
		return llmtest.Calls("find_order", orderArgs{orders[len(known)]})
	}
	if missing := orders[len(known):]; len(missing) > 0 {
		known = append(known, "and I could not look up "+strings.Join(missing, ", "))
	}
	return llmtest.Text(strings.Join(known, ", ") + ".")
}
