package runner_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// An agent hands the conversation over, the next one has a helper, and a check looks at the
// questions.
func Example_severalAgents() {
	model := llmtest.NewScript(slices.Concat(
		llmtest.For(llmtest.Instructed("find out"), llmtest.Calls("transfer_to_billing", nil)),
		llmtest.For(llmtest.Instructed("invoices"), llmtest.Calls("search_archive", `{"task":"Find invoice 7."}`), llmtest.Text("Invoice 7 is for May.")),
		llmtest.For(llmtest.Instructed("archive"), llmtest.Text("Invoice 7: May, 30 euros.")))...)
	polite := func(_ context.Context, s agent.Subject) (agent.Verdict, error) {
		if strings.Contains(s.Text, "!!") {
			return agent.Verdict{Stop: "it shouts"}, nil
		}
		return agent.Verdict{}, nil
	}
	archivist := &agent.Agent{Name: "archivist", Instructions: "You search the archive."}
	billing := &agent.Agent{
		Name: "billing", Instructions: "You explain invoices.",
		Helpers: []agent.Helper{{Name: "search_archive", Description: "Searches the archive.", Agent: archivist}},
	}
	triage := &agent.Agent{
		Name: "triage", Instructions: "You find out what the customer needs.", Model: model,
		Handoffs: []agent.Handoff{{Agent: billing, Description: "For questions about invoices."}},
		Checks:   []agent.Check{{Name: "polite", Input: polite}},
	}
	result, err := runner.Run(context.Background(), triage, llm.User("What is invoice 7?"))
	fmt.Println(result.Agent, "says:", result.Text, err)
	_, err = runner.Run(context.Background(), triage, llm.User("Where is it!!"))
	fmt.Println(err)
	// Output:
	// billing says: Invoice 7 is for May. <nil>
	// turn 1: check "polite" stopped the run (input): it shouts
}
