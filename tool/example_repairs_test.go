package tool_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// If the meaning of wrong arguments is clear, Parse repairs them and reports each
// repair. The function sees only correct arguments.
func ExampleTool_Parse() {
	book := tool.Must(tool.New("book", "Books seats.", func(_ context.Context, in struct {
		Seats int      `json:"seats"`
		Names []string `json:"names"`
	}) (string, error) {
		return "booked", nil
	}))
	args, repairs, err := book.Parse("```json\n" + `{"seats": "2", "names": "[\"Ada\"]"}` + "\n```")
	fmt.Println(string(args), err)
	for _, repair := range repairs {
		fmt.Println("-", repair)
	}
	// Output:
	// {"seats":2,"names":["Ada"]} <nil>
	// - a Markdown fence was removed
	// - /seats: a string became the number in its text
	// - /names: a string was replaced by the JSON in its text
}
