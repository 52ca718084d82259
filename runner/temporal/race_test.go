//go:build race

package temporal_test

// raced: under the race detector, a session takes five times as long.
const raced = true
