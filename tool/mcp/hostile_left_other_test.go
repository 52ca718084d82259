//go:build !linux

package mcp_test

// processesOf returns nothing: only Linux shows the environment of processes.
func processesOf(string) string { return "" }
