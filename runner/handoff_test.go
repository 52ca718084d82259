package runner_test

import (
	"context"
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
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

const toBilling, toTriage = "transfer_to_billing", "transfer_to_triage"

// team returns triage, which hands over to billing and gets the conversation back. Each has a
// tool of its own; work counts the calls of both.
func team(triage, billing llm.Model, work *[]string) (a, b *agent.Agent) {
	newTool := func(name string) tool.Tool {
		return tool.Must(tool.New(name, "Works.", func(_ context.Context, in stepArgs) (string, error) {
			*work = append(*work, name)
			return "done " + fmt.Sprint(in.N), nil
		}, tool.Idempotent()))
	}
	b = &agent.Agent{Name: "billing", Instructions: "You bill.", Model: billing, Tools: []tool.Tool{newTool("bill")}}
	a = &agent.Agent{Name: "triage", Instructions: "You sort.", Model: triage, Tools: []tool.Tool{newTool("look")}}
	a.Handoffs = []agent.Handoff{{Agent: b, Description: "For bills."}}
	b.Handoffs = []agent.Handoff{{Agent: a}}
	return a, b
}

// TestHandOff: the other agent goes on with its own model, instructions and tools, reads a
// natural text, and keeps the session. Other calls of the same answer get their results.
func TestHandOff(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		first := llmtest.Script(t, llmtest.Calls(toBilling, `{"reason":"a bill"}`).And(llmtest.Calls("look", stepArgs{1}), llmtest.Calls(toBilling, nil)))
		second := llmtest.Script(t, llmtest.Calls("bill", stepArgs{2}), llmtest.Text("Billed."), llmtest.Text("Still here."))
		var work []string
		triage, _ := team(first, second, &work)
		s := runner.Runner{}.Session("s")
		var events []event.Event
		if stream {
			var err error
			events, err = collect(s.Stream(t.Context(), triage, runner.Say(llm.User("Go."))))
			require.NoError(t, err)
		} else {
			result, err := s.Run(t.Context(), triage, runner.Say(llm.User("Go.")))
			require.NoError(t, err)
			require.Equal(t, "billing", result.Agent)
			require.Equal(t, "Billed.", result.Text)
			require.Equal(t, llm.Usage{InputTokens: 30, OutputTokens: 15, TotalTokens: 45}, result.Usage)
			events = result.Events
		}
		require.Equal(t, []string{"look", "bill"}, work)
		require.Equal(t, event.HandedOff{Turn: 2, From: "triage", To: "billing", Call: "r1.t1.c0"}, bodyOf(events, "handed_off", 0))
		require.Nil(t, bodyOf(events, "handed_off", 1))
		require.Nil(t, bodyOf(events, "notice", 0), "tools of two agents differ")
		require.Equal(t, []string{"look", toBilling}, defNames(first.Requests()[0]))
		r := second.Requests()[0]
		require.Equal(t, []string{"bill", toTriage}, defNames(r))
		require.Equal(t, "You bill.", r.Instructions)
		require.Equal(t, []string{
			`The conversation is handed over to the agent "billing", which goes on from here.`, "done 1",
			`Another call of the same reply hands the conversation over to the agent "billing". This call changed nothing.`,
		}, results(r.Messages))
		for _, m := range r.Messages {
			for _, result := range m.Results() {
				require.False(t, result.IsError)
			}
		}

		result, err := s.Run(t.Context(), triage, runner.Say(llm.User("And?")))
		require.NoError(t, err)
		require.Equal(t, []any{"billing", "Still here."}, []any{result.Agent, result.Text})
		require.Equal(t, "billing", bodyOf(result.Events, "run_started", 0).(event.RunStarted).Agent)
	}
}

