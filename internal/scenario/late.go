package scenario

import (
	"context"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// transferring gives the desk a tool whose result comes from a bank, and a tool that the
// page of the customer executes.
func transferring(a *agent.Agent) {
	a.Tools = append(a.Tools,
		tool.Must(tool.New("transfer", "Transfers money.", func(_ context.Context, in RefundArgs) (string, error) {
			return "", tool.Later("transfer for " + in.Order)
		}, tool.NeedsApproval(), tool.LateWithin(time.Hour, ""))),
		tool.Must(tool.External[LookArgs, string]("display", "Shows an order to the customer.")))
}

func handIn(p runner.Pending) runner.Input {
	switch {
	case !p.Late:
		return p.Approve()
	case p.ToolCall.Name == "display":
		return p.Fail("the customer has closed the page")
	}
	return p.Result(llm.Text{Text: "The bank has booked the " + p.Handle + "."})
}

// handedIn are runs that wait for results from outside.
var handedIn = []Scenario{
	{
		Name: "late results", Agent: transferring, HandIn: handIn,
		Steps: []llmtest.Step{llmtest.Calls("transfer", RefundArgs{"W1", 5, nil}).And(Look("W1", 2), llmtest.Calls("display", LookArgs{"W1", 1})), sent},
		Want:  Outcome{Text: SentText, Calls: "transfer, look, display: failed", Most: 1, Took: 2 * time.Second, Usage: Answers(2), Requests: 2},
	},
}
