//go:build race

package tool_test

import "time"

// aSecond is what an attack may take. The race detector makes it ten.
const aSecond = 10 * time.Second

// maxAttack is what an attack may allocate in all, in bytes. The race detector
// makes each allocation larger.
const maxAttack = 128 << 20
