//go:build !unix

package stores_test

import "testing"

// startPostgres skips the test.
func startPostgres(t testing.TB) string {
	t.Helper()
	t.Skip("the server is started on unix only")
	return ""
}
