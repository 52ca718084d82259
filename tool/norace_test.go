//go:build !race

package tool_test

import "time"

// aSecond is what an attack may take.
const aSecond = time.Second
