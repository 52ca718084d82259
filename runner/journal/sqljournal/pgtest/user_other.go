//go:build !unix

package pgtest

import "os/exec"

func give(string) error { return nil }

func asUser(*exec.Cmd) {}

func aside(*exec.Cmd) {}
