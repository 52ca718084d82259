package runner_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestStoppedInputIsForgotten: after a stopped message, the checks that passed it look at the
// next message in its place.
func TestStoppedInputIsForgotten(t *testing.T) {
	t.Parallel()
	var seen []string
	look := agent.Check{Name: "look", Input: func(_ context.Context, s agent.Subject) (verdict, error) {
		seen = append(seen, s.Text)
		return verdict{}, nil
	}}
	stop := agent.Check{Name: "stop", Input: saying(verdict{Stop: "no"})}
	a := &agent.Agent{Model: llmtest.Script(t, llmtest.Text("Hello.")), Checks: []agent.Check{look, stop}}
	s := (runner.Runner{}).Session("s")
	_, err := s.Run(t.Context(), a, runner.Say(llm.User("Bad.")))
	require.ErrorAs(t, err, new(*runner.CheckError))
	_, err = s.Run(t.Context(), a, runner.Say(llm.User("Worse.")))
	require.NoError(t, err)
	require.Equal(t, []string{"Bad.", "Worse."}, seen)
}

// TestRefusedAfterDoubt: a call that may have run before is not said to have had no effect,
// when a new check of the agent refuses to run it again.
func TestRefusedAfterDoubt(t *testing.T) {
	t.Parallel()
	var paid []string
	a := guarded(agent.Check{Call: saying()}, &paid)
	a.Checks = nil
	j := new(journal.Memory)
	a.Model = llmtest.NewScript(llmtest.Calls("pay", stepArgs{5}))
	_, err := runner.Runner{Journal: &mortal{Journal: j, left: 4}}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Pay.")))
	require.ErrorIs(t, err, errDied)
	require.Equal(t, []string{"5"}, paid)
	result, err := runner.Runner{Journal: j}.Session("s").Run(t.Context(), a)
	require.ErrorIs(t, err, runner.ErrPaused)
	require.True(t, result.Pending[0].InDoubt)
	a.Checks = []agent.Check{{Name: "new", Call: saying(verdict{Again: "too much"})}}
	a.Model = llmtest.NewScript(llmtest.Text("Done."))
	result, err = runner.Runner{Journal: j}.Session("s").Run(t.Context(), a, result.Pending[0].RunAgain())
	require.NoError(t, err)
	require.Equal(t, []string{"5"}, paid)
	text := result.Messages[2].Results()[0].Text()
	require.Contains(t, text, "It was not run again, because it was refused: too much")
	require.Contains(t, text, "It is not known whether the call took effect")
}

// TestWithheldAside: a result that a check withheld cannot be read in pieces.
func TestWithheldAside(t *testing.T) {
	t.Parallel()
	for _, v := range []verdict{{Stop: "no"}, {Again: "ask somebody else"}} {
		secret := strings.Repeat("The secret is 4711. ", 200)
		look := tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return secret, nil }))
		a := &agent.Agent{Tools: []tool.Tool{look}, Checks: []agent.Check{{Name: "guard", Result: saying(v)}}}
		a.Model = llmtest.NewScript(llmtest.Calls("look", nil), llmtest.Calls("read_result", map[string]any{"result": "r1.t1.c0", "offset": 0}).Forever())
		s := runner.Runner{PutAside: 1000, MaxTurns: 2}.Session("s")
		result, err := s.Run(t.Context(), a, runner.Say(llm.User("Go.")))
		require.Error(t, err)
		require.NotContains(t, fmt.Sprint(result.Messages), "4711")
		if v.Stop != "" { // the next run of the session
			a.Model = llmtest.NewScript(llmtest.Calls("read_result", map[string]any{"result": "r1.t1.c0", "offset": 0}), llmtest.Text("Done."))
			result, err = s.Run(t.Context(), a, runner.Say(llm.User("Read it.")))
			require.NoError(t, err)
			require.NotContains(t, fmt.Sprint(result.Messages), "4711")
		}
	}
}

