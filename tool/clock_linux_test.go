package tool_test

import (
	"syscall"
	"time"
)

// threadTime is the time that the processor has spent on the calling thread. On a
// busy machine that says what something costs, and the clock on the wall does not.
func threadTime() time.Duration {
	const thisThread = 1 // RUSAGE_THREAD
	var usage syscall.Rusage
	if err := syscall.Getrusage(thisThread, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
