//go:build !unix

package sqljournal_test

import "os/exec"

func stepDown(string) error { return nil }

func asUser(*exec.Cmd) {}

func aside(*exec.Cmd) {}
