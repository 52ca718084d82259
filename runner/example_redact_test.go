package runner_test

import (
	"context"
	"fmt"
	"regexp"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// Redact changes what tools return before the model, an event, a journal or a log
// gets the text. Passwords in URLs are cut without Redact.
func Example_redaction() {
	cards := regexp.MustCompile(`\b\d{4} \d{4} \d{4} (\d{4})\b`)
	customer := tool.Must(tool.New("customer", "Looks up a customer.", func(context.Context, struct{}) (string, error) {
		return "Ada, card 4111 1111 1111 1234, from postgres://desk:hunter2@db/customers", nil
	}))
	r := runner.Runner{
		Model:  llmtest.NewScript(llmtest.Calls("customer", nil), llmtest.Text("It is Ada.")),
		Redact: func(s string) string { return cards.ReplaceAllString(s, "…$1") },
	}
	result, err := r.Run(context.Background(), &agent.Agent{Tools: []tool.Tool{customer}}, llm.User("Who is it?"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Messages[2].Results()[0].Text())
	// Output:
	// Ada, card …1234, from postgres://[redacted]@db/customers
}
