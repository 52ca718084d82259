package netguard_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/netguard"
)

// Not parallel: the guard is the process's.
func TestForbid(t *testing.T) {
	check := func(text string) error {
		u, err := url.Parse(text)
		require.NoError(t, err)
		return netguard.Check(u)
	}
	const away = "https://user:secret@api.example.com:8443/v1/x?key=secret"
	require.NoError(t, check(away))

	var first, second []string
	allow := netguard.Forbid(func(u string) { first = append(first, u) })
	allowToo := netguard.Forbid(func(u string) { second = append(second, u) })
	require.ErrorIs(t, check(away), netguard.ErrForbidden)
	allow()
	allow()
	require.ErrorIs(t, check("http://10.0.0.1"), netguard.ErrForbidden)
	for _, near := range []string{"http://127.0.0.1:80/", "http://localhost/x", "http://[::1]:8080"} {
		require.NoError(t, check(near), near)
	}
	require.Error(t, check("http://localhost.example.com"))
	require.Error(t, check("http:///x"))
	allowToo()
	require.NoError(t, check(away))
	require.Equal(t, []string{"https://api.example.com:8443/v1/x"}, first)
	require.Equal(t, []string{"https://api.example.com:8443/v1/x", "http://10.0.0.1", "http://localhost.example.com", "http:///x"}, second)
}
