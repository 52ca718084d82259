package main_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	main "github.com/seed-916e8f6a/toolloop/examples/orderdesk"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
)

// TestLoad: a small load with a temporary file and with PostgreSQL.
func TestLoad(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); requireLoad(t, "") })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); requireLoad(t, pgtest.Database(t)) })
}

func requireLoad(t *testing.T, where string) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, main.RunLoad(t.Context(), &out, true, where, 20))
	require.Regexp(t, `^making the users and orders of 20 requests…\n`+
		`ready after [0-9.]+ s; now all at once\. The provider takes 500ms for a reply:\n200ms to the first byte, the rest in 10 pieces\.\n`+
		"(\r  \\d+ of 20 over · \\d+s\x1b\\[K)+\r\x1b\\[K"+
		`requests     20 in [0-9.]+ s: \d+/s\n(.*\n)*`+
		`errors       0\n`+
		`database     [0-9.]+ MB\n`+
		`checked      every answer, object and event is as expected\n$`, out.String())
}
