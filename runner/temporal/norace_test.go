//go:build !race

package temporal_test

const raced = false