// TestHandOffAnywhere: after a crash at any event, another process with new agents goes on as
// the agent that had the conversation, and every hand-off happens once.
func TestHandOffAnywhere(t *testing.T) {
	t.Parallel()
	model := func(own, other string) llm.Model {
		return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
			last := req.Messages[len(req.Messages)-1]
			step := llmtest.Text("Done by " + own)
			switch {
			case last.Role == llm.RoleUser:
				step = llmtest.Calls(other, nil)
			case len(req.Messages) < 6 && own == "look":
				step = llmtest.Calls("look", stepArgs{1})
			case len(req.Messages) < 6:
				step = llmtest.Calls("bill", stepArgs{1}).And(llmtest.Calls(other, nil))
			}
			return llmtest.NewScript(step).Generate(ctx, req, sink)
		})
	}
	var work []string
	triage, _ := team(model("look", toBilling), model("bill", toTriage), &work)
	whole, err := runner.Runner{}.Session("s").Run(t.Context(), triage, runner.Say(llm.User("Go.")))
	require.NoError(t, err)
	require.Equal(t, "Done by look", whole.Text)
	require.Equal(t, "triage", whole.Agent)
	require.Equal(t, "billing", bodyOf(whole.Events, "handed_off", 0).(event.HandedOff).To)
	require.Equal(t, "triage", bodyOf(whole.Events, "handed_off", 1).(event.HandedOff).To)
	for cut := 2; cut < len(whole.Events)-1; cut++ {
		var work []string
		triage, _ := team(model("look", toBilling), model("bill", toTriage), &work)
		r := runner.Runner{Journal: journalOf(t, whole.Events[:cut])}
		result, err := r.Session("s").Run(t.Context(), triage)
		require.NoError(t, err, "cut after %d", cut)
		require.Equal(t, texts(whole.Messages), texts(result.Messages), "cut after %d", cut)
		require.Equal(t, types(whole.Events[cut:]), withoutDoubt(types(result.Events)), "cut after %d", cut)
	}
}

// withoutDoubt leaves out that an idempotent call began again.
func withoutDoubt(types []string) []string {
	for i, kind := range types {
		if kind == "in_doubt_decided" {
			return append(append([]string{}, types[:i]...), types[i+2:]...)
		}
	}
	return types
}

// TestHandOffLimit: agents that hand over to each other without end cost a bounded number of
// turns.
func TestHandOffLimit(t *testing.T) {
	t.Parallel()
	var work []string
	there, back := llmtest.NewScript(llmtest.Calls(toBilling, nil).Forever()), llmtest.NewScript(llmtest.Calls(toTriage, nil).Forever())
	triage, _ := team(there, back, &work)
	result, err := runner.Run(t.Context(), triage, llm.User("Go."))
	limit, ok := errors.AsType[*runner.LimitError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, runner.LimitError{Limit: "handoffs", Max: 10}, *limit)
	require.ErrorContains(t, err, "hand-offs")
	require.Equal(t, 11, result.Turns)
	requireValid(t, result.Messages)

	last := llmtest.NewScript(llmtest.Calls(toTriage, nil), llmtest.Text("Here is what I know."))
	triage, _ = team(there, last, &work)
	result, err = runner.Runner{Limits: runner.Limits{Handoffs: 1}, AtLimit: runner.LastAnswer}.Run(t.Context(), triage, llm.User("Go."))
	require.NoError(t, err)
	require.Equal(t, []any{"Here is what I know.", "billing"}, []any{result.Text, result.Agent})
}

