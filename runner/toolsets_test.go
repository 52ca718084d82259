package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// plug is a tool that says which version of it ran.
func plug(name, description string) tool.Tool {
	return tool.Must(tool.New(name, description, func(context.Context, struct{}) (string, error) { return name + ": " + description, nil }))
}

// server is a source of tools that changes from one listing to the next; the
// last listing stays.
type server struct {
	listings [][]tool.Tool
	asked    int
}

func (s *server) set(prefix string) tool.Set {
	return tool.Set{Name: "server", Prefix: prefix, List: func(context.Context) ([]tool.Tool, error) {
		i := min(s.asked, len(s.listings)-1)
		s.asked++
		return s.listings[i], nil
	}}
}

// agentWith has the weather and what sets list.
func agentWith(sets ...tool.Set) *agent.Agent {
	a := newAgent(weather())
	a.Toolsets = sets
	return a
}

// offers returns for each turn what was recorded of its tools, and the notices.
func offers(events []event.Event) (recorded [][]event.OfferedTool, notices []string) {
	for _, e := range events {
		switch b := e.Body.(type) {
		case event.TurnPrepared:
			recorded = append(recorded, b.Tools)
		case event.Notice:
			notices = append(notices, b.Text)
		}
	}
	return recorded, notices
}

func offered(tools ...tool.Tool) []event.OfferedTool {
	list := []event.OfferedTool{}
	for _, t := range tools {
		list = append(list, event.OfferedTool{Name: t.Name(), Fingerprint: t.Fingerprint()})
	}
	return list
}

func defs(tools ...tool.Tool) (list []llm.ToolDef) {
	for _, t := range tools {
		list = append(list, t.Def())
	}
	return list
}

// TestToolsetChanges: the tools are listed before each turn, the request has
// those of now, and what changed is recorded and told.
func TestToolsetChanges(t *testing.T) {
	t.Parallel()
	a1, a2, b := plug("a", "one"), plug("a", "two"), plug("b", "one")
	for _, tt := range []struct {
		name     string
		listings [][]tool.Tool
		recorded [][]event.OfferedTool // of the second turn on
		notices  []string
	}{
		{"nothing", [][]tool.Tool{{a1}, {plug("a", "one")}}, [][]event.OfferedTool{nil, nil}, nil},
		{"new", [][]tool.Tool{{a1}, {a1, b}}, [][]event.OfferedTool{offered(weather(), a1, b), nil}, []string{"tool b is new"}},
		{"gone", [][]tool.Tool{{a1, b}, {b}}, [][]event.OfferedTool{offered(weather(), b), nil}, []string{"tool a is gone"}},
		{
			"another definition", [][]tool.Tool{{a1, b}, {a2, b}}, [][]event.OfferedTool{offered(weather(), a2, b), nil},
			[]string{"tool a has another definition than in the turn before"},
		},
		{"another order", [][]tool.Tool{{a1, b}, {b, a1}}, [][]event.OfferedTool{offered(weather(), b, a1), nil}, nil},
		{
			"to and fro", [][]tool.Tool{{a1}, {}, {a1}}, [][]event.OfferedTool{offered(weather()), offered(weather(), a1)},
			[]string{"tool a is gone", "tool a is new"},
		},
		{
			"all at once", [][]tool.Tool{{b, a1}, {plug("z", ""), plug("c", ""), a2}},
			[][]event.OfferedTool{offered(weather(), plug("z", ""), plug("c", ""), a2), nil},
			[]string{"tool z is new", "tool c is new", "tool a has another definition than in the turn before", "tool b is gone"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			call := llmtest.Calls("get_weather", cityArgs{"Oslo"})
			script := llmtest.Script(t, call, call, llmtest.Text("Fine."))
			s := &server{listings: tt.listings}
			events, err := collect(with(script).Stream(t.Context(), agentWith(s.set("")), llm.User("Hi.")))
			require.NoError(t, err)
			require.Equal(t, 3, s.asked)
			recorded, notices := offers(events)
			first := append([]tool.Tool{weather()}, tt.listings[0]...)
			require.Equal(t, append([][]event.OfferedTool{offered(first...)}, tt.recorded...), recorded)
			require.Equal(t, tt.notices, notices)
			for i, req := range script.Requests() {
				now := tt.listings[min(i, len(tt.listings)-1)]
				require.Equal(t, defs(append([]tool.Tool{weather()}, now...)...), req.Tools)
			}
		})
	}
}

