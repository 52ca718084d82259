//go:build !race

package tool_test

import "time"

// aSecond is what an attack may take.
const aSecond = time.Second

// atOnce is how many calls are in a tool's function at the same moment.
const atOnce = 10_000
