//go:build unix

package mcp_test

import (
	"os"
	"syscall"
)

// stopped stops this process as ^Z would: it takes no signal but one that goes on with
// it, or kills it.
func stopped() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }
