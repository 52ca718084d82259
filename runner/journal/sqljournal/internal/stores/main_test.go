package stores_test

import (
	"os"
	"testing"
)

// TestMain makes this program the child of its own tests.
func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		os.Exit(runChild(text))
	}
	os.Exit(m.Run())
}
