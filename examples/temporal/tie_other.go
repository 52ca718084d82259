//go:build !linux

package main

import "os/exec"

// tie does nothing: only Linux ends a process with its parent.
func tie(*exec.Cmd) {}
