package runner_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

func refund(order string, cents int) llmtest.Step {
	return llmtest.Calls("refund", refundArgs{order, cents})
}

// grant is a session "s" in which ada approved always a refund of W2 for 20000. The call has
// run, and the run has finished.
func grant(t *testing.T, reach event.Reach) (*journal.Memory, *till, *agent.Agent, runner.Pending) {
	t.Helper()
	j, x := new(journal.Memory), new(till)
	a, p := asks(t, j, x)
	r := runner.Runner{Model: llmtest.NewScript(llmtest.Text("Done.")), Journal: j}
	_, err := r.Session("s").Run(t.Context(), a, stored(t, runner.By("ada", p.ApproveAlways(reach), "a contract")))
	require.NoError(t, err)
	return j, x, a, p
}

// oneMore is another run of a session with a refund, in a process of its own.
func oneMore(t *testing.T, j journal.Journal, a *agent.Agent, r runner.Runner, step llmtest.Step) (*runner.Result, error) {
	t.Helper()
	r.Model, r.Journal = llmtest.NewScript(step, llmtest.Text("Done.")), j
	return r.Session("s").Run(t.Context(), a, runner.Say(llm.User("Once more.")))
}

func stateOf(t *testing.T, j journal.Reader, session string) *runner.State {
	t.Helper()
	state, err := runner.StateOf(session, j.Read(t.Context(), session, 0))
	require.NoError(t, err)
	return state
}

// TestStanding: a later question within the reach is answered without a person, with all its
// events, and another question waits.
func TestStanding(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		reach event.Reach
		next  llmtest.Step
		waits bool
	}{
		"the tool, the same arguments":       {event.EveryCall, refund("W2", 20_000), false},
		"the tool, other arguments":          {event.EveryCall, refund("W3", 90_000), false},
		"these arguments":                    {event.SameArguments, refund("W2", 20_000), false},
		"these arguments, written otherwise": {event.SameArguments, llmtest.Calls("refund", `{"order": "W2", "cents": "20000"}`), false},
		"these arguments, others":            {event.SameArguments, refund("W2", 20_001), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, x, a, p := grant(t, tt.reach)
			granted := stateOf(t, j, "s")
			require.Len(t, granted.Standing, 1)
			g := granted.Standing[0]
			require.Equal(t, runner.Standing{
				Seq: granted.Decisions[0].Seq, Agent: "assistant", Tool: "refund", Reach: tt.reach, Call: p.Call, Arguments: p.ToolCall.Arguments,
				What: "approved", Person: "ada", Words: "a contract", Time: granted.Decisions[0].Time, Key: p.Key,
			}, g)
			require.Equal(t, tt.reach, granted.Decisions[0].Always)

			result, err := oneMore(t, j, a, runner.Runner{}, tt.next)
			if tt.waits {
				require.ErrorIs(t, err, runner.ErrPaused)
				require.Len(t, x.all(), 1)
				return
			}
			require.NoError(t, err)
			require.Len(t, x.all(), 2)
			require.Equal(t, []string{
				"run_started", "user_messaged", "turn_prepared", "model_answered", "approval_asked", "approval_decided", "tool_call_started", "tool_call_finished",
				"turn_prepared", "model_answered", "run_finished",
			}, types(result.Events))
			b := result.Events[5].Body.(event.ApprovalDecided)
			require.Equal(t, event.ApprovalDecided{Call: b.Call, Hash: b.Hash, Approved: true, Person: "ada", Standing: g.Seq}, b)
			require.Len(t, result.Decisions, 1)
			require.Equal(t, []any{"approved", "ada", g.Seq}, []any{result.Decisions[0].What, result.Decisions[0].Person, result.Decisions[0].Standing})
			require.Contains(t, result.Decisions[0].String(), "approved by a standing answer of ada at ")
		})
	}
}

