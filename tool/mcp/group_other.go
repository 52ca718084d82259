//go:build !unix

package mcp

import "os/exec"

func ownGroup(*exec.Cmd) {}

// terminate does nothing: outside of Unix, closing its standard input is the only way
// to ask a server to stop.
func terminate(*exec.Cmd) {}

func kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
