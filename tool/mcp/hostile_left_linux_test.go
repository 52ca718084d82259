package mcp_test

import (
	"os"
	"path/filepath"
	"strings"
)

// processesOf returns the command lines of the processes with this mark in their
// environment. Zombies have no environment, so they are left out.
func processesOf(mark string) string {
	var left []string
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		environ, _ := os.ReadFile(file) // it may have ended
		if strings.Contains("\x00"+string(environ), "\x00"+markVariable+"="+mark+"\x00") {
			command, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
			left = append(left, file+": "+strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return strings.Join(left, "\n")
}
