//go:build !linux

package main_test

import (
	"testing"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
)

func testTerminal(t *testing.T, _ program, _ *desk.Data) { t.Skip("terminals are made on Linux only") }