// TestStandingDenial: the model reads the reason, and a denial counts before an approval.
func TestStandingDenial(t *testing.T) {
	t.Parallel()
	j, x := new(journal.Memory), new(till)
	a, p := asks(t, j, x)
	s := runner.Runner{Model: llmtest.NewScript(llmtest.Text("Done.")), Journal: j}.Session("s")
	_, err := s.Run(t.Context(), a, runner.By("ada", stored(t, p.DenyAlways(event.SameArguments, "W2 is closed"))))
	require.NoError(t, err)
	_, err = oneMore(t, j, a, runner.Runner{}, refund("W3", 20_000))
	require.ErrorIs(t, err, runner.ErrPaused)
	_, err = oneMore(t, j, a, runner.Runner{}, refund("W4", 20_000)) // closes the call before
	require.ErrorIs(t, err, runner.ErrPaused)
	result, err := runner.Runner{Model: llmtest.NewScript(), Journal: j}.Session("s").Run(t.Context(), a)
	require.ErrorIs(t, err, runner.ErrPaused)
	_, err = runner.Runner{Model: llmtest.NewScript(llmtest.Text("Done.")), Journal: j}.Session("s").Run(t.Context(), a, runner.By("bob", result.Pending[0].ApproveAlways(event.EveryCall)))
	require.NoError(t, err)

	result, err = oneMore(t, j, a, runner.Runner{}, refund("W2", 20_000).And(refund("W5", 20_000)))
	require.NoError(t, err)
	all := results(result.Messages)
	require.Equal(t, []string{"The call was denied: W2 is closed. It did not run. Do not repeat it: go on without it, or ask the user.", "paid 20000"}, all[len(all)-2:])
	require.Equal(t, []string{"denied ada", "approved bob"}, []string{
		result.Decisions[0].What + " " + result.Decisions[0].Person, result.Decisions[1].What + " " + result.Decisions[1].Person,
	})
	require.Equal(t, "W2 is closed", result.Decisions[0].Words)
	standing := stateOf(t, j, "s").Standing
	require.Equal(t, []string{"denied W2 is closed", "approved "}, []string{standing[0].What + " " + standing[0].Words, standing[1].What + " " + standing[1].Words})
}

// TestStandingDenialsStay: a session never forgets a denial, and takes no more answers that
// stand when it is full of denials.
func TestStandingDenialsStay(t *testing.T) {
	t.Parallel()
	j, x := new(journal.Memory), new(till)
	a := newAgent(x.refund(over100))
	many := refund("X0", 20_000)
	for i := 1; i <= 1000; i++ {
		many = many.And(refund(fmt.Sprint("X", i), 20_000))
	}
	result, err := oneMore(t, j, a, runner.Runner{}, many)
	require.ErrorIs(t, err, runner.ErrPaused)
	var denials []runner.Input
	for _, p := range result.Pending[:1000] {
		denials = append(denials, p.DenyAlways(event.SameArguments, "closed"))
	}
	s := runner.Runner{Model: llmtest.NewScript(llmtest.Text("Done.")), Journal: j}.Session("s")
	_, err = s.Run(t.Context(), a, denials...)
	require.ErrorIs(t, err, runner.ErrPaused)
	last := result.Pending[1000]
	for _, in := range []runner.Input{last.ApproveAlways(event.EveryCall), last.DenyAlways(event.SameArguments, "closed")} {
		_, err = s.Run(t.Context(), a, in)
		var refused *runner.DecisionError
		require.ErrorAs(t, err, &refused)
		require.ErrorContains(t, err, "the session has 1,000 standing denials: revoke some of State.Standing, or answer this question alone")
	}
	standing := stateOf(t, j, "s").Standing
	require.Len(t, standing, 1000)
	_, err = s.Run(t.Context(), a, standing[0].Revoke(), last.ApproveAlways(event.EveryCall))
	require.Error(t, err, "the place is free after the revocation")
	_, err = s.Run(t.Context(), a, standing[0].Revoke())
	require.ErrorIs(t, err, runner.ErrPaused)
	_, err = s.Run(t.Context(), a, last.ApproveAlways(event.EveryCall))
	require.NoError(t, err)
	require.Equal(t, []refundArgs{{"X1000", 20_000}}, x.all())
}

