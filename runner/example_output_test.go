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