// TestHandOffFilter: the next agent sees what the filter returns. A filter that breaks the
// history ends the run, and the history stays.
func TestHandOffFilter(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		filter func([]llm.Message) []llm.Message
		want   string // what the next agent sees; empty: an error
		err    string
	}{
		"only the user": {func(h []llm.Message) []llm.Message { return h[:1] }, "Go.", ""},
		"everything":    {func(h []llm.Message) []llm.Message { return h }, "Go. | | handed over", ""},
		"a summary":     {func(h []llm.Message) []llm.Message { return append(h[:1:1], llm.Assistant("So far: nothing.")) }, "Go. | So far: nothing.", ""},
		"split pairs":   {func(h []llm.Message) []llm.Message { return h[:2] }, "", "has no result"},
		"no user":       {func(h []llm.Message) []llm.Message { return h[1:] }, "", "the last message of the user"},
		"nothing":       {func([]llm.Message) []llm.Message { return nil }, "", "no message"},
		"panic":         {func([]llm.Message) []llm.Message { panic("oh") }, "", "Filter panicked: oh"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var work []string
			next := llmtest.NewScript(llmtest.Text("Billed."))
			triage, _ := team(llmtest.Script(t, llmtest.Calls(toBilling, nil)), next, &work)
			triage.Handoffs[0].Filter = tt.filter
			result, err := runner.Runner{}.Session("s").Run(t.Context(), triage, runner.Say(llm.User("Go.")))
			requireValid(t, result.Messages)
			if tt.want == "" {
				require.ErrorContains(t, err, tt.err)
				require.ErrorContains(t, err, `turn 2: hand-off to "billing"`)
				require.Len(t, result.Messages, 3)
				require.Empty(t, next.Requests())
				return
			}
			require.NoError(t, err)
			seen := strings.ReplaceAll(oneLine(next.Requests()[0].Messages), `The conversation is handed over to the agent "billing", which goes on from here.`, "handed over")
			require.Equal(t, tt.want, seen)
		})
	}
}

// TestFunctionsThatWorkInPlace: a Filter and a Sees may use functions that change their slice.
// The history of the run stays what the journal says.
func TestFunctionsThatWorkInPlace(t *testing.T) {
	t.Parallel()
	drop := func(first, end int) func([]llm.Message) []llm.Message {
		return func(h []llm.Message) []llm.Message { return slices.Delete(h, first, end) }
	}
	var work []string
	next := llmtest.Script(t, llmtest.Text("Billed."))
	triage, _ := team(llmtest.Script(t, llmtest.Calls("look", stepArgs{1}), llmtest.Calls(toBilling, nil)), next, &work)
	triage.Handoffs[0].Filter = drop(1, 3) // look and its result
	s := runner.Runner{}.Session("s")
	result, err := s.Run(t.Context(), triage, runner.Say(llm.User("Go.")))
	require.NoError(t, err)
	require.NotContains(t, oneLine(next.Requests()[0].Messages), "done 1")
	state, err := s.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, oneLine(result.Messages), oneLine(state.Messages))

	helper := &agent.Agent{Name: "helper", Model: llmtest.Script(t, llmtest.Text("Helped."))}
	outer := &agent.Agent{
		Name: "outer", Model: llmtest.Script(t, llmtest.Text("Yes?"), llmtest.Calls("helper", `{"task":"help"}`), llmtest.Text("End.")),
		Helpers: []agent.Helper{{Agent: helper, Name: "helper", Description: "Helps.", Sees: drop(0, 1)}},
	}
	s = runner.Runner{}.Session("s")
	_, err = s.Run(t.Context(), outer, runner.Say(llm.User("Hello.")))
	require.NoError(t, err)
	result, err = s.Run(t.Context(), outer, runner.Say(llm.User("Go.")))
	require.NoError(t, err)
	require.Equal(t, "Hello. | Yes? | Go. | | Helped. | End.", oneLine(result.Messages))
}

