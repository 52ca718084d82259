//go:build race

package tool_test

import "time"

// aSecond is what an attack may take. The race detector makes it ten.
const aSecond = 10 * time.Second