// TestStandingWaiting: an answer counts for the calls that wait already, but a decision about
// one of them is first.
func TestStandingWaiting(t *testing.T) {
	t.Parallel()
	x, j := new(till), new(journal.Memory)
	a := newAgent(x.refund(over100))
	r := runner.Runner{Model: llmtest.NewScript(refund("W1", 20_000).And(refund("W2", 30_000), refund("W3", 40_000)), llmtest.Text("Done.")), Journal: j}
	result, err := r.Session("s").Run(t.Context(), a, runner.Say(llm.User("Refund.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	result, err = r.Session("s").Run(t.Context(), a, runner.By("ada", result.Pending[1].ApproveAlways(event.EveryCall)), result.Pending[2].Deny("no"))
	require.NoError(t, err)
	require.Equal(t, []string{"paid 20000", "paid 30000", "The call was denied: no. It did not run. Do not repeat it: go on without it, or ask the user."}, results(result.Messages))
	var decisions []string
	for _, d := range result.Decisions {
		decisions = append(decisions, fmt.Sprint(d.Call, " ", d.What, " ", d.Person, " ", d.Standing > 0))
	}
	require.Equal(t, []string{"r1.t1.c1 approved ada false", "r1.t1.c2 denied  false", "r1.t1.c0 approved ada true"}, decisions)
}

// TestStandingEnds: the answer stands for the tool, the agent and the session that it was
// given for.
func TestStandingEnds(t *testing.T) {
	t.Parallel()
	j, _, a, _ := grant(t, event.EveryCall)
	other := tool.Must(tool.New("refund", "Pays back, or not.", func(context.Context, refundArgs) (string, error) { return "paid", nil }, over100))
	for name, b := range map[string]*agent.Agent{
		"another description": newAgent(other),
		"another agent":       {Name: "clerk", Tools: a.Tools},
		"another tool":        newAgent(tool.Must(tool.New("refund_all", "Pays back.", func(context.Context, refundArgs) (string, error) { return "paid", nil }, over100))),
	} {
		fork := strings.ReplaceAll(name, " ", "_")
		require.NoError(t, journal.Fork(t.Context(), j, "s", int64(len(eventsOf(t, j))), fork))
		step := refund("W2", 20_000)
		if name == "another tool" {
			step = llmtest.Calls("refund_all", refundArgs{"W2", 20_000})
		}
		r := runner.Runner{Model: llmtest.NewScript(step), Journal: j}
		_, err := r.Session(fork).Run(t.Context(), b, runner.Say(llm.User("Once more.")))
		require.ErrorIs(t, err, runner.ErrPaused, name)
	}
	r := runner.Runner{Model: llmtest.NewScript(refund("W2", 20_000)), Journal: j}
	_, err := r.Session("t").Run(t.Context(), a, runner.Say(llm.User("Once more.")))
	require.ErrorIs(t, err, runner.ErrPaused)

	// A fork and an import have the answer.
	require.NoError(t, journal.Fork(t.Context(), j, "s", int64(len(eventsOf(t, j))), "fork"))
	var file bytes.Buffer
	_, err = journal.Export(t.Context(), j, "s", &file)
	require.NoError(t, err)
	elsewhere := new(journal.Memory)
	_, err = journal.Import(t.Context(), elsewhere, "s", &file)
	require.NoError(t, err)
	for session, in := range map[string]journal.Journal{"fork": j, "s": elsewhere} {
		r := runner.Runner{Model: llmtest.NewScript(refund("W2", 20_000), llmtest.Text("Done.")), Journal: in}
		_, err := r.Session(session).Run(t.Context(), a, runner.Say(llm.User("Once more.")))
		require.NoError(t, err)
		require.NotEqual(t, stateOf(t, j, "t").Standing, stateOf(t, in.(journal.Reader), session).Standing)
	}
}

// TestStandingLasts: a long session with a compaction and a saved state keeps the answer.
func TestStandingLasts(t *testing.T) {
	t.Parallel()
	j, x, a, _ := grant(t, event.EveryCall)
	store := &readCounter{Memory: j}
	r := runner.Runner{Journal: store, Compact: &compact.Policy{Tokens: 300}, Model: unreported(llmtest.NewScript(llmtest.Text("Yes.").Forever()))}
	s := r.Session("s")
	for i := range 250 {
		_, err := s.Run(t.Context(), a, runner.Say(llm.User(fmt.Sprint("Question ", i))))
		require.NoError(t, err)
	}
	store.read = 0
	_, err := oneMore(t, store, a, runner.Runner{}, refund("W9", 20_000))
	require.NoError(t, err)
	require.Less(t, store.read, 300)
	require.Len(t, x.all(), 2)
}

// TestRevoke: a revoked answer counts no longer, whatever the session does, and a revocation
// fits once.
func TestRevoke(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"finished", "paused", "failed", "in a turn", "with a message"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			j, x, a, _ := grant(t, event.SameArguments)
			next := llmtest.NewScript(llmtest.Text("Done."), llmtest.Text("Done."))
			switch status {
			case "paused", "failed":
				_, err := oneMore(t, j, a, runner.Runner{}, refund("W3", 20_000))
				require.ErrorIs(t, err, runner.ErrPaused)
				if status == "failed" {
					record(t, j, event.RunFailed{Run: 2, Turns: 1, Error: "planted"})
				}
			case "in a turn":
				record(t, j, event.RunStarted{Run: 2, Agent: "assistant", ID: "X"}, event.UserMessaged{Message: llm.User("Hm?")}, event.TurnPrepared{Turn: 1, Agent: "assistant"})
			}
			g := stateOf(t, j, "s").Standing[0]
			in := []runner.Input{stored(t, runner.By("bob", g.Revoke(), "it is over"))}
			if status == "with a message" {
				in = append(in, runner.Say(llm.User("Well?")))
			}
			result, err := runner.Runner{Model: next, Journal: j}.Session("s").Run(t.Context(), a, in...)
			if status == "paused" || status == "failed" {
				require.ErrorIs(t, err, runner.ErrPaused)
				require.Len(t, result.Pending, 1)
			} else {
				require.NoError(t, err)
				require.Equal(t, "Done.", result.Text)
			}
			revoked := bodyOf(result.Events, "standing_revoked", 0).(event.StandingRevoked)
			require.NotZero(t, revoked.Checksum)
			require.Equal(t, event.StandingRevoked{Standing: g.Seq, Person: "bob", Words: "it is over", Checksum: revoked.Checksum}, revoked)
			require.Empty(t, stateOf(t, j, "s").Standing)
			before := len(eventsOf(t, j))
			_, err = runner.Runner{Model: next, Journal: j}.Session("s").Run(t.Context(), a, g.Revoke())
			requireRefused(t, err, "the answer does not stand: it was revoked, another answer took its place, or it is of another session")
			require.Len(t, eventsOf(t, j), before)
			if status == "finished" {
				var events []event.Event
				events, err = collect(runner.Runner{Model: next, Journal: j}.Session("s").Stream(t.Context(), a, g.Revoke()))
				require.Error(t, err)
				require.Empty(t, events)
			}
			_, err = oneMore(t, j, a, runner.Runner{}, refund("W2", 20_000))
			require.ErrorIs(t, err, runner.ErrPaused)
			require.Len(t, x.all(), 1)
		})
	}
}

