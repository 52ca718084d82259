// Package tied ties the processes that a test starts to the test's own process: a test that
// crashes, panics or times out has no cleanup, and its servers would stay.
package tied

import "os/exec"

// Tie makes the kernel kill the process of cmd when this process ends, however it ends. Call
// Tie before the start of cmd. Outside Linux, Tie does nothing.
//
// The kernel watches the thread that starts the process. In Go, a thread ends before its
// process only if a goroutine locks it with [runtime.LockOSThread] and ends without an unlock:
// such a goroutine must not start cmd.
func Tie(cmd *exec.Cmd) { tie(cmd) }
