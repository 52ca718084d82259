package agent_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

type line struct {
	Item  string `json:"item"`
	Cents int    `json:"cents"`
}

type invoice struct {
	Supplier string `json:"supplier"`
	Lines    []line `json:"lines"`
	Total    int    `json:"total" jsonschema_description:"In cents"`
}

// The model's first answer has a wrong sum, and the check sends the answer back.
func ExampleOutputOf() {
	script := llmtest.NewScript(
		llmtest.Text(`{"supplier":"Miller Paper","lines":[{"item":"paper","cents":9000},{"item":"ink","cents":3000}],"total":9000}`),
		llmtest.Text(`{"supplier":"Miller Paper","lines":[{"item":"paper","cents":9000},{"item":"ink","cents":3000}],"total":12000}`),
	)
	addsUp := func(_ context.Context, in invoice) error {
		sum := 0
		for _, l := range in.Lines {
			sum += l.Cents
		}
		if sum != in.Total {
			return errors.New("the lines and the total do not add up")
		}
		return nil
	}
	reader := &agent.Agent{Instructions: "Read the invoice.", Model: script, Output: agent.OutputOf(addsUp)}
	result, err := runner.Run(context.Background(), reader, llm.User("Miller Paper: paper 90.00, ink 30.00"))
	if err != nil {
		fmt.Println(err)
		return
	}
	in, err := runner.Output[invoice](result)
	fmt.Println(in.Supplier, in.Total, result.Turns, err)
	// Output:
	// Miller Paper 12000 2 <nil>
}