// TestNoticesFollowTheirTurn: a notice is seen after the event of the turn that
// it is about.
func TestNoticesFollowTheirTurn(t *testing.T) {
	t.Parallel()
	s := &server{listings: [][]tool.Tool{{plug("a", "")}, {plug("b", "")}}}
	script := llmtest.Script(t, llmtest.Calls("a", nil), llmtest.Text("Fine."))
	events, err := collect(runner.Runner{Model: script, NoStream: true}.Stream(t.Context(), agentWith(s.set("")), llm.User("Hi.")))
	require.NoError(t, err)
	require.Equal(t, []string{
		"run_started", "user_messaged", "turn_prepared", "model_answered", "tool_call_started", "tool_call_finished",
		"turn_prepared", "notice", "notice", "model_answered", "run_finished",
	}, types(events))
}

// TestToolsAllGone: a run can go on without any.
func TestToolsAllGone(t *testing.T) {
	t.Parallel()
	s := &server{listings: [][]tool.Tool{{plug("a", "one")}, {}}}
	a := newAgent()
	a.Toolsets = []tool.Set{s.set("")}
	script := llmtest.Script(t, llmtest.Calls("a", nil), llmtest.Calls("a", nil), llmtest.Text("Fine."))
	store := new(journal.Memory)
	events, err := collect(runner.Runner{Model: script, Journal: store}.Session("s").Stream(t.Context(), a, runner.Say(llm.User("Hi."))))
	require.NoError(t, err)
	recorded, notices := offers(events)
	require.Equal(t, [][]event.OfferedTool{offered(plug("a", "one")), {}, nil}, recorded, "none is not the same as those before")
	require.Equal(t, []string{"tool a is gone"}, notices)
	require.Empty(t, script.Requests()[1].Tools)
	require.Equal(t, []string{"a: one", `There is no tool named "a". No tools are offered: answer without one.`}, results(script.Requests()[2].Messages))

	next, err := collect(runner.Runner{Model: llmtest.Script(t, llmtest.Text("Fine.")), Journal: throughJSON(t, store)}.
		Session("s").Stream(t.Context(), a, runner.Say(llm.User("And now?"))))
	require.NoError(t, err)
	recorded, notices = offers(next)
	require.Equal(t, [][]event.OfferedTool{nil}, recorded)
	require.Empty(t, notices)
}

func throughJSON(t *testing.T, store *journal.Memory) *journal.Memory {
	t.Helper()
	data, err := json.Marshal(store)
	require.NoError(t, err)
	elsewhere := new(journal.Memory)
	require.NoError(t, json.Unmarshal(data, elsewhere))
	return elsewhere
}

// TestToolsChangeBetweenRuns: a session that goes on, here or elsewhere, compares
// with its last turn; another agent's tools are not compared.
func TestToolsChangeBetweenRuns(t *testing.T) {
	t.Parallel()
	for name, carry := range map[string]func(*testing.T, *journal.Memory) *journal.Memory{
		"same process": func(_ *testing.T, m *journal.Memory) *journal.Memory { return m },
		"through JSON": throughJSON,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := func(store *journal.Memory, a *agent.Agent) ([][]event.OfferedTool, []string) {
				r := runner.Runner{Model: llmtest.Script(t, llmtest.Text("Fine.")), Journal: store}
				events, err := collect(r.Session("s").Stream(t.Context(), a, runner.Say(llm.User("Hi."))))
				require.NoError(t, err)
				return offers(events)
			}
			one := func() *agent.Agent { return newAgent(plug("a", "one"), plug("b", "")) }
			store := new(journal.Memory)
			recorded, notices := run(store, one())
			require.Equal(t, [][]event.OfferedTool{offered(plug("a", "one"), plug("b", ""))}, recorded)
			require.Empty(t, notices)

			store = carry(t, store)
			recorded, notices = run(store, one())
			require.Equal(t, [][]event.OfferedTool{nil}, recorded)
			require.Empty(t, notices)

			store = carry(t, store)
			two := newAgent(plug("a", "two"), plug("c", ""))
			recorded, notices = run(store, two)
			require.Equal(t, [][]event.OfferedTool{offered(plug("a", "two"), plug("c", ""))}, recorded)
			require.Equal(t, []string{"tool a has another definition than in the turn before", "tool c is new", "tool b is gone"}, notices)

			store = carry(t, store)
			other := one()
			other.Name = "another"
			recorded, notices = run(store, other)
			require.Equal(t, [][]event.OfferedTool{offered(plug("a", "one"), plug("b", ""))}, recorded)
			require.Empty(t, notices)
		})
	}
}

