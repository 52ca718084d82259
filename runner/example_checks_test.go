package runner_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A check on calls refuses a payment that is too large, and a check on the answer removes
// the number of a card.
func ExampleRunner_checks() {
	type payment struct {
		Euros int `json:"euros"`
	}
	pay := tool.Must(tool.New("pay", "Pays.", func(_ context.Context, in payment) (string, error) {
		return fmt.Sprintf("%d euros paid with 4111 1111", in.Euros), nil
	}))
	a := &agent.Agent{Tools: []tool.Tool{pay}, Checks: []agent.Check{
		{Name: "amount", Call: func(_ context.Context, s agent.Subject) (agent.Verdict, error) {
			if strings.Contains(s.Call.Arguments, "1000") {
				return agent.Verdict{Again: "pay at most 100 euros at once"}, nil
			}
			return agent.Verdict{}, nil
		}},
		{Name: "cards", Output: func(_ context.Context, s agent.Subject) (agent.Verdict, error) {
			return agent.Verdict{Replace: strings.ReplaceAll(s.Text, "4111 1111", "****")}, nil
		}},
	}}
	a.Model = llmtest.NewScript(
		llmtest.Calls("pay", payment{1000}), llmtest.Calls("pay", payment{100}), llmtest.Text("100 euros are paid with 4111 1111."))
	result, err := runner.Run(context.Background(), a, llm.User("Pay Ann."))
	fmt.Println(result.Text, err)
	fmt.Println(result.Messages[2].Results()[0].Text())
	// Output:
	// 100 euros are paid with ****. <nil>
	// The call did not run, because it was refused: pay at most 100 euros at once
	// Make another call, or go on without it.
}

// A check beside the model's request asks a small model about the question. If the check
// stops the run, the request is cancelled.
func ExampleCheckError() {
	small := llmtest.NewScript(llmtest.Text("yes"))
	a := &agent.Agent{
		Model: llmtest.NewScript(llmtest.Text("Take two of them.")),
		Checks: []agent.Check{{
			Name: "medicine", Beside: true,
			Input: func(ctx context.Context, s agent.Subject) (agent.Verdict, error) {
				resp, err := s.Ask(ctx, small, &llm.Request{Messages: []llm.Message{llm.User("Is this about medicine? " + s.Text)}})
				if err == nil && resp.Message.Text() == "yes" {
					return agent.Verdict{Stop: "it is about medicine"}, nil
				}
				return agent.Verdict{}, err
			},
		}},
	}
	_, err := runner.Run(context.Background(), a, llm.User("How many pills?"))
	if stop, ok := errors.AsType[*runner.CheckError](err); ok {
		fmt.Println(stop.Check, "/", stop.Stage, "/", stop.Reason)
	}
	// Output:
	// medicine / input / it is about medicine
}
