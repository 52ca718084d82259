//go:build race

package otel_test

// slack is by how much more a test may allocate: the race detector makes a sync.Pool lose
// memory at random.
const slack = 1.4
