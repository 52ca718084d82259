package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

const (
	shelves = 199 // and one turn for the answer
	wrong   = 100 // the shelf whose count must be corrected
	task    = "Count the shelves 1 to 199 one after the other. Correct a count that is wrong."
)

type shelfArgs struct {
	Shelf int `json:"shelf" jsonschema:"minimum=1"`
}

type correction struct {
	Shelf int `json:"shelf"`
	Count int `json:"count"`
}

// clerk returns an agent with two tools. The list of a shelf has about 300 tokens.
func clerk(model llm.Model) *agent.Agent {
	look := tool.Must(tool.New("look", "Lists what is on a shelf.", func(_ context.Context, in shelfArgs) (string, error) {
		var list strings.Builder
		fmt.Fprintf(&list, "shelf %d\n", in.Shelf)
		for i := range 40 {
			fmt.Fprintf(&list, "article %d: %d boxes\n", 1000+i, (in.Shelf*7+i)%12)
		}
		return list.String(), nil
	}, tool.Idempotent()))
	correct := tool.Must(tool.New("correct", "Corrects the count of a shelf.", func(_ context.Context, in correction) (string, error) {
		return fmt.Sprintf("the count of shelf %d is now %d", in.Shelf, in.Count), nil
	}, tool.NeedsApproval()))
	return &agent.Agent{
		Name: "clerk", Model: model, Tools: []tool.Tool{look, correct},
		Instructions: "You count the stock. Look at one shelf in each turn. Older turns can be missing from the conversation: go on behind the last shelf that you see.",
	}
}
