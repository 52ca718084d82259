package runner_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// deferred is a set of tools that the model must find.
func deferred(tools ...tool.Tool) tool.Set {
	return tool.Set{Name: "office", Deferred: true, List: func(context.Context) ([]tool.Tool, error) { return tools, nil }}
}

var (
	searchFor = func(query string) llmtest.Step {
		return llmtest.Calls("search_tools", map[string]string{"query": query})
	}
	office = func() []tool.Tool {
		return []tool.Tool{
			repeatable("create_invoice", "Creates an invoice."), repeatable("list_orders", "Lists orders."), repeatable("send_mail", "Sends a mail."),
			repeatable("pay", "Pays an amount."),
		}
	}
)

// repeatable is a tool that may run again after a crash.
func repeatable(name, description string) tool.Tool {
	return tool.Must(tool.New(name, description, func(context.Context, struct{}) (string, error) { return name, nil }, tool.Idempotent()))
}

// toolNames returns the names of the tools of each request.
func toolNames(requests []llm.Request) (names []string) {
	for _, req := range requests {
		var list []string
		for _, d := range req.Tools {
			list = append(list, d.Name)
		}
		names = append(names, strings.Join(list, " "))
	}
	return names
}

// discovery is a conversation that finds two tools and calls them.
func discovery() []llmtest.Step {
	none := map[string]any{}
	return []llmtest.Step{
		searchFor("mails").When(llmtest.Turn(1)).Forever(),
		llmtest.Calls("send_mail", none).And(searchFor("new invoice")).When(llmtest.Turn(2)).Forever(),
		llmtest.Calls("create_invoice", none).And(llmtest.Calls("send_mail", none)).When(llmtest.Turn(3)).Forever(),
		llmtest.Text("Both are done.").When(llmtest.Turn(4)).Forever(),
	}
}

var discovered = []string{
	"get_weather search_tools",
	"get_weather search_tools send_mail",
	"get_weather search_tools send_mail create_invoice",
	"get_weather search_tools send_mail create_invoice",
}

// TestDiscovery: what a search found is offered from the next turn on, on both wires,
// streaming or not, with a crash behind each event, and nobody is told that a tool is new.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	for _, wire := range []openai.API{openai.APIChat, openai.APIResponses} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/%v", wire, stream), func(t *testing.T) {
				t.Parallel()
				want, wantMessages := discover(t, wire, stream, nil, 0)
				require.Greater(t, len(want), 15)
				for cut := 2; cut < len(want)-1; cut++ { // the answer and the end of the run are one append
					events, messages := discover(t, wire, stream, want[:cut], cut)
					require.Equal(t, results(wantMessages), results(messages), "crash behind %d events", cut)
					require.Equal(t, offeredIn(want), offeredIn(events), "crash behind %d events", cut)
				}
			})
		}
	}
}

