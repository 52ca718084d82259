package runner_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// TestBy: who answers, and with which words, is in the event of every kind of answer, in the
// Result, in the State, and in the error of everybody who comes later.
func TestBy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer  func(runner.Pending) runner.Input
		inDoubt bool
		what    string
		words   string
	}{
		"approve":      {runner.Pending.Approve, false, "approved", "by phone"},
		"deny":         {func(p runner.Pending) runner.Input { return p.Deny("too much") }, false, "denied", "by phone"},
		"edit":         {func(p runner.Pending) runner.Input { return p.Edit(json.RawMessage(`{"order":"W2","cents":1}`)) }, false, "edited", "by phone"},
		"happened":     {func(p runner.Pending) runner.Input { return p.Happened(llm.Text{Text: "paid"}) }, true, "happened", "by phone"},
		"not happened": {runner.Pending.NotHappened, true, "not_happened", "by phone"},
		"run again":    {runner.Pending.RunAgain, true, "run_again", "by phone"},
		"unknown":      {runner.Pending.Unknown, true, "unknown", "by phone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, j := new(till), journal.Journal(new(journal.Memory))
			a := newAgent(x.refund(over100))
			var p runner.Pending
			if tt.inDoubt {
				j, _ = crashedRefund(t)
				_, err := runner.Runner{Model: llmtest.NewScript(), Journal: j}.Session("s").Run(t.Context(), a)
				require.ErrorIs(t, err, runner.ErrPaused)
				pending, err := runner.Runner{Journal: j}.Session("s").Pending(t.Context())
				require.NoError(t, err)
				p = pending[0]
			} else {
				_, p = asks(t, j, x)
			}
			script := llmtest.Script(t, llmtest.Text("Done."))
			s := runner.Runner{Model: script, Journal: j, Redact: func(s string) string { return strings.ReplaceAll(s, "0815", "****") }}.Session("s")
			in := runner.By("ada", tt.answer(p), "by", "phone 0815")
			result, err := s.Run(t.Context(), a, stored(t, in))
			require.NoError(t, err)
			require.Len(t, result.Decisions, 1)
			d := result.Decisions[0]
			require.Equal(t, runner.Decision{
				Call: p.Call, Tool: "refund", Question: p.Seq, Seq: d.Seq, What: tt.what, Source: "caller", Person: "ada", Words: "by phone ****", Time: d.Time,
			}, d)
			require.NotZero(t, d.Time)
			require.Equal(t, d.Seq, bodySeq(result.Events, d.Time.String()))
			for _, m := range script.Requests()[0].Messages {
				data, err := json.Marshal(m)
				require.NoError(t, err)
				require.NotContains(t, string(data), "ada")
				require.NotContains(t, string(data), "phone")
			}
			state, err := s.State(t.Context())
			require.NoError(t, err)
			require.Equal(t, result.Decisions, state.Decisions)

			_, err = s.Run(t.Context(), a, runner.By("bob", tt.answer(p)))
			var late *runner.DecisionError
			require.ErrorAs(t, err, &late)
			require.Equal(t, &d, late.Decided)
			require.False(t, late.Known)
			_, err = s.Run(t.Context(), a, runner.By("ada", tt.answer(p), "by mail"))
			require.ErrorAs(t, err, &late)
			require.False(t, late.Known)
			_, err = s.Run(t.Context(), a, stored(t, in))
			require.ErrorAs(t, err, &late)
			require.True(t, late.Known)
			require.Contains(t, err.Error(), "this decision was recorded before: "+strings.ReplaceAll(tt.what, "_", " ")+" by ada at ")
			_, err = s.Run(t.Context(), a, runner.By("bob", tt.answer(p)))
			require.ErrorAs(t, err, &late)
			require.Contains(t, err.Error(), "somebody was first: "+strings.ReplaceAll(tt.what, "_", " ")+" by ada at ")
		})
	}
}

// bodySeq returns the Seq of the event of a decision.
func bodySeq(events []event.Event, at string) int64 {
	for _, e := range events {
		switch e.Body.(type) {
		case event.ApprovalDecided, event.InDoubtDecided:
			if e.Time.String() == at {
				return e.Seq
			}
		}
	}
	return 0
}

