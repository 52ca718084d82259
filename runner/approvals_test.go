package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

var errOwn = errors.New("another person must answer")

// another lets nobody answer who said a message.
func another(_ context.Context, p runner.Pending, d runner.Decision) error {
	if d.Person == "" || slices.Contains(p.Persons, d.Person) {
		return errOwn
	}
	return nil
}

// answersOf are the answers of a Pending, right or wrong.
var answersOf = map[string]func(runner.Pending) runner.Input{
	"approve":      runner.Pending.Approve,
	"deny":         func(p runner.Pending) runner.Input { return p.Deny("no") },
	"always":       func(p runner.Pending) runner.Input { return p.ApproveAlways(event.EveryCall) },
	"never":        func(p runner.Pending) runner.Input { return p.DenyAlways(event.SameArguments, "no") },
	"edit":         func(p runner.Pending) runner.Input { return p.Edit(json.RawMessage(`{"order":"W2","cents":1}`)) },
	"happened":     func(p runner.Pending) runner.Input { return p.Happened() },
	"not happened": runner.Pending.NotHappened,
	"run again":    runner.Pending.RunAgain,
	"unknown":      runner.Pending.Unknown,
}

// TestAnswers is the table of every state of a call, every answer, the time and the person:
// an answer counts or records nothing, and whoever is refused reads why.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"asked", "in doubt", "answered", "failed"} {
		for answer, of := range answersOf {
			for _, late := range []bool{false, true} {
				for _, person := range []string{"", "bob", "ada"} {
					t.Run(fmt.Sprint(state, "/", answer, "/late=", late, "/", person), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) { testAnswer(t, state, of, answer, late, person) })
					})
				}
			}
		}
	}
}

func testAnswer(t *testing.T, state string, of func(runner.Pending) runner.Input, answer string, late bool, person string) {
	j, a, p := waiting(t, state)
	if late {
		time.Sleep(2 * time.Hour) // synctest: exact in a bubble
	}
	before := len(eventsOf(t, j))
	r := runner.Runner{Model: llmtest.NewScript(llmtest.Text("Done."), llmtest.Text("Done.")), Journal: j, MayAnswer: another}
	result, err := r.Session("s").Run(t.Context(), a, runner.By(person, of(p)))
	approval := slices.Contains([]string{"approve", "deny", "always", "never", "edit"}, answer)
	want := ""
	switch {
	case state == "answered":
		want = "the call waits no longer: it has ended, its time was over, or a message closed it"
	case approval && p.InDoubt:
		want = "the call is in doubt: answer with RunAgain, Happened, NotHappened or Unknown"
	case !approval && !p.InDoubt:
		want = "the call is not in doubt"
	case late && !p.InDoubt:
		want = "the time for the answer was over at 2000-01-01 01:00:00 UTC"
	case person == "":
		want = "may not be answered by somebody without a name: another person must answer"
	case person == "bob":
		want = `may not be answered by "bob": another person must answer`
	}
	if want == "" {
		require.NoError(t, err)
		require.Equal(t, "ada", result.Decisions[len(result.Decisions)-1].Person)
		require.Len(t, stateOf(t, j, "s").Standing, map[string]int{"always": 1, "never": 1}[answer])
		return
	}
	unfit, ok := errors.AsType[*runner.DecisionError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, want, unfit.Reason)
	require.Equal(t, person != "ada" && unfit.Err != nil, errors.Is(err, errOwn))
	require.Equal(t, state == "answered", unfit.Decided != nil)
	require.Len(t, eventsOf(t, j), before, "nothing is recorded")
}

// waiting returns a session in a state, which bob has asked for.
func waiting(t *testing.T, state string) (*journal.Memory, *agent.Agent, runner.Pending) {
	j := new(journal.Memory)
	a := newAgent(new(till).refund(tool.NeedsApproval(), tool.ApprovalWithin(time.Hour, "Too late.")))
	if state == "in doubt" {
		a = newAgent(new(till).refund())
	}
	s := runner.Runner{Model: llmtest.NewScript(llmtest.Calls("refund", refundArgs{"W2", 20_000}), llmtest.Text("Done.")), Journal: j}.Session("s")
	ask := runner.By("bob", runner.Say(llm.User("Refund.")))
	if state == "in doubt" {
		_, err := s.Run(t.Context(), a, ask)
		require.NoError(t, err)
		whole := eventsOf(t, j)
		j = new(journal.Memory)
		for _, e := range whole[:slices.IndexFunc(whole, func(e event.Event) bool { return e.Type() == "tool_call_finished" })] {
			record(t, j, e.Body)
		}
		s = runner.Runner{Model: llmtest.NewScript(), Journal: j}.Session("s")
		result, err := s.Run(t.Context(), a)
		require.ErrorIs(t, err, runner.ErrPaused)
		return j, a, result.Pending[0]
	}
	result, err := s.Run(t.Context(), a, ask)
	require.ErrorIs(t, err, runner.ErrPaused)
	p := result.Pending[0]
	require.Equal(t, time.Now().Add(time.Hour).UTC(), p.Until)
	switch state {
	case "answered":
		_, err = s.Run(t.Context(), a, runner.By("eve", p.Approve()))
		require.NoError(t, err)
	case "failed":
		record(t, j, event.RunFailed{Run: 1, Turns: 1, Error: "planted"})
	}
	return j, a, p
}