// TestToolsetErrors end the run in the turn that they are found in, with the
// work so far.
func TestToolsetErrors(t *testing.T) {
	t.Parallel()
	failing := func(turn int) tool.Set {
		asked := 0
		return tool.Set{Name: "shop", List: func(context.Context) ([]tool.Tool, error) {
			if asked++; asked == turn {
				return nil, fmt.Errorf("dial https://ann:s3cret@example.com: %w", errPlanted)
			}
			return []tool.Tool{plug("a", "")}, nil
		}}
	}
	two := &server{listings: [][]tool.Tool{{plug("a", "")}, {plug("get_weather", "")}}}
	const dial = `toolset "shop": dial https://ann:s3cret@example.com: planted`
	for _, tt := range []struct {
		name string
		sets []tool.Set
		turn int
		want string
	}{
		{"at once", []tool.Set{failing(1)}, 1, "turn 1: " + dial},
		{"later", []tool.Set{failing(2)}, 2, "turn 2: " + dial},
		{"no List", []tool.Set{{Name: "shop"}}, 1, `turn 1: toolset "shop": has no List`},
		{"a name of Tools", []tool.Set{two.set("")}, 2, `turn 2: agent "assistant": two tools are named "get_weather"`},
		{
			"a name of another set", []tool.Set{(&server{listings: two.listings[:1]}).set(""), (&server{listings: two.listings[:1]}).set("")}, 1,
			`turn 1: agent "assistant": two tools are named "a"`,
		},
		{
			"a name by a prefix", []tool.Set{(&server{listings: [][]tool.Tool{{plug("weather", "")}}}).set("get_")}, 1,
			`turn 1: agent "assistant": two tools are named "get_weather"`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var steps []llmtest.Step
			if tt.turn == 2 {
				steps = append(steps, llmtest.Calls("get_weather", cityArgs{"Oslo"}))
			}
			s := with(llmtest.Script(t, steps...)).Session("s")
			events, err := collect(s.Stream(t.Context(), agentWith(tt.sets...), runner.Say(llm.User("Hi."))))
			require.EqualError(t, err, tt.want)
			require.Equal(t, errors.Is(err, errPlanted), tt.sets[0].Name == "shop" && tt.sets[0].List != nil)
			failed := bodyOf(events, "run_failed", 0).(event.RunFailed)
			require.NotContains(t, failed.Error, "s3cret")
			require.Contains(t, failed.Error, "turn ")
			require.Equal(t, tt.turn-1, failed.Turns)
			messages, err := s.Messages(t.Context())
			require.NoError(t, err)
			require.Len(t, messages, 1+2*(tt.turn-1))
		})
	}
}

// TestPrefixesKeepSetsApart: two servers with the same tools.
func TestPrefixesKeepSetsApart(t *testing.T) {
	t.Parallel()
	one, two := &server{listings: [][]tool.Tool{{plug("a", "one")}}}, &server{listings: [][]tool.Tool{{plug("a", "two")}}}
	script := llmtest.Script(t, llmtest.Calls("one_a", nil).And(llmtest.Calls("two_a", nil)), llmtest.Text("Fine."))
	result, err := with(script).Run(t.Context(), agentWith(one.set("one_"), two.set("two_")), llm.User("Hi."))
	require.NoError(t, err)
	require.Equal(t, []string{"a: one", "a: two"}, results(result.Messages))
}

// TestToolsetIsOfTheTurn: a call goes to the tool of the turn in which it was
// offered; the caller's slices may change during the run.
func TestToolsetIsOfTheTurn(t *testing.T) {
	t.Parallel()
	s := &server{listings: [][]tool.Tool{{plug("a", "one")}, {plug("a", "two")}, {}}}
	script := llmtest.Script(t, llmtest.Calls("a", nil), llmtest.Calls("a", nil), llmtest.Text("Fine."))
	a := agentWith(s.set(""))
	a.Tools = append(make([]tool.Tool, 0, 9), a.Tools...)
	seen := 0
	for e, err := range with(script).Stream(t.Context(), a, llm.User("Hi.")) {
		require.NoError(t, err)
		if e.Type() == "run_started" {
			a.Toolsets[0], a.Tools[0] = tool.Set{}, tool.Tool{}
		}
		if b, ok := e.Body.(event.ToolCallFinished); ok {
			seen++
			require.Equal(t, map[int]string{1: "a: one", 2: "a: two"}[seen], b.Result.Text())
		}
	}
	require.Equal(t, 2, seen)
	require.Equal(t, tool.Tool{}, a.Tools[:9][1], "nothing was written behind the caller's slice")
}

