package tool_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A transfer takes a day. The program hands the result in when the bank has told it.
func ExampleLater() {
	type args struct {
		To string `json:"to"`
	}
	pay := tool.Must(tool.New("pay", "Pays.", func(ctx context.Context, in args) (string, error) {
		// bank.Transfer(in.To, tool.CallFrom(ctx).Key)
		return "", tool.Later("transfer-17")
	}, tool.LateWithin(72*time.Hour, "The bank is silent.")))
	clerk := &agent.Agent{Tools: []tool.Tool{pay}, Model: llmtest.NewScript(llmtest.Calls("pay", args{"Ann"}), llmtest.Text("Ann is paid."))}

	session := runner.Runner{}.Session("invoice-17")
	result, _ := session.Run(context.Background(), clerk, runner.Say(llm.User("Pay Ann.")))
	fmt.Println("waits for", result.Pending[0].Handle)
	result, err := session.Run(context.Background(), clerk, result.Pending[0].Result(llm.Text{Text: "booked"}))
	fmt.Println(result.Text, err)
	// Output:
	// waits for transfer-17
	// Ann is paid. <nil>
}

// A front end executes the calls of an external tool: here it lets the customer choose a seat.
func ExampleExternal() {
	type args struct {
		Free []string `json:"free"`
	}
	type seat struct {
		Number string `json:"number"`
	}
	choose := tool.Must(tool.External[args, seat]("choose_seat", "Lets the customer choose one of the free seats."))
	clerk := &agent.Agent{Tools: []tool.Tool{choose},
		Model: llmtest.NewScript(llmtest.Calls("choose_seat", args{[]string{"1A", "7C"}}), llmtest.Text("You sit in 7C."))}

	session := runner.Runner{}.Session("ticket-4")
	result, _ := session.Run(context.Background(), clerk, runner.Say(llm.User("A seat, please.")))
	call := result.Pending[0]
	fmt.Println(call.ToolCall.Name, call.ToolCall.Arguments)
	_, err := session.Run(context.Background(), clerk, call.Result(llm.Text{Text: "7C"})) // does not fit, and nothing is recorded
	fmt.Println(err)
	result, err = session.Run(context.Background(), clerk, call.Result(llm.Text{Text: `{"number":"7C"}`}))
	fmt.Println(result.Text, err)
	// Output:
	// choose_seat {"free":["1A","7C"]}
	// runner: decision about call r1.t1.c0: the result is not JSON
	// You sit in 7C. <nil>
}
