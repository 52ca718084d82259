//go:build !unix

package pgtest

import "os/exec"

func chown(string) error { return nil }

func asUser(*exec.Cmd) {}

func detach(*exec.Cmd) {}
