//go:build !race

package tool_test

import "time"

// aSecond is what an attack may take.
const aSecond = time.Second

// maxAttack is what an attack may allocate in all, in bytes.
const maxAttack = 64 << 20
