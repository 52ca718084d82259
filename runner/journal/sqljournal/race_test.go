//go:build race

package sqljournal_test

const raced = true
