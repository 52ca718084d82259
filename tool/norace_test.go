//go:build !race

package tool_test

import "time"

// aSecond is the time limit of an attack.
const aSecond = time.Second

// atOnce is how many calls are in a tool's function at the same moment.
const atOnce = 10_000

// maxAttack is what an attack may allocate in all, in bytes.
const maxAttack = 64 << 20

// someTypes is how many types TestSchemaAgrees holds to its properties.
const someTypes = 500

// someSchemas is how many schemas FuzzAccept compares two paths with.
const someSchemas = 600