// TestApprovalWithin: the clock ends the wait when the run is continued, and the model reads
// the text of the tool, which is no denial.
func TestApprovalWithin(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"Offer it again.": "Offer it again.", "": "The call did not run: nobody approved it in time."} {
		synctest.Test(t, func(t *testing.T) {
			j, x := new(journal.Memory), new(till)
			a := newAgent(x.refund(tool.NeedsApproval(), tool.ApprovalWithin(time.Hour, text)))
			s := runner.Runner{Model: llmtest.NewScript(llmtest.Calls("refund", refundArgs{"W2", 20_000}), llmtest.Text("Done.")), Journal: j}.Session("s")
			_, err := s.Run(t.Context(), a, runner.Say(llm.User("Refund.")))
			require.ErrorIs(t, err, runner.ErrPaused)
			time.Sleep(time.Hour - time.Nanosecond) // synctest: exact in a bubble
			_, err = s.Run(t.Context(), a)
			require.ErrorIs(t, err, runner.ErrPaused)
			time.Sleep(time.Nanosecond) // synctest: exact in a bubble
			result, err := s.Run(t.Context(), a)
			require.NoError(t, err)
			require.Equal(t, []string{want}, results(result.Messages))
			require.Equal(t, string(tool.Expired), bodyOf(result.Events, "tool_call_finished", 0).(event.ToolCallFinished).Failure)
			require.Empty(t, result.Decisions)
			require.Empty(t, x.all())
		})
	}
	_, err := tool.New("f", "Does it.", func(context.Context, struct{}) (string, error) { return "", nil }, tool.ApprovalWithin(0, ""))
	require.ErrorContains(t, err, "approval within 0s: must be positive")
}

// TestMayAnswerDecide: an answer of Decide is asked about, too, and a panic refuses.
func TestMayAnswerDecide(t *testing.T) {
	t.Parallel()
	x := new(till)
	a := newAgent(x.refund(over100))
	r := runner.Runner{
		Model: llmtest.NewScript(llmtest.Calls("refund", refundArgs{"W2", 20_000})), MayAnswer: another,
		Decide: func(_ context.Context, p runner.Pending) (runner.Input, error) {
			return runner.By("bob", p.Approve()), nil
		},
	}
	_, err := r.Session("s").Run(t.Context(), a, runner.By("bob", runner.Say(llm.User("Refund."))))
	require.ErrorIs(t, err, errOwn)
	require.Empty(t, x.all())

	j := new(journal.Memory)
	_, p := asks(t, j, x)
	_, err = runner.Runner{Model: llmtest.NewScript(), Journal: j, MayAnswer: func(context.Context, runner.Pending, runner.Decision) error { panic("planted") }}.Session("s").Run(t.Context(), a, p.Approve())
	_, refused := errors.AsType[*runner.DecisionError](err)
	require.True(t, refused, "%v", err)
	require.Empty(t, x.all())
}

// TestMayAnswerKnowsTheAnswer: a bound looks at the arguments that would run, and a denial can
// be allowed to more persons than an approval.
func TestMayAnswerKnowsTheAnswer(t *testing.T) {
	t.Parallel()
	x, j := new(till), new(journal.Memory)
	a, p := asks(t, j, x)
	var asked []runner.Decision
	r := runner.Runner{Model: llmtest.NewScript(llmtest.Text("Done.")), Journal: j, MayAnswer: func(_ context.Context, p runner.Pending, d runner.Decision) error {
		asked = append(asked, d)
		var in refundArgs
		if err := json.Unmarshal([]byte(p.ToolCall.Arguments), &in); err != nil {
			return err
		}
		if d.What != "denied" && in.Cents > 30_000 {
			return errOwn
		}
		return nil
	}}
	_, err := r.Session("s").Run(t.Context(), a, runner.By("ann", p.Edit(json.RawMessage(`{"order":"W2","cents":99000}`)), "more"))
	require.ErrorIs(t, err, errOwn)
	result, err := r.Session("s").Run(t.Context(), a, runner.By("ann", p.Deny("no")))
	require.NoError(t, err)
	require.Equal(t, "Done.", result.Text)
	require.Empty(t, x.all())
	for i, want := range []runner.Decision{{What: "edited", Words: "more"}, {What: "denied", Words: "no"}} {
		want.Call, want.Tool, want.Question, want.Source, want.Person, want.Time = p.Call, "refund", p.Seq, "caller", "ann", asked[i].Time
		require.Equal(t, want, asked[i])
	}
}
