//go:build race

package runnertest_test

const raced = true
