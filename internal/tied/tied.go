// Package tied ends the servers of a test with the process of the test. A crash, a panic or a
// timeout skips the cleanup of a test, and the servers would stay.
package tied

import "os/exec"

// Tie makes the kernel kill the process of cmd when this process ends, however it ends. Call
// Tie before the start of cmd. Outside Linux, Tie does nothing.
//
// The kernel watches the thread behind the start of cmd. So do not start cmd on a goroutine
// with a [runtime.LockOSThread] and without an unlock: the thread ends with the goroutine.
func Tie(cmd *exec.Cmd) { tie(cmd) }
