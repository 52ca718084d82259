package secret_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/secret"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Authorization", "X-Api-Key", "X-Auth-Token", "Set-Cookie", "client_secret"} {
		require.True(t, secret.IsHeader(name), name)
		require.True(t, secret.IsParameter(name), name)
	}
	for _, name := range []string{"code", "sig", "X-Goog-Signature", "awssig.sig", "session_id", "db_pwd", "user-pass", "jwt", "auth"} {
		require.True(t, secret.IsParameter(name), name)
	}
	for _, name := range []string{"api-version", "region", "design", "encoding", "country_code", "compass", "deployment", ""} {
		require.False(t, secret.IsHeader(name), name)
		require.False(t, secret.IsParameter(name), name)
	}
}

func TestOfUserAndQuery(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"https://h/x?api-version=2024":           {},
		"https://ann@h/":                         {"ann"},
		"https://ann:pw@h/?region=eu":            {"YW5uOnB3", "pw"},
		"https://h/?code=Az8_f%3D%3D&sig=a&q=no": {"Az8_f%3D%3D", "Az8_f==", "a"},
	} {
		u, err := url.Parse(text)
		require.NoError(t, err)
		require.Equal(t, want, secret.LongestFirst(append(secret.OfUser(u.User), secret.OfQuery(u.Query())...), 1), text)
	}
}

func TestLongestFirst(t *testing.T) {
	t.Parallel()
	given := []string{"bb", "", "dddd", "aa", "ccc", "bb", "a"}
	before := slices.Clone(given)
	require.Equal(t, []string{"dddd", "ccc", "aa", "bb"}, secret.LongestFirst(given, 2))
	require.Equal(t, before, given)
}
