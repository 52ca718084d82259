package main

import (
	"os/exec"
	"syscall"
)

// tie makes the kernel kill the process of cmd when this program ends, also by a kill.
func tie(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