// TestRevokeStream: a stream yields the revocation of a session that has nothing to continue.
func TestRevokeStream(t *testing.T) {
	t.Parallel()
	j, _, a, _ := grant(t, event.EveryCall)
	g := stateOf(t, j, "s").Standing[0]
	other := g
	other.Key = "t/" + strings.TrimPrefix(g.Key, "s/")
	r := runner.Runner{Model: llmtest.NewScript(), Journal: j}
	_, err := collect(r.Session("s").Stream(t.Context(), a, other.Revoke()))
	require.Error(t, err, "of another session")
	long := strings.Repeat("n", 201)
	_, err = r.Session("s").Run(t.Context(), a, runner.By(long, g.Revoke()))
	require.EqualError(t, err, "runner: the name of a person has 201 bytes, and at most 200 are allowed")
	_, err = json.Marshal(runner.By(long, g.Revoke()))
	require.Error(t, err)
	events, err := collect(r.Session("s").Stream(t.Context(), a, g.Revoke()))
	require.NoError(t, err)
	require.Equal(t, []string{"standing_revoked"}, types(events))
	state := stateOf(t, j, "s")
	require.Equal(t, journal.Finished, state.Status)
	_, err = r.Session("s").Run(t.Context(), a, runner.Once("k", llm.User("x")), g.Revoke())
	require.ErrorContains(t, err, "Once and another input in one run")
}