// TestHandOffByTheProgram: BeforeTurn names the agent that goes on.
func TestHandOffByTheProgram(t *testing.T) {
	t.Parallel()
	var work, asked []string
	triage, _ := team(llmtest.Script(t, llmtest.Calls("look", stepArgs{1})), llmtest.Script(t, llmtest.Text("Billed.")), &work)
	triage.Handoffs[0].Filter = func(h []llm.Message) []llm.Message { return h[:1] }
	r := runner.Runner{BeforeTurn: func(_ context.Context, info agent.Info) (runner.Change, error) {
		asked = append(asked, fmt.Sprint(info.Turn, info.Agent))
		if info.Turn == 2 {
			return runner.Change{Handoff: "billing"}, nil
		}
		return runner.Change{}, nil
	}}
	result, err := r.Run(t.Context(), triage, llm.User("Go."))
	require.NoError(t, err)
	require.Equal(t, []string{"1triage", "2triage", "2billing"}, asked)
	require.Equal(t, "billing", result.Agent)
	require.Equal(t, "Go. | Billed.", oneLine(result.Messages), "the Filter holds")

	for want, change := range map[string]runner.Change{
		`"shipping", which no hand-off of the agent "triage" reaches`: {Handoff: "shipping"},
		"must have no other fields":                                   {Handoff: "billing", Offer: []string{}},
	} {
		triage, _ := team(llmtest.NewScript(), llmtest.NewScript(), &work)
		r.BeforeTurn = func(context.Context, agent.Info) (runner.Change, error) { return change, nil }
		_, err := r.Run(t.Context(), triage, llm.User("Go."))
		require.ErrorContains(t, err, want)
	}
	r.BeforeTurn = func(_ context.Context, info agent.Info) (runner.Change, error) {
		return runner.Change{Handoff: map[string]string{"triage": "billing", "billing": "triage"}[info.Agent]}, nil
	}
	triage, _ = team(llmtest.NewScript(), llmtest.NewScript(), &work)
	_, err = r.Run(t.Context(), triage, llm.User("Go."))
	require.ErrorAs(t, err, new(*runner.LimitError))

	r.AtLimit = runner.LastAnswer
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // a hand-off without end
	defer cancel()
	triage, _ = team(llmtest.Script(t, llmtest.Text("I answer.")), llmtest.NewScript(), &work)
	result, err = r.Run(ctx, triage, llm.User("Go."))
	require.NoError(t, err)
	require.Equal(t, []any{"I answer.", "triage", 1}, []any{result.Text, result.Agent, result.Turns})
}

// TestHandOffChecksTheInput: the next agent reads a message of the user that no model has
// answered. Its own checks look at the message, also if the first agent has a check with the
// same name.
func TestHandOffChecksTheInput(t *testing.T) {
	t.Parallel()
	for _, filter := range []func([]llm.Message) []llm.Message{nil, func(h []llm.Message) []llm.Message { return h[:1] }} {
		var work, asked []string
		triage, billing := team(llmtest.NewScript(llmtest.Calls(toBilling, nil)), llmtest.Script(t, llmtest.Text("Billed.")), &work)
		input := func(who string) []agent.Check {
			return []agent.Check{{Name: "input", Input: func(context.Context, agent.Subject) (agent.Verdict, error) {
				asked = append(asked, who)
				return agent.Verdict{}, nil
			}}}
		}
		triage.Checks, billing.Checks = input("triage"), input("billing")
		triage.Handoffs[0].Filter = filter
		r := runner.Runner{}
		if filter == nil {
			r.BeforeTurn = func(context.Context, agent.Info) (runner.Change, error) {
				return runner.Change{Handoff: "billing"}, nil
			}
		}
		_, err := r.Run(t.Context(), triage, llm.User("Go."))
		require.NoError(t, err)
		require.Equal(t, []string{"triage", "billing"}, asked)
	}
}

// TestHandOffMisuse: agents that cannot hand over run nothing, and an agent that is gone is
// named.
func TestHandOffMisuse(t *testing.T) {
	t.Parallel()
	var work []string
	for want, change := range map[string]func(a, b *agent.Agent){
		"hand-off 0: it has no Agent":        func(a, _ *agent.Agent) { a.Handoffs[0].Agent = nil },
		"hand over to itself":                func(a, _ *agent.Agent) { a.Handoffs[0].Agent = a },
		`two tools are named "look"`:         func(a, _ *agent.Agent) { a.Handoffs[0].Name = "look" },
		`two agents that are named "triage"`: func(_, b *agent.Agent) { b.Name = "triage" },
		`check "c" has no function`:          func(_, b *agent.Agent) { b.Checks = []agent.Check{{Name: "c"}} },
		"Limits.Handoffs is -2":              func(*agent.Agent, *agent.Agent) {},
	} {
		triage, billing := team(llmtest.NewScript(), llmtest.NewScript(), &work)
		change(triage, billing)
		r := runner.Runner{}
		if strings.HasPrefix(want, "Limits") {
			r.Limits.Handoffs = -2
		}
		_, err := r.Run(t.Context(), triage, llm.User("Go."))
		require.ErrorContains(t, err, want)
	}
	triage, billing := team(llmtest.NewScript(llmtest.Calls(toBilling, nil)), llmtest.NewScript(llmtest.Text("Billed.").Forever()), &work)
	s := runner.Runner{}.Session("s")
	_, err := s.Run(t.Context(), triage, runner.Say(llm.User("Go.")))
	require.NoError(t, err)
	_, err = s.Run(t.Context(), &agent.Agent{Name: "other", Model: llmtest.NewScript()}, runner.Say(llm.User("Go.")))
	require.ErrorContains(t, err, `the conversation was handed over to the agent "billing", which no hand-off of the agent "other" reaches`)
	_, err = s.Run(t.Context(), billing, runner.Say(llm.User("Go."))) // the agent itself
	require.NoError(t, err)
}

