//go:build race

package mcp_test

const bigMegabytes = 1