// TestUncheckedToolIsTold: once in a conversation, while its definition stays.
func TestUncheckedToolIsTold(t *testing.T) {
	t.Parallel()
	raw := func(ref string) tool.Tool {
		return tool.Must(tool.NewRaw("raw", "", json.RawMessage(`{"properties":{"a":{"$ref":"#/$defs/`+ref+`"},"b":{"description":"`+ref+`"}}}`),
			func(_ context.Context, args json.RawMessage) (json.RawMessage, error) { return args, nil }, tool.AllowUnchecked()))
	}
	s := &server{listings: [][]tool.Tool{{raw("gone")}, {raw("gone")}, {raw("gone")}, {raw("gone")}, {raw("lost")}}}
	call := llmtest.Calls("raw", `{"a":[1],"b":2}`)
	session := with(llmtest.Script(t, call, call, llmtest.Text("Fine."), call, llmtest.Text("Fine."))).Session("s")
	told := func() []string {
		events, err := collect(session.Stream(t.Context(), agentWith(s.set("")), runner.Say(llm.User("Hi."))))
		require.NoError(t, err)
		require.Equal(t, `{"a":[1],"b":2}`, bodyOf(events, "tool_call_finished", 0).(event.ToolCallFinished).Result.Text())
		_, notices := offers(events)
		return notices
	}
	first := told()
	require.Len(t, first, 1)
	require.Equal(t, "the arguments of tool raw are not checked: "+raw("gone").Unchecked().Error(), first[0])
	second := told()
	require.Equal(t, []string{
		"the arguments of tool raw are not checked: " + raw("lost").Unchecked().Error(),
		"tool raw has another definition than in the turn before",
	}, second)
}

// TestSchemaRepairsAreTold: once in a conversation.
func TestSchemaRepairsAreTold(t *testing.T) {
	t.Parallel()
	mended := tool.Must(tool.NewRaw("raw", "", json.RawMessage(`{"properties":{"n":{"type":"int"},"required":["n"]}}`),
		func(_ context.Context, args json.RawMessage) (json.RawMessage, error) { return args, nil }))
	script := llmtest.Script(t, llmtest.Calls("raw", `{"n":1}`), llmtest.Text("Fine."))
	events, err := collect(with(script).Session("s").Stream(t.Context(), newAgent(mended), runner.Say(llm.User("Hi."))))
	require.NoError(t, err)
	_, notices := offers(events)
	require.Equal(t, []string{`the schema of tool raw was repaired: "required" among the properties is read as the keyword of the object; /properties/n: type "int" is read as "integer"`}, notices)
}

// TestRepairsAreTold: what was mended of arguments stands beside those that ran.
func TestRepairsAreTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, written, ran string
		repairs            int
	}{
		{"nothing to mend", `{"name": "a", "seconds": 0}`, `{"name":"a","seconds":0}`, 0},
		{"number in a string", `{"name":"a","seconds":"0"}`, `{"name":"a","seconds":0}`, 1},
		{"fence, and twice encoded", "```json\n\"{\\\"name\\\":\\\"a\\\",\\\"seconds\\\":\\\"0\\\"}\"\n```", `{"name":"a","seconds":0}`, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			script := llmtest.Script(t, llmtest.Calls("wait", tt.written), llmtest.Text("Fine."))
			store := new(journal.Memory)
			events, err := collect(runner.Runner{Model: script, Journal: store}.Session("s").Stream(t.Context(), newAgent(waiter()), runner.Say(llm.User("Hi."))))
			require.NoError(t, err)
			_, repairs, err := waiter().Parse(tt.written)
			require.NoError(t, err)
			require.Len(t, repairs, tt.repairs)
			want := event.ToolCallStarted{Call: "r1.t1.c0", ID: "call_1", Name: "wait", Arguments: tt.ran, Repairs: repairs}
			require.Equal(t, want, bodyOf(events, "tool_call_started", 0))
			require.Equal(t, want, bodyOf(eventsOf(t, throughJSON(t, store)), "tool_call_started", 0))
		})
	}
}