// discover runs the conversation, or continues it behind the events.
func discover(t *testing.T, wire openai.API, stream bool, before []event.Event, cut int) ([]event.Event, []llm.Message) {
	t.Helper()
	script := llmtest.NewScript(discovery()...)
	a := agentWith(deferred(office()...))
	a.Model = openai.Config{HTTPClient: script.Client(), Key: "k", API: wire}.Model("m")
	memory := new(journal.Memory)
	in := []runner.Input{runner.Say(llm.User("Send a mail and an invoice."))}
	answered := 0
	if before != nil {
		log, err := memory.Open(t.Context(), "s")
		require.NoError(t, err)
		require.NoError(t, log.Append(t.Context(), true, before...))
		require.NoError(t, log.Close())
		in = nil
		for _, e := range before {
			if _, ok := e.Body.(event.ModelAnswered); ok {
				answered++
			}
		}
	}
	s := runner.Runner{Journal: memory, NoStream: !stream}.Session("s")
	for e, err := range s.Stream(t.Context(), a, in...) {
		require.NoError(t, err, "crash behind %d events", cut)
		require.NotEqual(t, "notice", e.Type(), "%v", e.Body)
	}
	require.Equal(t, discovered[answered:], toolNames(script.Requests()), "crash behind %d events", cut)
	messages, err := s.Messages(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Both are done.", messages[len(messages)-1].Text())
	return eventsOf(t, memory), messages
}

// offeredIn returns the tools of the last turn by the events.
func offeredIn(events []event.Event) (tools []event.OfferedTool) {
	recorded, _ := offers(events)
	for _, r := range recorded {
		if r != nil {
			tools = r
		}
	}
	return tools
}

// TestDiscoveryInLaterRuns: a later run and a later process offer what was found, in the
// same order, and tell of what changed.
func TestDiscoveryInLaterRuns(t *testing.T) {
	t.Parallel()
	memory := new(journal.Memory)
	say := func(set tool.Set, steps ...llmtest.Step) (offer string, notices []string) {
		script := llmtest.Script(t, steps...)
		a := agentWith(set)
		a.Model = script
		events, err := collect(runner.Runner{Journal: memory}.Session("s").Stream(t.Context(), a, runner.Say(llm.User("Go on."))))
		require.NoError(t, err)
		_, notices = offers(events)
		names := toolNames(script.Requests())
		return names[len(names)-1], notices
	}
	fine := llmtest.Text("Fine.")
	offer, notices := say(deferred(office()...), searchFor("orders"), searchFor("pay"), searchFor("rocket"), fine)
	require.Equal(t, "get_weather search_tools list_orders pay", offer)
	require.Empty(t, notices)

	moved := office()
	moved[1], moved[3] = moved[3], moved[1]
	offer, notices = say(deferred(moved...), fine)
	require.Equal(t, "get_weather search_tools list_orders pay", offer)
	require.Empty(t, notices)

	changed := append(office()[:3], plug("pay", "Pays twice."))
	_, notices = say(deferred(changed...), fine)
	require.Equal(t, []string{"tool pay has another definition than in the turn before"}, notices)

	down := deferred()
	down.Optional, down.List = true, func(context.Context) ([]tool.Tool, error) { return nil, errors.New("no network") }
	offer, notices = say(down, searchFor("pay"), fine)
	require.Equal(t, "get_weather search_tools", offer)
	require.Equal(t, []string{`toolset "office": no network`, "tool list_orders is gone", "tool pay is gone"}, notices)

	offer, notices = say(deferred(office()...), fine)
	require.Equal(t, "get_weather search_tools list_orders pay", offer, "after an outage")
	require.Empty(t, notices)

	offer, notices = say(tool.Set{Name: "office", List: deferred(office()...).List}, fine)
	require.Equal(t, "get_weather create_invoice list_orders send_mail pay", offer, "no longer deferred")
	require.Equal(t, []string{"tool create_invoice is new", "tool send_mail is new", "tool search_tools is gone"}, notices)
}

// TestDiscoveryApproval: a tool that was found waits for approval in a later process.
func TestDiscoveryApproval(t *testing.T) {
	t.Parallel()
	paid := 0
	pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) {
		paid++
		return "paid", nil
	}, tool.NeedsApproval()))
	memory := new(journal.Memory)
	a := agentWith(deferred(pay))
	script := llmtest.Script(t, searchFor("pay"), llmtest.Calls("pay", nil), llmtest.Text("Paid."))
	a.Model = script
	result, err := runner.Runner{Journal: memory}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Pay.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	result, err = runner.Runner{Journal: memory}.Session("s").Run(t.Context(), a, result.Pending[0].Approve())
	require.NoError(t, err)
	require.Equal(t, "Paid.", result.Text)
	require.Equal(t, 1, paid)
}