// TestStandingMayAnswer: MayAnswer is asked about the reach, and about each later call.
func TestStandingMayAnswer(t *testing.T) {
	t.Parallel()
	j, x := new(journal.Memory), new(till)
	a, p := asks(t, j, x)
	var asked []string
	r := runner.Runner{MayAnswer: func(_ context.Context, p runner.Pending, d runner.Decision) error {
		var in refundArgs
		if err := json.Unmarshal([]byte(p.ToolCall.Arguments), &in); err != nil {
			return err
		}
		asked = append(asked, fmt.Sprint(in.Cents, " ", d.What, " ", d.Person, " ", d.Always, " ", d.Standing > 0, " ", p.Seq > 0 && p.Seq == d.Question))
		if d.Person == "bob" && d.Always != "" || in.Cents > 30_000 {
			return errOwn
		}
		return nil
	}}
	first := r
	first.Model, first.Journal = llmtest.NewScript(llmtest.Text("Done.")), j
	_, err := first.Session("s").Run(t.Context(), a, runner.By("bob", p.ApproveAlways(event.EveryCall)))
	require.ErrorIs(t, err, errOwn)
	_, err = first.Session("s").Run(t.Context(), a, p.ApproveAlways("for ever"))
	requireRefused(t, err, `no answer has the reach "for ever": use event.EveryCall or event.SameArguments`)
	_, err = first.Session("s").Run(t.Context(), a, runner.By("ada", p.ApproveAlways(event.EveryCall)))
	require.NoError(t, err)
	result, err := oneMore(t, j, a, r, refund("W3", 25_000).And(refund("W4", 90_000)))
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Len(t, result.Pending, 1)
	require.Equal(t, `{"order":"W4","cents":90000}`, result.Pending[0].ToolCall.Arguments)
	require.Len(t, x.all(), 2)
	require.Equal(t, []string{
		"20000 approved bob tool false true", "20000 approved ada tool false true",
		"25000 approved ada  true true", "90000 approved ada  true true",
	}, asked)
}

