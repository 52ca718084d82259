package llmtest_test

import (
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// The catalogue of faults begins with refusals and delays.
func ExampleFaults() {
	for _, f := range llmtest.Faults()[:12] {
		fmt.Println(f)
	}
	// Output:
	// status 429
	// status 429 with Retry-After 2
	// status 429 with Retry-After-Ms 1500
	// status 429 with Retry-After the date in 3s
	// status 401
	// status 400
	// status 500
	// status 502
	// status 503
	// late by 30s
	// stall for 20m0s after 0 pieces
	// stall for 20m0s after 1 piece
}
