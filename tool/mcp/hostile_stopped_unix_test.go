//go:build unix

package mcp_test

import (
	"os"
	"syscall"
)

// stopped stops this process as ^Z would. Then only SIGCONT and SIGKILL have an effect.
func stopped() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }
