package agent_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// The final answer is JSON that fits a schema. The answer is not checked against the
// schema, so the program decodes with care.
func ExampleAgent_output() {
	reader := &agent.Agent{
		Instructions: "Read the invoice. Answer as JSON with the members supplier and cents.",
		Model:        llmtest.NewScript(llmtest.Text(`{"supplier":"Miller Paper","cents":12000}`)),
		Output: &llm.OutputFormat{
			Name: "invoice",
			Schema: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["supplier","cents"],
				"properties":{"supplier":{"type":"string"},"cents":{"type":"integer"}}}`),
			Strict: new(true),
		},
	}
	result, err := runner.Run(context.Background(), reader, llm.User("Miller Paper, 120.00 euros"))
	if err != nil {
		fmt.Println(err)
		return
	}
	var invoice struct {
		Supplier string
		Cents    int
	}
	err = json.Unmarshal([]byte(result.Text), &invoice)
	fmt.Println(invoice.Supplier, invoice.Cents, err)
	// Output:
	// Miller Paper 12000 <nil>
}
