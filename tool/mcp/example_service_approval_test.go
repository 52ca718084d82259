package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// A server offers a tool that needs approval, and decides about each call.
func ExampleService_approve() {
	type refundArgs struct {
		Amount int `json:"amount"`
	}
	refund := tool.Must(tool.New("refund", "Pays money back.", func(_ context.Context, a refundArgs) (string, error) {
		return fmt.Sprint("Paid back ", a.Amount, "."), nil
	}, tool.NeedsApproval()))
	allowed := func(_ string, args json.RawMessage) bool {
		var a refundArgs
		return json.Unmarshal(args, &a) == nil && a.Amount <= 100
	}

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ours, theirs := sdk.NewInMemoryTransports()
	service := mcp.Service{Approve: func(_ context.Context, t tool.Tool, args json.RawMessage) error {
		if !allowed(t.Name(), args) {
			return errors.New("refunds above 100 need a clerk") // the client reads it, and the call does not run
		}
		return nil
	}}
	go func() { _ = service.Serve(ctx, theirs, refund) }()

	client, err := sdk.NewClient(&sdk.Implementation{Name: "client", Version: "1"}, nil).Connect(ctx, ours, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	for _, amount := range []int{80, 800} {
		result, err := client.CallTool(ctx, &sdk.CallToolParams{Name: "refund", Arguments: map[string]int{"amount": amount}})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(result.Content[0].(*sdk.TextContent).Text)
	}
	// Output:
	// Paid back 80.
	// The call was denied: refunds above 100 need a clerk. It did not run. Do not repeat it: go on without it, or ask the user.
}
