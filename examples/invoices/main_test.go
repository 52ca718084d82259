package main

import (
	"bufio"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/internal/itself"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

func TestMain(m *testing.M) { itself.Main(m, main) }

func program(t *testing.T, db string, args ...string) *exec.Cmd {
	t.Helper()
	return itself.Command(t, append([]string{"-db", db}, args...)...)
}

func output(t *testing.T, db string, args ...string) string {
	t.Helper()
	out, err := program(t, db, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// kill starts the program and kills it after some lines of output. It reports whether the
// program was still running.
func kill(t *testing.T, db string, lines int, args ...string) bool {
	t.Helper()
	cmd := program(t, db, args...)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	out := bufio.NewScanner(stdout)
	for range lines {
		if !out.Scan() {
			require.NoError(t, cmd.Wait())
			return false
		}
	}
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // the error says that the process was killed
	return true
}

// free ends the leases of a killed program, so that the test need not wait for their end.
func free(t *testing.T, db string) {
	t.Helper()
	j, err := sqljournal.OpenSQLite(t.Context(), db)
	require.NoError(t, err)
	_, err = j.DB.ExecContext(t.Context(), `UPDATE toolloop_sessions SET expires = 0`)
	require.NoError(t, err)
	_, err = j.DB.ExecContext(t.Context(), `UPDATE toolloop_jobs SET grace = 0`)
	require.NoError(t, err)
	require.NoError(t, j.Close())
}

// entries returns the entries of the books that are no mails, and the number of mails.
func entries(t *testing.T, db string) (all []string, mails int) {
	t.Helper()
	j, err := sqljournal.OpenSQLite(t.Context(), db)
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	rows, err := j.DB.QueryContext(t.Context(), `SELECT kind, invoice FROM books ORDER BY invoice, kind`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var kind string
		var invoice int
		require.NoError(t, rows.Scan(&kind, &invoice))
		if kind == "mail" {
			mails++
			continue
		}
		all = append(all, fmt.Sprint(invoice, " ", kind))
	}
	require.NoError(t, rows.Err())
	return all, mails
}

var decided = []string{"17 paid", "18 paid", "19 rejected", "20 rejected", "22 paid"} // 21 is denied

// TestInvoices works off the file, with a decision of each kind.
func TestInvoices(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "invoices.db")
	require.Contains(t, output(t, db), `invoice-18 waits: pay_invoice {"invoice":18,"order":"P102","cents":240000}. To decide: approve 18,`)
	require.Equal(t, 2, strings.Count(output(t, db, "list"), " paused "))
	require.Equal(t, 2, strings.Count(output(t, db, "list"), " late "))
	refused, err := program(t, db, "approve", "17").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(refused), "invoice 17 is late: there is nothing to decide")
	output(t, db, "approve", "18")
	refused, err = program(t, db, "approve", "18").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(refused), "invoice 18 is waiting: there is nothing to decide")
	output(t, db, "deny", "21", "the print is pale")
	require.Contains(t, output(t, db), "invoice-18 waits for the bank: 240000 cents for order P102")
	output(t, db, "bank")
	output(t, db, "bank") // nothing is left to confirm
	output(t, db)
	require.Equal(t, 6, strings.Count(output(t, db, "list"), " done "))
	all, mails := entries(t, db)
	require.Equal(t, decided, all)
	require.Equal(t, 6, mails)
	n, cents := spent(t, db)
	require.Equal(t, []int{2, 16550}, []int{n, cents})
	require.NotContains(t, output(t, db), "r1.t", "no call of a further start")
}

// TestKilled kills the program twenty times, after more lines each time. Nothing is missing
// or doubled.
func TestKilled(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "invoices.db")
	for n := range 20 {
		if kill(t, db, 1+n%7) {
			free(t, db)
		}
		if n%5 == 4 { // also before the program has noted that the bank is at work
			output(t, db, "bank")
		}
	}
	output(t, db)
	output(t, db, "approve", "18")
	kill(t, db, 2)
	free(t, db)
	output(t, db)
	output(t, db, "deny", "21", "too early")
	output(t, db)
	output(t, db, "bank")
	kill(t, db, 2)
	free(t, db)
	output(t, db)
	all, mails := entries(t, db)
	require.Equal(t, decided, all)
	require.Equal(t, 6, mails)
	n, cents := spent(t, db)
	require.Equal(t, []int{2, 16550}, []int{n, cents})
}

// spent returns the number of reservations in the daily budget and their sum in cents.
func spent(t *testing.T, db string) (n, cents int) {
	t.Helper()
	j, err := sqljournal.OpenSQLite(t.Context(), db)
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	require.NoError(t, j.DB.QueryRowContext(t.Context(), `SELECT COUNT(*), COALESCE(SUM(cents), 0) FROM budget`).Scan(&n, &cents))
	return n, cents
}

// TestDailyBudget: two payments fit alone and not together. One of them waits for a person,
// also if the program is killed again and again, and the session knows who approved.
func TestDailyBudget(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "invoices.db")
	for n := range 10 {
		if kill(t, db, 1+n, "-daily", "130") {
			free(t, db)
		}
	}
	out := output(t, db, "-daily", "130")
	n, cents := spent(t, db)
	require.Equal(t, 1, n)
	waits := "22"
	if cents == 4550 {
		waits = "17"
	}
	output(t, db, "-by", "ada", "approve", waits)
	require.Contains(t, output(t, db, "-daily", "130"), "approved by ada", out)
	n, _ = spent(t, db)
	require.Equal(t, 1, n)
	output(t, db, "bank")
	output(t, db)
	all, _ := entries(t, db)
	require.Equal(t, []string{"17 paid", "19 rejected", "20 rejected", "22 paid"}, all)
}

// TestBudget: what the budget does not allow today is done by the next start.
func TestBudget(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "invoices.db")
	out := output(t, db, "-tokens", "9000")
	require.Contains(t, output(t, db, "list"), "budget of 9000 tokens is used up", out)
	output(t, db)
	require.Equal(t, 2, strings.Count(output(t, db, "list"), " done "))
	require.Equal(t, 2, strings.Count(output(t, db, "list"), " paused "))
	require.Equal(t, 2, strings.Count(output(t, db, "list"), " late "))
}
