//go:build !race

package otel_test

// slack is by how much more a test may allocate.
const slack = 1
