//go:build !unix

package kill_test

import "testing"

// startPostgres skips the test.
func startPostgres(t *testing.T) string {
	t.Helper()
	t.Skip("the server is started on unix only")
	return ""
}
