//go:build !unix

package mcp

import "os/exec"

func ownGroup(*exec.Cmd) {}

// terminate does nothing: the end of its standard input was all that a server can be
// told.
func terminate(*exec.Cmd) {}

func kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
