package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// Retry asks the model for another call, with a hint.
func ExampleRetry() {
	seat := tool.Must(tool.New("book_seat", "Books a seat.",
		func(_ context.Context, in struct{ Seat string }) (string, error) {
			return "", tool.Retry("Seat " + in.Seat + " is taken; 12A and 14C are free.")
		}))
	_, err := seat.Call(context.Background(), json.RawMessage(`{"Seat":"12B"}`))
	failed, _ := errors.AsType[*tool.Error](err)
	fmt.Println(failed.Message)
	// Output:
	// Seat 12B is taken; 12A and 14C are free.
	// Send the call again with corrected arguments.
}