func TestDiscoveryMistakes(t *testing.T) {
	t.Parallel()
	script := llmtest.Script(t,
		llmtest.Calls("pay", nil), llmtest.Calls("search_tools", map[string]string{"query": ""}), llmtest.Calls("fly", nil).And(searchFor("fly")),
		llmtest.Text("No."))
	a := agentWith(deferred(office()...))
	a.Model = script
	result, err := runner.Run(t.Context(), a, llm.User("Pay."))
	require.NoError(t, err)
	texts := results(result.Messages)
	require.Equal(t, "The tool pay is not offered yet. Find it with search_tools, then call it.", texts[0])
	require.Contains(t, texts[1], "/query")
	require.Contains(t, texts[2], "The tools are: get_weather, search_tools.")
	require.JSONEq(t, `{"tools":[],"note":"No tool has these words. Search with other words."}`, texts[3])

	own := plug("search_tools", "Mine.")
	a.Tools = append(a.Tools, own)
	_, err = runner.Run(t.Context(), a, llm.User("Pay."))
	require.EqualError(t, err, `turn 1: agent "assistant": two tools are named "search_tools"`)

	other := tool.Set{Name: "other", Optional: true, List: func(context.Context) ([]tool.Tool, error) { return []tool.Tool{own}, nil }}
	a = agentWith(deferred(office()...), other)
	a.Model = llmtest.Script(t, llmtest.Text("Fine."))
	events, err := collect(runner.Stream(t.Context(), a, llm.User("Hi.")))
	require.NoError(t, err)
	_, notices := offers(events)
	require.Equal(t, []string{`toolset "other": tool "search_tools" is left out, as another one has its name`}, notices)
}

// TestTwoDeferredSets: one search for all deferred sets of the agent, and their names.
func TestTwoDeferredSets(t *testing.T) {
	t.Parallel()
	script := llmtest.Script(t, searchFor("invoice"), llmtest.Text("Fine."))
	mail := deferred(plug("read_mail", "Reads a mail about an invoice."))
	mail.Name, mail.Prefix = "mail", "mail__"
	a := &agent.Agent{Model: script, Toolsets: []tool.Set{deferred(office()...), mail}}
	_, err := runner.Run(t.Context(), a, llm.User("Hi."))
	require.NoError(t, err)
	require.Equal(t, []string{"search_tools", "search_tools create_invoice mail__read_mail"}, toolNames(script.Requests()))
	require.Contains(t, script.Requests()[0].Tools[0].Description, "belong to: office, mail.")
}

// TestFoundBeforeACompaction: a tool stays found although a compaction has removed the search
// and the set was down for a turn, also in a process that knows only the journal.
func TestFoundBeforeACompaction(t *testing.T) {
	t.Parallel()
	down := false
	set := deferred(office()...)
	list := set.List
	set.Optional, set.List = true, func(ctx context.Context) ([]tool.Tool, error) {
		if down {
			return nil, errors.New("no network")
		}
		return list(ctx)
	}
	store := new(journal.Memory)
	say := func(policy *compact.Policy, steps ...llmtest.Step) string {
		script := llmtest.Script(t, steps...)
		r := runner.Runner{Journal: store, Model: script, Compact: policy}
		_, err := r.Session("s").Run(t.Context(), agentWith(set), runner.Say(llm.User("Hi.")))
		require.NoError(t, err)
		names := toolNames(script.Requests())
		return names[len(names)-1]
	}
	fine := llmtest.Text("Fine.")
	require.Equal(t, "get_weather search_tools pay", say(nil, searchFor("pay"), fine))
	require.Equal(t, "get_weather search_tools pay", say(&compact.Policy{Tokens: 1, Strategy: compact.DropTurns(1)}, fine))
	down = true
	require.Equal(t, "get_weather search_tools", say(nil, fine))
	down = false
	require.Equal(t, "get_weather search_tools pay", say(nil, fine))
}

// TestOfferOfADeferredTool: a tool that BeforeTurn names is found, from then on.
func TestOfferOfADeferredTool(t *testing.T) {
	t.Parallel()
	script := llmtest.Script(t, llmtest.Calls("pay", nil), llmtest.Text("Paid."))
	r := runner.Runner{Model: script, BeforeTurn: func(_ context.Context, i agent.Info) (runner.Change, error) {
		if i.Turn == 1 {
			return runner.Change{Offer: []string{"pay"}}, nil
		}
		return runner.Change{}, nil
	}}
	result, err := r.Run(t.Context(), agentWith(deferred(office()...)), llm.User("Pay."))
	require.NoError(t, err)
	require.False(t, result.Messages[2].Results()[0].IsError)
	require.Equal(t, []string{"pay", "get_weather search_tools pay"}, toolNames(script.Requests()))
}
