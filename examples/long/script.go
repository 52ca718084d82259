package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// window is the context of the script's model.
const window = 8000

// scripted returns a script in place of a model, behind the client for real providers. The
// script counts tokens, and refuses a request that exceeds the context.
func scripted() llm.Model {
	script := llmtest.NewScript(llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		n := tokens(req)
		if n > window {
			return nil, &llm.APIError{Kind: llm.KindContextOverflow, StatusCode: 400, Code: "context_length_exceeded", Message: fmt.Sprintf("%d tokens are too many", n)}
		}
		return reply(req).Usage(llm.Usage{InputTokens: n, OutputTokens: 30}).Response()
	}).Forever())
	return openai.Config{HTTPClient: script.Client(), Key: "none"}.Model("scripted")
}

// tokens counts four bytes as a token, and the tools as a hundred.
func tokens(req *llm.Request) (n int64) {
	for _, m := range req.Messages {
		n += 4 + int64(len(m.Text()))/4
		for _, c := range m.Calls() {
			n += int64(len(c.Name)+len(c.Arguments)) / 4
		}
		for _, r := range m.Results() {
			n += int64(len(r.Text())) / 4
		}
	}
	return n + 100
}

// summary names the last shelf of the calls in a text.
func summary(text string) string {
	const call = `{"shelf":`
	last := 0
	_, _ = fmt.Sscanf(text[max(strings.LastIndex(text, call), 0):], call+"%d", &last)
	return fmt.Sprintf("The shelves up to %d are counted.", last)
}

// reply looks at the shelf behind the last shelf in the conversation.
func reply(req *llm.Request) llmtest.Step {
	shelf, corrected := 0, false
	for _, m := range req.Messages {
		if strings.HasPrefix(m.Text(), "You summarize") {
			return llmtest.Text(summary(req.Messages[len(req.Messages)-1].Text()))
		}
		for _, c := range m.Calls() {
			var in correction
			_ = json.Unmarshal([]byte(c.Arguments), &in) // the script's own arguments
			shelf = max(shelf, in.Shelf)
			corrected = corrected || c.Name == "correct"
		}
	}
	switch shelf++; {
	case shelf == wrong && !corrected:
		return llmtest.Calls("correct", correction{shelf, 12})
	case shelf > shelves:
		return llmtest.Text(fmt.Sprintf("All %d shelves are counted. Corrections that I still know of: %v.", shelves, map[bool]int{true: 1}[corrected]))
	}
	return llmtest.Calls("look", shelfArgs{shelf})
}
