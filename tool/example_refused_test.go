package tool_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// New refuses a type that the schema cannot describe, and names the field. A mistake
// in a tag is such an error, too, and never a failed call.
func ExampleNew_refused() {
	_, err := tool.New("watch", "Watches a page.", func(context.Context, struct {
		Pages []string   `json:"pages"`
		Stop  chan error `json:"stop"`
	}) (string, error) {
		return "", nil
	})
	fmt.Println(err)

	_, err = tool.New("count", "Counts words.", func(context.Context, struct {
		Max int `json:"max" jsonschema:"minumum=1"`
	}) (string, error) {
		return "", nil
	})
	fmt.Println(err)
	// Output:
	// tool "watch": field Stop: JSON cannot be decoded into chan error
	// tool "count": field Max: tag jsonschema: unknown keyword "minumum"; did you mean "minimum"?
}
