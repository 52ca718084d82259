//go:build race

package tool_test

import "time"

// aSecond is what an attack may take. The race detector makes it ten.
const aSecond = 10 * time.Second

// atOnce is how many calls are in a tool's function at the same moment. The race
// detector takes no more than 8,128 goroutines.
const atOnce = 2_500