// TestHandOffMeetsTheRest: a hand-off beside a call that waits for approval, a check of the
// hand-off, and the checks and the form of the next agent.
func TestHandOffMeetsTheRest(t *testing.T) {
	t.Parallel()
	var work []string
	triage, billing := team(
		llmtest.Script(t, llmtest.Calls(toBilling, nil), llmtest.Calls(toBilling, `{"reason":"please"}`).And(llmtest.Calls("ask", nil))),
		llmtest.Script(t, llmtest.Text("Oslo"), llmtest.Text(oslo), llmtest.Text(oslo)), &work)
	triage.Tools = append(triage.Tools, tool.Must(tool.New("ask", "Asks.", func(context.Context, struct{}) (string, error) { return "asked", nil }, tool.NeedsApproval())))
	triage.Checks = []agent.Check{{Name: "reasons", Call: func(_ context.Context, s agent.Subject) (agent.Verdict, error) {
		if s.Call.Name == toBilling && !strings.Contains(s.Text, "please") {
			return agent.Verdict{Again: "say why"}, nil
		}
		return agent.Verdict{}, nil
	}}}
	n := 0
	billing.Checks = []agent.Check{{Name: "twice", Output: func(context.Context, agent.Subject) (agent.Verdict, error) {
		if n++; n == 2 {
			return agent.Verdict{Again: "once more"}, nil
		}
		return agent.Verdict{}, nil
	}}}
	billing.Output = agent.OutputOf[reading]()
	s := runner.Runner{}.Session("s")
	result, err := s.Run(t.Context(), triage, runner.Say(llm.User("Go.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Equal(t, "triage", result.Agent)
	result, err = s.Run(t.Context(), triage, result.Pending[0].Approve())
	require.NoError(t, err)
	require.Equal(t, "billing", result.Agent)
	require.NotEmpty(t, result.Output)
	require.Equal(t, 3, n)
	requireValid(t, result.Messages)
}

// TestHandOffWithheld: a check withholds the result of a hand-off. Another hand-off of the same
// answer, whose result says that it changed nothing, changes nothing.
func TestHandOffWithheld(t *testing.T) {
	t.Parallel()
	var work []string
	triage, _ := team(llmtest.Script(t, llmtest.Calls(toBilling, nil).And(llmtest.Calls("transfer_to_shipping", nil)), llmtest.Text("I stay.")), llmtest.NewScript(), &work)
	triage.Handoffs = append(triage.Handoffs, agent.Handoff{Agent: &agent.Agent{Name: "shipping", Model: llmtest.NewScript(llmtest.Text("Shipped."))}})
	triage.Checks = []agent.Check{{Name: "no bills", Result: func(_ context.Context, s agent.Subject) (agent.Verdict, error) {
		if s.Call.Name == toBilling {
			return agent.Verdict{Again: "not now"}, nil
		}
		return agent.Verdict{}, nil
	}}}
	result, err := runner.Run(t.Context(), triage, llm.User("Go."))
	require.NoError(t, err)
	require.Equal(t, []any{"I stay.", "triage"}, []any{result.Text, result.Agent})
	require.Nil(t, bodyOf(result.Events, "handed_off", 0))
}