// TestStandingOfTeam: an answer about a call of a helper stands for the helper, in every run of
// it, and an answer about an agent after a hand-off stands for this agent.
func TestStandingOfTeam(t *testing.T) {
	t.Parallel()
	x, j := new(till), new(journal.Memory)
	clerk := &agent.Agent{Name: "clerk", Instructions: "clerk", Tools: []tool.Tool{x.refund(tool.NeedsApproval())}}
	desk := &agent.Agent{Name: "desk", Instructions: "desk", Tools: clerk.Tools, Helpers: []agent.Helper{{Name: "ask_clerk", Description: "Asks.", Agent: clerk}}}
	triage := &agent.Agent{Name: "triage", Instructions: "triage", Handoffs: []agent.Handoff{{Agent: desk}}}
	run := func(model llm.Model, in ...runner.Input) (*runner.Result, error) {
		return runner.Runner{Model: model, Journal: j}.Session("s").Run(t.Context(), triage, in...)
	}
	ask := llmtest.Calls("ask_clerk", map[string]string{"task": "Refund."})
	script := func(n int) llm.Model {
		return llmtest.NewScript(slices.Concat(
			llmtest.For(llmtest.Instructed("triage"), llmtest.Calls("transfer_to_desk", nil)),
			llmtest.For(llmtest.Instructed("desk"), ask, refund("W1", n), llmtest.Text("Done.")),
			llmtest.For(llmtest.Instructed("clerk"), refund("W2", n), llmtest.Text("Paid.")),
		)...)
	}
	model := script(1)
	result, err := run(model, runner.Say(llm.User("Refund.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Equal(t, "clerk", result.Pending[0].Agent)
	result, err = run(model, runner.By("ada", result.Pending[0].ApproveAlways(event.EveryCall)))
	require.ErrorIs(t, err, runner.ErrPaused, "the answer is not about the desk")
	require.Equal(t, "desk", result.Pending[0].Agent)
	_, err = run(model, runner.By("bob", result.Pending[0].ApproveAlways(event.EveryCall)))
	require.NoError(t, err)

	model = script(2)
	result, err = run(model, runner.Say(llm.User("Refund again.")))
	require.NoError(t, err)
	require.Equal(t, "Done.", result.Text)
	require.Len(t, x.all(), 4)
	var by []string
	for _, d := range result.Decisions {
		by = append(by, d.Person)
	}
	require.Equal(t, []string{"ada", "bob"}, by)
	require.Len(t, stateOf(t, j, "s").Standing, 2)

	_, err = run(llmtest.NewScript(), stateOf(t, j, "s").Standing[0].Revoke()) // of the helper
	require.NoError(t, err)
	_, err = run(script(3), runner.Say(llm.User("Refund again.")))
	require.ErrorIs(t, err, runner.ErrPaused)
}

// TestStandingTwice: an answer with the same reach takes the place of the earlier one, and of
// more than 1,000 the oldest is forgotten.
func TestStandingTwice(t *testing.T) {
	t.Parallel()
	x, j := new(till), new(journal.Memory)
	a := newAgent(x.refund(over100))
	r := runner.Runner{Journal: j, Model: llmtest.NewScript(refund("W1", 20_000).And(refund("W1", 20_000)), llmtest.Text("Done."))}
	result, err := r.Session("s").Run(t.Context(), a, runner.Say(llm.User("Refund.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	_, err = r.Session("s").Run(t.Context(), a, result.Pending[0].DenyAlways(event.SameArguments, "no"), runner.By("ada", result.Pending[1].ApproveAlways(event.SameArguments)))
	require.NoError(t, err)
	standing := stateOf(t, j, "s").Standing
	require.Len(t, standing, 1)
	require.Equal(t, "approved", standing[0].What)

	var bodies []event.Body
	for i := range 1000 {
		ref, args := event.NewCallRef(2, 1, i), fmt.Sprintf(`{"order":"W%d","cents":20000}`, i+2)
		bodies = append(bodies, event.ApprovalAsked{Call: ref, Name: "refund", Arguments: args, Hash: event.HashArguments(args), Fingerprint: a.Tools[0].Fingerprint()},
			event.ApprovalDecided{Call: ref, Hash: event.HashArguments(args), Approved: true, Always: event.SameArguments})
	}
	calls := llm.Message{Role: llm.RoleAssistant}
	for i := range 1000 {
		calls.Parts = append(calls.Parts, llm.ToolCall{ID: fmt.Sprint(i), Name: "refund", Arguments: "{}"})
	}
	record(t, j, append([]event.Body{
		event.RunStarted{Run: 2, Agent: "assistant", ID: "X"}, event.UserMessaged{Message: llm.User("More.")}, event.TurnPrepared{Turn: 1, Agent: "assistant"},
		event.ModelAnswered{Turn: 1, Message: calls, Finish: llm.FinishOf("tool_calls", "")},
	}, bodies...)...)
	standing = stateOf(t, j, "s").Standing
	require.Len(t, standing, 1000)
	require.Equal(t, `{"order":"W2","cents":20000}`, standing[0].Arguments)
	require.False(t, errors.Is(nil, errOwn))
}

// TestTwoPeople: of two processes that answer the same question at the same time, one counts,
// and the other reads who was first.
func TestTwoPeople(t *testing.T) {
	t.Parallel()
	for name, j := range map[string]journal.Journal{"memory": new(journal.Memory), "files": journal.Dir{Path: t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 10 {
				twoPeople(t, j)
			}
		})
	}
}

func twoPeople(t *testing.T, j journal.Journal) {
	x, name := new(till), rand.Text()
	a := newAgent(x.refund(over100))
	first := runner.Runner{Model: llmtest.NewScript(refund("W2", 20_000)), Journal: j}
	result, err := first.Session(name).Run(t.Context(), a, runner.Say(llm.User("Refund.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	p := result.Pending[0]
	answers := map[string]runner.Input{"ada": p.ApproveAlways(event.EveryCall), "bob": p.DenyAlways(event.SameArguments, "no")}
	type outcome struct {
		person string
		err    error
	}
	ends := make(chan outcome)
	for person, answer := range answers {
		go func() {
			r := runner.Runner{Model: llmtest.NewScript(llmtest.Text("Done.")), Journal: j}
			for {
				_, err := r.Session(name).Run(t.Context(), a, runner.By(person, answer))
				if _, busy := errors.AsType[*journal.BusyError](err); !busy {
					ends <- outcome{person, err}
					return
				}
				<-time.After(time.Millisecond)
			}
		}()
	}
	winner, loser := <-ends, <-ends
	if winner.err != nil {
		winner, loser = loser, winner
	}
	require.NoError(t, winner.err)
	late, ok := errors.AsType[*runner.DecisionError](loser.err)
	require.True(t, ok, "%v", loser.err)
	require.Equal(t, winner.person, late.Decided.Person)
	require.Len(t, x.all(), map[string]int{"ada": 1, "bob": 0}[winner.person])
	reader, _ := j.(journal.Reader)
	standing := stateOf(t, reader, name).Standing
	require.Len(t, standing, 1)
	require.Equal(t, winner.person, standing[0].Person)
}

// TestAnswerAfterStanding: an answer about a question that a standing answer has answered is
// refused, and names the person of the standing answer.
func TestAnswerAfterStanding(t *testing.T) {
	t.Parallel()
	j, x, a, p := grant(t, event.EveryCall)
	_, err := oneMore(t, j, a, runner.Runner{}, refund("W3", 20_000))
	require.NoError(t, err)
	decided := stateOf(t, j, "s").Decisions[1]
	calls, err := runner.CallsOf(j.Read(t.Context(), "s", 0))
	require.NoError(t, err)
	require.Equal(t, decided, calls[1].Decisions[0])
	started := bodyOf(eventsOf(t, j), "run_started", 1).(event.RunStarted)
	p.Call, p.Seq, p.Key = decided.Call, decided.Question, "s/"+started.ID+"/"+string(decided.Call)
	for name, of := range answersOf {
		_, err := runner.Runner{Model: llmtest.NewScript(), Journal: j}.Session("s").Run(t.Context(), a, runner.By("bob", of(p)))
		late, ok := errors.AsType[*runner.DecisionError](err)
		require.True(t, ok, "%s: %v", name, err)
		require.Equal(t, &decided, late.Decided, name)
		require.Contains(t, late.Error(), "somebody was first: approved by a standing answer of ada at")
	}
	require.Len(t, x.all(), 2)
}
