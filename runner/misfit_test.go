package runner_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestMisfitAnswer plants faults in the events of an answer: nothing is recorded, and the
// session stays readable and takes the right answer.
func TestMisfitAnswer(t *testing.T) {
	t.Parallel()
	finished := func(call event.CallRef, given *event.Given) event.Body {
		return event.ToolCallFinished{Call: call, Given: given, Result: llm.ToolResult{Name: "pay", Parts: llm.Parts{llm.Text{Text: "booked"}}}}
	}
	for name, bodies := range map[string][]event.Body{
		"two results of a call":      {finished("r1.t1.c0", &event.Given{Checksum: 1}), finished("r1.t1.c0", &event.Given{Checksum: 1})},
		"a call that is not open":    {finished("r1.t1.c7", &event.Given{Checksum: 1})},
		"a decision and a result":    {event.InDoubtDecided{Call: "r1.t1.c0", Decision: event.Unknown, By: "caller"}, finished("r1.t1.c0", nil)},
		"an approval without a call": {event.ApprovalDecided{Call: "r1.t1.c0", Approved: true}},
		"the end of another run":     {finished("r1.t1.c0", &event.Given{Checksum: 1}), event.RunFinished{Run: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newBank(t, []llmtest.Step{payAnn, llmtest.Text("Done.")}, pay())
			p := d.begin(t)[0]
			before := eventsOf(t, d.store)
			var events []event.Event
			for _, b := range bodies {
				events = append(events, event.Event{Body: b})
			}
			require.ErrorContains(t, d.r.Session("s").RecordAnswer(t.Context(), events...), "an answer does not fit, and nothing was recorded")
			require.Equal(t, before, eventsOf(t, d.store))
			result, err := d.run(t, p.Result(text("booked")))
			require.NoError(t, err)
			require.Equal(t, "Done.", result.Text)
		})
	}
}

// TestHelperPutAside: whether the result of a helper's call is put aside depends on the helper's
// tool, also when the caller says the result, and the outer agent has a tool of the same name.
func TestHelperPutAside(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("The invoice is paid. ", 200)
	for _, final := range []bool{false, true} {
		fetch := func(opts ...tool.Option) tool.Tool {
			return tool.Must(tool.New("fetch", "Fetches.", func(context.Context, struct{}) (string, error) { return long, nil }, opts...))
		}
		inner, outer := fetch(), fetch(tool.Final())
		if final {
			inner, outer = outer, inner
		}
		a := withHelper(t, nil, nil, inner)
		a.Tools = []tool.Tool{outer}
		a.Model = llmtest.NewScript(delegate("Go."), llmtest.Text("Done."), llmtest.Text("Done."))
		a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Calls("fetch", nil), llmtest.Text("Fetched."), llmtest.Text("Fetched."))
		whole := new(journal.Memory)
		r := runner.Runner{Journal: whole, PutAside: 1000}
		_, err := r.Session("s").Run(t.Context(), a, runner.Say(llm.User("Go.")))
		require.NoError(t, err)
		events := eventsOf(t, whole)
		cut := 0
		for i, e := range events {
			if _, started := e.Body.(event.ToolCallStarted); started && e.Path != "" {
				cut = i + 1
			}
		}
		r.Journal = prefixOf(t, whole, cut)
		a.Model, a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Text("Done.")), llmtest.NewScript(llmtest.Text("Fetched."))
		result, err := r.Session("s").Run(t.Context(), a)
		require.ErrorIs(t, err, runner.ErrPaused)
		require.True(t, result.Pending[0].InDoubt)
		result, err = r.Session("s").Run(t.Context(), a, result.Pending[0].Happened(llm.Text{Text: long}))
		require.NoError(t, err)
		b, ok := bodyOf(result.Events, "tool_call_finished", 0).(event.ToolCallFinished)
		require.True(t, ok)
		require.Equal(t, event.CallRef("r1.t1.c0/r1.t1.c0"), b.Call)
		require.Equal(t, !final, b.Whole != "", "final: %v", final)
	}
}
