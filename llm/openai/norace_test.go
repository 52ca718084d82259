//go:build !race

package openai_test

const raced = false
