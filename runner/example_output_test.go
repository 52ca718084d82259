package runner_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

func ExampleRunFor() {
	type invoice struct {
		Supplier string `json:"supplier"`
		Cents    int    `json:"cents" jsonschema:"minimum=1"`
	}
	reader := &agent.Agent{
		Instructions: "Read the invoice.",
		Model:        llmtest.NewScript(llmtest.Text(`{"supplier":"Miller Paper","cents":12000}`)),
	}
	in, _, err := runner.RunFor[invoice](context.Background(), reader, llm.User("Miller Paper, 120.00 euros"))
	fmt.Println(in.Supplier, in.Cents, err)
	// Output:
	// Miller Paper 12000 <nil>
}

// An Invoice has amounts in cents.
type Invoice struct {
	Net   int `json:"net"`
	Tax   int `json:"tax"`
	Total int `json:"total"`
}

// A check refuses an answer that has the right form and cannot be right.
func ExampleOutput() {
	ctx, letter := context.Background(), "100.00 euros net, 119.00 in all"
	reader := &agent.Agent{
		Instructions: "Read the invoice.",
		Model: llmtest.NewScript(
			llmtest.Text(`{"net":10000,"tax":0,"total":11900}`),
			llmtest.Text(`{"net":10000,"tax":1900,"total":11900}`)),
	}
	reader.Output = agent.OutputOf(func(_ context.Context, in Invoice) error {
		if in.Net+in.Tax == in.Total {
			return nil
		}
		return fmt.Errorf("%d and %d are not %d", in.Net, in.Tax, in.Total) // the model reads this, and corrects its answer
	})
	result, err := runner.Run(ctx, reader, llm.User(letter))
	invoice, none := runner.Output[Invoice](result) // an Invoice
	fmt.Println(invoice.Tax, err, none)
	fmt.Println(result.Messages[2].Text())
	// Output:
	// 1900 <nil> <nil>
	// Your answer was refused: 10000 and 0 are not 11900
	// Reply again with only the corrected JSON.
}

func ExamplePartial() {
	type recipe struct {
		Name  string   `json:"name"`
		Steps []string `json:"steps"`
	}
	script := llmtest.NewScript(llmtest.Text(`{"name":"Tea","steps":["boil water","wait"]}`))
	script.ChunkSize = 12 // characters
	cook := &agent.Agent{Model: script, Output: agent.OutputOf[recipe]()}
	for e, err := range runner.Stream(context.Background(), cook, llm.User("How do I make tea?")) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if r, ok := runner.Partial[recipe](e); ok {
			fmt.Printf("%q %q\n", r.Name, r.Steps)
		}
	}
	// Output:
	// "Tea" []
	// "Tea" [""]
	// "Tea" ["boil water"]
	// "Tea" ["boil water" "wait"]
}