// TestCheckCrash: the process dies at each append of each row, with a stream or without. The
// next process comes to the same history, and asks no check again whose verdict is recorded.
func TestCheckCrash(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		for row := range checkRows() {
			t.Run(fmt.Sprint(row, stream), func(t *testing.T) {
				t.Parallel()
				want := crashedRow(t, row, stream, -1)
				for left := 2; left < 30; left++ {
					require.Equal(t, want, crashedRow(t, row, stream, left), "the process dies at append %d", left)
				}
			})
		}
	}
}

// crashedRow returns what becomes of a row whose process dies at an append.
func crashedRow(t *testing.T, row int, stream bool, left int) string {
	t.Helper()
	tt := checkRows()[row]
	j := new(journal.Memory)
	paid := []string{}
	var mu sync.Mutex
	asks := map[string]int{}
	// The verdict is made of what was asked, so a lost verdict comes again.
	said := map[string]verdict{}
	wrap := func(stage string, f func(context.Context, agent.Subject) (verdict, error)) func(context.Context, agent.Subject) (verdict, error) {
		if f == nil {
			return nil
		}
		return func(ctx context.Context, s agent.Subject) (verdict, error) {
			mu.Lock()
			defer mu.Unlock()
			key := fmt.Sprint(stage, s.Info.Turn, s.Call.ID, s.Text)
			asks[key]++
			v, ok := said[key]
			if !ok {
				var err error
				if v, err = f(ctx, s); err != nil {
					return v, err
				}
				said[key] = v
			}
			return v, nil
		}
	}
	c := tt.check
	c.Input, c.Call, c.Result, c.Output = wrap("input", c.Input), wrap("call", c.Call), wrap("result", c.Result), wrap("output", c.Output)
	a := guarded(c, &paid)
	a.Tools = []tool.Tool{tool.Must(tool.New("pay", "Pays.", func(_ context.Context, in stepArgs) (string, error) { return fmt.Sprintf("paid %d", in.N), nil }, tool.Idempotent()))}
	steps := []llmtest.Step{}
	for i, s := range tt.steps {
		steps = append(steps, s.When(llmtest.Turn(i+1)).Forever())
	}
	if c.Beside { // the first answer, if there is one, does not count
		steps = []llmtest.Step{llmtest.Text("Done.").Forever()}
	}
	a.Model = llmtest.NewScript(steps...)
	run := func(j journal.Journal, in ...runner.Input) error {
		s := runner.Runner{Journal: j}.Session("s")
		if stream {
			_, err := collect(s.Stream(t.Context(), a, in...))
			return err
		}
		_, err := s.Run(t.Context(), a, in...)
		return err
	}
	err := run(&mortal{Journal: j, left: left}, runner.Say(llm.User("Go.")))
	s := runner.Runner{Journal: j}.Session("s")
	if left >= 0 && err != nil && strings.Contains(err.Error(), errDied.Error()) {
		err = run(j)
	}
	messages, merr := s.Messages(t.Context())
	require.NoError(t, merr)
	requireValid(t, messages)
	verdicts := map[string]int{}
	log, oerr := j.Open(t.Context(), "s")
	require.NoError(t, oerr)
	defer func() { require.NoError(t, log.Close()) }()
	n := 0
	for e, eerr := range log.Events(t.Context()) {
		require.NoError(t, eerr)
		if b, ok := e.Body.(event.Checked); ok {
			verdicts[fmt.Sprint(b.Stage, b.Turn, b.At, b.Call, b.Check)]++
			n++
		}
	}
	for key, k := range verdicts {
		require.Equal(t, 1, k, key)
	}
	total := 0
	for _, k := range asks {
		total += k
	}
	lost := 2
	if tt.name == "call stops" { // the stop may cancel the check beside it, which then has no verdict
		lost++
	}
	require.LessOrEqual(t, total, n+lost, "only verdicts of one append may be lost: %v", asks)
	return fmt.Sprint(oneLine(messages), " ", err)
}
