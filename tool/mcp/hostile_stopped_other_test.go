//go:build !unix

package mcp_test

// stopped does nothing: only Unix can stop a process.
func stopped() {}
