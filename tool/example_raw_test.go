package tool_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// A schema from elsewhere, here from a file, takes the place of a Go type.
func ExampleNewRaw() {
	schema := json.RawMessage(`{"properties": {"to": {"type": "string"}}, "required": ["to"], "additionalProperties": false}`)
	send := tool.Must(tool.NewRaw("send", "Sends a message.", schema,
		func(ctx context.Context, args json.RawMessage) (string, error) {
			return fmt.Sprintf("%s got %s", tool.CallFrom(ctx).Key, args), nil
		}))

	ctx := tool.WithCall(context.Background(), tool.Call{Key: "order-42/r1.t1.c0"}, nil)
	args, _, _ := send.Parse(`{ "to": "Ann" }`)
	result, _ := send.Call(ctx, args)
	fmt.Println(result)

	_, _, err := send.Parse(`{"to": 7}`)
	fmt.Println(err)
	// Output:
	// [{order-42/r1.t1.c0 got {"to":"Ann"} []}]
	// invalid_arguments: Arguments for send do not match its schema (1 problem):
	// - /to: must be string, got the number 7
	// Send the call again with corrected arguments.
}
