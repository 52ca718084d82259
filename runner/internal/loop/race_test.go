//go:build race

package loop_test

// raced is whether the race detector is on. The machine has no goroutines, so there
// the walks take every seventh script; the ordinary run takes all.
const raced = true
