// Package load_test runs small loads and damages their results.
package load_test

import (
	"bytes"
	"net/url"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/load"
)

// open opens a database that need not survive a power failure.
func open(t *testing.T) *desk.Desk {
	t.Helper()
	query := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(OFF)", "foreign_keys(ON)"}, "_txlock": {"immediate"}}
	d, err := desk.Open(t.Context(), "file:"+(&url.URL{Path: filepath.Join(t.TempDir(), "desk.db")}).EscapedPath()+"?"+query.Encode())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// TestLoad: two loads with one database have the expected results.
func TestLoad(t *testing.T) {
	t.Parallel()
	d := open(t)
	for range 2 {
		l, err := load.New(t.Context(), d, 20)
		require.NoError(t, err)
		figures, err := l.Run(t.Context())
		require.NoError(t, err)
		require.NoError(t, l.Check(t.Context()))
		require.Equal(t, 20, figures.Requests)
		require.Equal(t, 88, figures.Calls)
		require.Equal(t, 85, figures.Replies)
		require.Len(t, figures.Whole, 20)
		require.GreaterOrEqual(t, figures.Whole[0], 3*load.Reply, "the shortest asks three times")
		require.Positive(t, figures.Added[0])
		var out bytes.Buffer
		figures.Print(&out)
		require.Regexp(t, regexp.MustCompile(`(?m)^requests     20 in [0-9.]+ s: \d+/s\n`+
			`tool calls   88: \d+/s\n`+
			`replies      85, each 500ms of the provider's time\n`+
			`events       416: \d+/s\n`+
			`latency      p50 [0-9.]+ s, p90 [0-9.]+ s, p99 [0-9.]+ s, max [0-9.]+ s\n`+
			`added        p50 [0-9.]+ s, p90 [0-9.]+ s, p99 [0-9.]+ s, max [0-9.]+ s \(to the provider's time\)\n`+
			`memory       heap \d+ MB, resident (\d+ MB|unknown)\n`+
			`goroutines   \d+\n`+
			`errors       0\n$`), out.String())
	}
}

// TestSpoilt: Check finds lost, doubled and unexpected changes.
func TestSpoilt(t *testing.T) {
	t.Parallel()
	d := open(t)
	l, err := load.New(t.Context(), d, 13)
	require.NoError(t, err)
	_, err = l.Run(t.Context())
	require.NoError(t, err)
	for _, tt := range []struct{ spoil, mend, want string }{
		{
			`UPDATE orders SET status = 'pending' WHERE id = '#D0001006-0003'`,
			`UPDATE orders SET status = 'cancelled' WHERE id = '#D0001006-0003'`,
			"load: not as expected: 1\n" +
				`not changed: orders #D0001006-0003 status: "pending" → "cancelled"`,
		},
		{
			`UPDATE payment_methods SET balance_cents = balance_cents - 4085 + 5000 WHERE id = 'gift_card_1001_4'`,
			`UPDATE payment_methods SET balance_cents = balance_cents + 4085 - 5000 WHERE id = 'gift_card_1001_4'`,
			"load: not as expected: 2\n" +
				"not changed: users ada_pine_1001_4 payment_methods.gift_card_1001_4.balance: 75.00 → 34.15\n" +
				"unexpected change: users ada_pine_1001_4 payment_methods.gift_card_1001_4.balance: 75.00 → 43.30",
		},
		{
			`INSERT INTO payments (order_id, position, type, amount_cents, payment_method_id) VALUES ('#D0001003-0002', 2, 'refund', 24900, 'paypal_1002')`,
			`DELETE FROM payments WHERE order_id = '#D0001003-0002' AND position = 2`,
			"load: not as expected: 1\n" +
				`unexpected change: orders #D0001003-0002 payment_history.2: none → {"amount":249.00,"payment_method_id":"paypal_1002","transaction_type":"refund"}`,
		},
		{
			`UPDATE toolloop_events SET seq = 99 WHERE session = 'load-5' AND seq = 7; DELETE FROM toolloop_events WHERE seq = 99`,
			``,
			"load: not as expected: 1\nload-5: 19 events were reported, and 18 are in the journal",
		},
	} {
		require.NoError(t, l.Check(t.Context()))
		_, err := d.Journal().DB.ExecContext(t.Context(), tt.spoil)
		require.NoError(t, err)
		require.EqualError(t, l.Check(t.Context()), tt.want)
		if tt.mend != "" {
			_, err = d.Journal().DB.ExecContext(t.Context(), tt.mend)
			require.NoError(t, err)
		}
	}
}

// TestWrongAnswer: an error message for an unknown user is not a success.
func TestWrongAnswer(t *testing.T) {
	t.Parallel()
	d := open(t)
	l, err := load.New(t.Context(), d, 1)
	require.NoError(t, err)
	_, err = d.Journal().DB.ExecContext(t.Context(), `UPDATE users SET email_key = '' WHERE id = 'ada_pine_1001_1'`)
	require.NoError(t, err)
	_, err = l.Run(t.Context())
	require.NoError(t, err)
	err = l.Check(t.Context())
	require.ErrorContains(t, err, `got "I am sorry, I cannot look that up: user not found." after 1 calls`)
}
