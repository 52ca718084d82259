package runner_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// The model of the first agent gives the conversation to another agent. The session stays
// with that agent.
func Example_handoff() {
	billing := &agent.Agent{
		Name: "billing", Instructions: "You explain invoices.",
		Model: llmtest.NewScript(llmtest.Text("Invoice 7 is for May."), llmtest.Text("It is paid.")),
	}
	triage := &agent.Agent{
		Name: "triage", Instructions: "You find out what the customer needs.",
		Model:    llmtest.NewScript(llmtest.Calls("transfer_to_billing", nil)),
		Handoffs: []agent.Handoff{{Agent: billing, Description: "For questions about invoices."}},
	}
	session := runner.Runner{}.Session("customer 12")
	for _, question := range []string{"What is invoice 7?", "Is it paid?"} {
		result, err := session.Run(context.Background(), triage, runner.Say(llm.User(question)))
		fmt.Printf("%s: %s %v\n", result.Agent, result.Text, err)
	}
	// Output:
	// billing: Invoice 7 is for May. <nil>
	// billing: It is paid. <nil>
}

// A function of the program decides which agent has the conversation: here by the language
// of the question.
func ExampleChange_handoff() {
	french := &agent.Agent{Name: "français", Model: llmtest.NewScript(llmtest.Text("Bonjour!"))}
	english := &agent.Agent{Name: "English", Model: llmtest.NewScript(llmtest.Text("Hello!")), Handoffs: []agent.Handoff{{Agent: french}}}
	r := runner.Runner{BeforeTurn: func(_ context.Context, info agent.Info) (runner.Change, error) {
		if info.Messages[len(info.Messages)-1].Text() == "Salut!" {
			return runner.Change{Handoff: "français"}, nil
		}
		return runner.Change{}, nil
	}}
	result, err := r.Run(context.Background(), english, llm.User("Salut!"))
	fmt.Println(result.Agent, result.Text, err)
	// Output:
	// français Bonjour! <nil>
}
