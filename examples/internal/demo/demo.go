// Package demo is an embedded provider, for programs that are run without a
// key. It speaks Chat Completions on a loopback port and understands nothing:
//
//   - It calls a tool if the question shares a word with the tool's name or
//     description, and the only tool also if the question has what it needs.
//   - It takes the arguments from what a tool said before under the same name,
//     and else from the question: names (words with a capital or a digit, or in
//     quotes) for strings, numbers for numbers, the values of an enum. What it
//     does not find it makes up.
//   - When no tool is left to be called, it repeats what the tools said.
//
// That is enough to see a program at work, with any tools, offline and the same
// each time.
package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// Model is the one model that the provider has.
const Model = "gpt-4o-mini"

// delay lies between the chunks of an answer, so that people see it stream.
const delay = 12 * time.Millisecond

// Serve starts the provider on a port of its own; its BaseURL says where. The
// caller closes it.
func Serve() (*llmtest.Server, error) {
	script := llmtest.NewScript(llmtest.Reply(reply).Forever())
	script.Delay = delay
	server := &llmtest.Server{Model: script, Models: []string{Model}}
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("embedded provider: %w", err)
	}
	return server, nil
}

func reply(_ context.Context, req *llm.Request) (*llm.Response, error) {
	t := listen(req.Messages)
	resp := &llm.Response{Message: llm.Assistant("", t.next(req)...)}
	if len(resp.Message.Parts) == 0 {
		resp.Message = llm.Assistant(t.answer(req))
	}
	resp.Usage = usage(req, resp)
	return resp, nil
}

// usage counts a token for four bytes.
func usage(req *llm.Request, resp *llm.Response) llm.Usage {
	var in int
	for _, m := range req.Messages {
		in += size(m)
	}
	for _, t := range req.Tools {
		in += len(t.Name) + len(t.Description) + len(t.Schema)
	}
	u := llm.Usage{InputTokens: int64(in/4 + 1), OutputTokens: int64(size(resp.Message)/4 + 1)}
	u.TotalTokens = u.InputTokens + u.OutputTokens
	return u
}

func size(m llm.Message) int {
	n := len(m.Text())
	for _, p := range m.Parts {
		switch p := p.(type) {
		case llm.ToolCall:
			n += len(p.Name) + len(p.Arguments)
		case llm.ToolResult:
			n += len(p.Text())
		}
	}
	return n
}