// TestByMessages: who said a message is in its event, and everybody who said one is named to
// those who decide.
func TestByMessages(t *testing.T) {
	t.Parallel()
	x, j := new(till), new(journal.Memory)
	a := newAgent(x.refund(over100))
	s := runner.Runner{Model: llmtest.NewScript(llmtest.Text("Hello."), llmtest.Text("Hello."), llmtest.Calls("refund", refundArgs{"W2", 20_000}), llmtest.Text("Done.")), Journal: j}.Session("s")
	_, err := s.Run(t.Context(), a, stored(t, runner.By("ada", runner.Once("begin", llm.User("Hello."), llm.User("You?")))))
	require.NoError(t, err)
	_, err = s.Run(t.Context(), a, runner.Say(llm.User("Nobody.")), stored(t, runner.By("bob", runner.Say(llm.User("I am Bob.")))), runner.Say(llm.User("Nobody again.")))
	require.NoError(t, err)
	require.NoError(t, s.SayInput(t.Context(), runner.By("cleo", runner.Once("more", llm.User("Refund.")))))
	require.NoError(t, s.SayInput(t.Context(), runner.By("dan", runner.Once("more", llm.User("Refund.")))), "known")
	require.NoError(t, s.SayInput(t.Context(), runner.Say(llm.User("Please."))))
	require.NoError(t, s.SayInput(t.Context(), runner.By("ada", runner.Say(llm.User("Now.")))))
	result, err := s.Run(t.Context(), a)
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Equal(t, []string{"ada", "bob", "cleo"}, result.Pending[0].Persons)
	var persons []string
	for _, e := range eventsOf(t, j) {
		if b, ok := e.Body.(event.UserMessaged); ok {
			persons = append(persons, b.Person)
		}
	}
	require.Equal(t, []string{"ada", "ada", "", "bob", "", "cleo", "", "ada"}, persons)
	require.EqualError(t, s.SayInput(t.Context(), result.Pending[0].Approve()), "runner: SayInput takes messages: an input of Say or Once")

	long := strings.Repeat("n", 201)
	const tooLong = "runner: the name of a person has 201 bytes, and at most 200 are allowed"
	before := len(eventsOf(t, j))
	for _, in := range []runner.Input{runner.By(long, result.Pending[0].Approve()), runner.By(long, runner.Say(llm.User("a"))), runner.By(long, runner.Once("k", llm.User("a")))} {
		_, err = s.Run(t.Context(), a, in)
		require.EqualError(t, err, tooLong)
	}
	require.EqualError(t, s.SayInput(t.Context(), runner.By(long, runner.Say(llm.User("a")))), tooLong)
	require.Len(t, eventsOf(t, j), before)
}

// TestApproveAndSay: a decision and a message in one run do both, in this order, whatever
// became of the run before.
func TestApproveAndSay(t *testing.T) {
	t.Parallel()
	const paid = "paid 20000"
	for name, tt := range map[string]struct {
		answer func(runner.Pending) runner.Input
		failed bool // the run fails after the first decision
		want   string
	}{
		"approve":       {runner.Pending.Approve, false, paid},
		"approve later": {runner.Pending.Approve, true, paid},
		"deny":          {func(p runner.Pending) runner.Input { return p.Deny("no") }, false, "The call was denied: no. It did not run. Do not repeat it: go on without it, or ask the user."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, x := new(journal.Memory), new(till)
			a, p := asks(t, j, x)
			if tt.failed {
				record(t, j, event.RunFailed{Run: 1, Turns: 1, Error: "planted"})
			}
			script := llmtest.Script(t, llmtest.Text("Only once."))
			s := runner.Runner{Model: script, Journal: j}.Session("s")
			_, err := s.Run(t.Context(), a, runner.By("ada", runner.Say(llm.User("But only this once."))), p.Edit(json.RawMessage(`{}`)))
			require.Error(t, err, "nothing is said if the decision does not fit")
			require.Empty(t, script.Requests())

			result, err := s.Run(t.Context(), a, runner.By("ada", runner.Say(llm.User("But only this once."))), tt.answer(p))
			require.NoError(t, err)
			require.Equal(t, "Only once.", result.Text)
			sent := script.Requests()[0].Messages
			require.Equal(t, []llm.Role{llm.RoleUser, llm.RoleAssistant, llm.RoleTool, llm.RoleUser}, rolesOf(sent))
			require.Equal(t, tt.want, sent[2].Results()[0].Text())
			require.Equal(t, "But only this once.", sent[3].Text())
			require.Equal(t, "ada", bodyOf(eventsOf(t, j), "user_messaged", 1).(event.UserMessaged).Person)
			state, err := s.State(t.Context())
			require.NoError(t, err)
			require.Equal(t, result.Messages, state.Messages)
		})
	}
}

func rolesOf(messages []llm.Message) (roles []llm.Role) {
	for _, m := range messages {
		roles = append(roles, m.Role)
	}
	return roles
}

// TestApproveAndSayWaits: while another call waits, the message waits, too.
func TestApproveAndSayWaits(t *testing.T) {
	t.Parallel()
	x := new(till)
	a := newAgent(x.refund(over100))
	two := llmtest.Calls("refund", refundArgs{"W1", 20_000}).And(llmtest.Calls("refund", refundArgs{"W2", 30_000}))
	script := llmtest.Script(t, two, llmtest.Text("Done."))
	s := runner.Runner{Model: script, Journal: new(journal.Memory)}.Session("s")
	result, err := s.Run(t.Context(), a, runner.Say(llm.User("Refund.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	second := result.Pending[1]
	_, err = s.Run(t.Context(), a, result.Pending[0].Approve(), runner.Say(llm.User("Be quick.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	result, err = s.Run(t.Context(), a, second.Approve())
	require.NoError(t, err)
	require.Equal(t, []string{"paid 20000", "paid 30000"}, results(result.Messages))
	require.Equal(t, "Be quick.", script.Requests()[1].Messages[4].Text())
}
