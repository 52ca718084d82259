//go:build race

package tool_test

import "time"

// aSecond is the time limit of an attack. With the race detector, aSecond is ten
// seconds.
const aSecond = 10 * time.Second

// atOnce is how many calls are in a tool's function at the same moment. The race
// detector takes no more than 8,128 goroutines.
const atOnce = 2_500

// maxAttack is what an attack may allocate in all, in bytes. The race detector
// makes each allocation larger.
const maxAttack = 128 << 20

// someTypes is how many types TestSchemaAgrees holds to its properties. The race
// detector has nothing to find in them.
const someTypes = 50

// someSchemas is how many schemas FuzzAccept compares two paths with.
const someSchemas = 60
