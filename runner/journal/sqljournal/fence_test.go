package sqljournal_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestFenceStatements: the statements of the example, in every order of two
// attempts at a call and of what is decided about them, in both databases.
func TestFenceStatements(t *testing.T) {
	type step struct {
		act   string // pay, or fence
		fence int64
		want  string // empty: the attempt is fenced off, or did not happen
	}
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		b := bank{process().DB}
		execute(t, b.db, paymentsTable)
		for i, steps := range [][]step{
			{{"pay", 5, "paid 5"}, {"fence", 5, "paid 5"}, {"pay", 8, "paid 5"}},
			{{"fence", 5, ""}, {"pay", 5, ""}, {"pay", 8, "paid 8"}, {"pay", 5, "paid 8"}, {"fence", 5, "paid 8"}},
			{{"fence", 5, ""}, {"fence", 8, ""}, {"fence", 5, ""}, {"pay", 8, ""}, {"pay", 9, "paid 9"}},
			{{"pay", 5, "paid 5"}, {"pay", 5, "paid 5"}, {"fence", 9, "paid 5"}},
		} {
			key := fmt.Sprint("call ", i)
			for n, s := range steps {
				c := tool.Call{Key: key, Fence: s.fence}
				var got string
				var err error
				if s.act == "pay" {
					got, err = b.pay(t.Context(), c, s.fence)
				} else {
					got, _, err = b.reconcile(t.Context(), c, nil)
				}
				if s.act == "pay" && s.want == "" {
					require.ErrorIs(t, err, errFencedOff, "%s, step %d", key, n)
					continue
				}
				require.NoError(t, err, "%s, step %d", key, n)
				require.Equal(t, s.want, got, "%s, step %d", key, n)
			}
		}
	})
}

// TestFenceRace: an attempt and a decision about it come at the same moment. The
// call is paid exactly where the decision says so.
func TestFenceRace(t *testing.T) {
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		b := bank{process().DB}
		execute(t, b.db, paymentsTable)
		for i := range 100 {
			c := tool.Call{Key: fmt.Sprint("call ", i), Fence: 5}
			var paid error
			var happened bool
			var group errgroup.Group
			group.Go(func() error { _, paid = b.pay(t.Context(), c, 500); return nil })
			group.Go(func() (err error) { _, happened, err = b.reconcile(t.Context(), c, nil); return err })
			require.NoError(t, group.Wait())
			if happened {
				require.NoError(t, paid)
			} else {
				require.ErrorIs(t, paid, errFencedOff)
			}
		}
	})
}

// TestFenceOfAttempts: the numbers that the runner gives to a tool, to its Reconcile
// and to whoever decides. The effect of the first attempt comes after the second.
func TestFenceOfAttempts(t *testing.T) {
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		j := process()
		b := bank{j.DB}
		execute(t, b.db, paymentsTable)
		ctx, cancel := context.WithCancel(t.Context())
		var attempts []tool.Call
		late := tool.Must(tool.New("pay", "Pays an amount.", func(ctx context.Context, _ payArgs) (string, error) {
			attempts = append(attempts, tool.CallFrom(ctx))
			cancel()
			return "", ctx.Err()
		}))
		steps := []llmtest.Step{llmtest.Calls("pay", payArgs{500}), llmtest.Text("Paid.")}
		s := runner.Runner{Model: llmtest.Script(t, steps...), Journal: j}.Session("order-42")
		_, err := s.Run(ctx, &agent.Agent{Name: "desk", Tools: []tool.Tool{late}}, runner.Say(llm.User("Pay.")))
		require.ErrorIs(t, err, context.Canceled)
		pending, err := s.Pending(t.Context())
		require.NoError(t, err)
		require.Len(t, pending, 1)
		first := attempts[0]
		require.Equal(t, tool.Call{Key: pending[0].Key, Fence: pending[0].Seq}, tool.Call{Key: first.Key, Fence: first.Fence})

		result, err := s.Run(t.Context(), &agent.Agent{Name: "desk", Tools: []tool.Tool{b.tool()}})
		require.NoError(t, err)
		require.Equal(t, "Paid.", result.Text)
		var fence int64
		require.NoError(t, b.db.QueryRowContext(t.Context(), `SELECT fence FROM payments WHERE key = $1 AND cents = 500`, first.Key).Scan(&fence))
		require.Greater(t, fence, first.Fence, "the second attempt has a higher number")
		execute(t, b.db, `UPDATE payments SET cents = NULL`) // as if the second had failed
		_, err = b.pay(t.Context(), first, 500)
		require.ErrorIs(t, err, errFencedOff)
	})
}
