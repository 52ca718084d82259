//go:build !race

package loop_test

const raced = false
