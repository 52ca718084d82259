package compact_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type pageArgs struct {
	Page int `json:"page"`
}

// reading returns an agent whose model reads the pages 1 to 6, of 250 tokens each.
func reading() *agent.Agent {
	read := tool.Must(tool.New("read", "Reads a page.", func(_ context.Context, in pageArgs) (string, error) {
		return fmt.Sprintf("page %d %s", in.Page, strings.Repeat("word ", 200)), nil
	}))
	var steps []llmtest.Step
	for page := range 6 {
		steps = append(steps, llmtest.Calls("read", pageArgs{page + 1}).Usage(llm.Usage{})) // as of a server that counts nothing
	}
	return &agent.Agent{Model: llmtest.NewScript(append(steps, llmtest.Text("All read."))...), Tools: []tool.Tool{read}}
}

// A conversation that would exceed 1,000 tokens is shortened to half of that before the
// next turn.
func Example() {
	r := runner.Runner{Compact: &compact.Policy{Tokens: 1000}}
	result, err := r.Run(context.Background(), reading(), llm.User("Read the pages."))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range result.Events {
		if strings.HasPrefix(e.Line(), "history") {
			fmt.Println(e.Line())
		}
	}
	for _, m := range result.Messages[:5] {
		fmt.Printf("%s: %.40s\n", m.Role, text(m))
	}
	// Output:
	// history compacted: 9 messages became 7, of which 2 are new
	// user: Read the pages.
	// assistant: read {"page":2}
	// tool: [This result of 1007 bytes was removed f
	// assistant: read {"page":3}
	// tool: [This result of 1007 bytes was removed f
}

// A model of its own writes a summary of what was removed. If the last turns alone are too
// large, the default strategy goes on.
func ExampleSummarize() {
	small := llmtest.NewScript(llmtest.Text("The pages 1 to 3 are all about words.").Forever())
	r := runner.Runner{Compact: &compact.Policy{Tokens: 1000, Strategy: compact.Each(compact.Summarize(small, 2), compact.Default())}}
	result, err := r.Run(context.Background(), reading(), llm.User("Read the pages."))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Messages[1].Text())
	// Output:
	// [Summary of the earlier part of this conversation, written by a model:]
	// The pages 1 to 3 are all about words.
}

// Any function can be a strategy. This function keeps only the last two turns and what must
// stay.
func ExampleStrategy() {
	last := func(_ context.Context, h *compact.History) (stay []llm.Message, err error) {
		for i, m := range h.Messages {
			if _, fixed := slices.BinarySearch(h.Fixed, i); fixed || i >= len(h.Messages)-4 {
				stay = append(stay, m)
			}
		}
		return stay, nil
	}
	r := runner.Runner{Compact: &compact.Policy{Tokens: 1000, Strategy: last}}
	result, err := r.Run(context.Background(), reading(), llm.User("Read the pages."))
	fmt.Println(len(result.Messages), err)
	// Output:
	// 6 <nil>
}

func text(m llm.Message) string {
	if r := m.Results(); len(r) > 0 {
		return r[0].Text()
	}
	if c := m.Calls(); len(c) > 0 {
		return c[0].Name + " " + c[0].Arguments
	}
	return m.Text()
}
