package runner_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/report"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

// TestByLate: who handed a result in is in the event, among the decisions, in the transcript
// and in the report, and whoever comes second reads it. No model does.
func TestByLate(t *testing.T) {
	t.Parallel()
	for _, failed := range []bool{false, true} {
		script := llmtest.Script(t, payAnn, llmtest.Text("Done."))
		d := newBank(t, nil, pay())
		d.r.Model = script
		d.r.Redact = func(s string) string { return strings.ReplaceAll(s, "0815", "****") }
		_, err := d.run(t, runner.By("ada", runner.Once("begin", llm.User("Pay."))))
		require.ErrorIs(t, err, runner.ErrPaused)
		pending, err := d.r.Session("s").Pending(t.Context())
		require.NoError(t, err)
		p, what := pending[0], "result"
		in := p.Result(text("booked"))
		if failed {
			in, what = p.Fail("no such account"), "failure"
		}
		result, err := d.run(t, stored(t, runner.By("webhook-7", in, "by", "phone 0815")))
		require.NoError(t, err)
		seq := result.Decisions[0].Seq
		want := []runner.Decision{{
			Call: p.Call, Tool: "pay", Question: p.Seq, Seq: seq, What: what, Source: "caller", Person: "webhook-7", Words: "by phone ****", Time: result.Decisions[0].Time,
		}}
		require.Equal(t, want, result.Decisions)
		state, err := d.r.Session("s").State(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, state.Decisions)
		body, ok := bodyOf(result.Events, "tool_call_finished", 0).(event.ToolCallFinished)
		require.True(t, ok)
		require.Equal(t, []string{"webhook-7", "by phone ****"}, []string{body.Given.Person, body.Given.Words})
		require.NotContains(t, wireText(t, script.Requests()[1].Messages), "webhook-7")

		_, err = d.run(t, runner.By("bob", in)) // the same result again says nothing
		require.NoError(t, err)
		_, err = d.run(t, runner.By("bob", p.Result(text("not booked"))))
		requireRefused(t, err, "another result")
		require.Contains(t, err.Error(), "somebody was first: "+what+" handed in by webhook-7 at ")

		whole := *result
		whole.Events, whole.Earlier = append(whole.Earlier, whole.Events...), nil
		transcript := runnertest.Transcript(&whole)
		require.Contains(t, transcript, "\nuser by \"ada\"\n")
		require.Contains(t, transcript, ", handed in by \"webhook-7\"\n")
		require.Contains(t, transcript, "  words r1.t1.c0\n    by phone ****\n")
		var page strings.Builder
		require.NoError(t, report.Markdown(&page, whole.Events))
		require.Contains(t, page.String(), "said by ada")
		require.Contains(t, page.String(), "handed in by webhook-7")
		require.Contains(t, page.String(), "words: `by phone ****`")
	}
}

// TestByLateBounds: a name that is too long is refused before anything is stored or recorded.
func TestByLateBounds(t *testing.T) {
	t.Parallel()
	d := newBank(t, []llmtest.Step{payAnn}, pay())
	p := d.begin(t)[0]
	in := runner.By(strings.Repeat("x", 201), p.Result(text("booked")))
	_, err := d.run(t, in)
	require.ErrorContains(t, err, "the name of a person has 201 bytes")
	_, err = in.(interface{ MarshalJSON() ([]byte, error) }).MarshalJSON()
	require.ErrorContains(t, err, "the name of a person has 201 bytes")
}

func wireText(t *testing.T, messages []llm.Message) (all string) {
	t.Helper()
	for _, m := range messages {
		for _, p := range m.Parts {
			if r, ok := p.(llm.ToolResult); ok {
				all += r.Text()
			}
		}
		all += m.Text()
	}
	return all
}
