package llmtest_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/faketb"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

func say(t *testing.T, m *llmtest.Model, messages ...llm.Message) string {
	t.Helper()
	resp, err := m.Generate(t.Context(), &llm.Request{Messages: messages}, nil)
	require.NoError(t, err)
	return resp.Message.Text()
}

// A condition comes before the order, and a step is used once.
func TestWhen(t *testing.T) {
	t.Parallel()
	m := llmtest.Script(t,
		llmtest.Text("1"),
		llmtest.Text("rome 1").When(llmtest.LastUser("rome")),
		llmtest.Text("2"),
		llmtest.Text("rome 2").When(llmtest.LastUser("rome")),
		llmtest.Text("oslo").When(llmtest.LastUser("oslo")).Forever(),
		llmtest.Text("3").Forever(),
		llmtest.Text("second turn in bern").When(llmtest.LastUser("bern")).When(llmtest.Turn(2)))
	var got []string
	for _, text := range []string{"rome", "oslo", "x", "rome", "rome", "oslo", "bern", "y"} {
		got = append(got, say(t, m, llm.User(text)))
	}
	require.Equal(t, []string{"rome 1", "oslo", "1", "rome 2", "2", "oslo", "3", "3"}, got)
	require.Equal(t, "second turn in bern", say(t, m, llm.User("hi"), llm.Assistant("hi"), llm.User("bern")))
	require.Equal(t, "3", say(t, m, llm.User("hi"), llm.Assistant("hi"), llm.User("bern")))
}

func TestConditions(t *testing.T) {
	t.Parallel()
	nameless := called(resultOf("a"), resultOf("b"))
	named := called(result(llm.ToolCall{ID: "a", Name: "f"}, "1"), result(llm.ToolCall{ID: "b", Name: "g"}, "2"))
	spoken := append(called(resultOf("a"), resultOf("b")), llm.Assistant("so"), llm.User("and?"))
	for name, c := range map[string]struct {
		match    func(*llm.Request) bool
		messages []llm.Message
		want     bool
	}{
		"last user":                    {llmtest.LastUser("and?"), spoken, true},
		"first user":                   {llmtest.LastUser("hi"), spoken, false},
		"user before results":          {llmtest.LastUser("hi"), named, true},
		"no user":                      {llmtest.LastUser(""), []llm.Message{llm.System("")}, false},
		"result":                       {llmtest.HasResult("f"), named, true},
		"another result":               {llmtest.HasResult("g"), named, true},
		"result by id":                 {llmtest.HasResult("g"), nameless, true},
		"no result of it":              {llmtest.HasResult("h"), nameless, false},
		"an old result":                {llmtest.HasResult("f"), spoken, false},
		"no result":                    {llmtest.HasResult("f"), []llm.Message{llm.User("hi")}, false},
		"called, but another's result": {llmtest.HasResult("g"), called(result(llm.ToolCall{ID: "b", Name: "x"}, "1")), false},
		"first turn":                   {llmtest.Turn(1), []llm.Message{llm.User("hi"), llm.System("x")}, true},
		"second turn":                  {llmtest.Turn(2), named, true},
		"third turn":                   {llmtest.Turn(3), spoken, true},
		"not the third":                {llmtest.Turn(3), named, false},
	} {
		require.Equal(t, c.want, c.match(&llm.Request{Messages: c.messages}), name)
	}
}

// Concurrent requests that come in no order get each their own.
func TestConditionsUnderConcurrency(t *testing.T) {
	t.Parallel()
	cities := []string{"rome", "oslo", "bern", "wien"}
	var steps []llmtest.Step
	for _, c := range cities {
		steps = append(steps, llmtest.Text("sunny in "+c).When(llmtest.LastUser(c)))
	}
	m := llmtest.Script(t, steps...)
	var group sync.WaitGroup
	got := make([]string, len(cities))
	for i, c := range cities {
		group.Go(func() { got[i] = say(t, m, llm.User(c)) })
	}
	group.Wait()
	require.Equal(t, []string{"sunny in rome", "sunny in oslo", "sunny in bern", "sunny in wien"}, got)
}

func TestConditionsThatAreNotMet(t *testing.T) {
	t.Parallel()
	tb := new(faketb.TB)
	got := tb.Run(func(tb testing.TB) {
		m := llmtest.Script(tb, llmtest.Text("a"), llmtest.Text("b").When(llmtest.LastUser("rome")))
		_, err := m.Generate(t.Context(), ask("oslo"), nil)
		require.NoError(t, err)
		_, err = m.Generate(t.Context(), ask("oslo"), nil)
		require.Error(t, err)
	})
	require.Equal(t, []string{
		"llmtest: request 2 is beyond the script of 2 steps; those left have conditions that it does not meet:\n  step 2: \"b\", on a condition\nit asks:\n  model m\n  user: \"oslo\"",
		"llmtest: 1 of 2 steps not used:\n  step 2: \"b\", on a condition",
	}, got)
}

// TestFor: the answers of two agents in one script, with the instructions as a field or as
// the first message.
func TestFor(t *testing.T) {
	t.Parallel()
	m := llmtest.Script(t, append(llmtest.For(llmtest.Instructed("desk"), llmtest.Text("d1"), llmtest.Text("d2").When(llmtest.LastUser("last"))),
		llmtest.For(llmtest.Instructed("billing"), llmtest.Text("b1"))...)...)
	for _, tt := range []struct {
		want string
		req  llm.Request
	}{
		{"b1", llm.Request{Instructions: "You are billing.", Messages: []llm.Message{llm.User("?")}}},
		{"d1", llm.Request{Instructions: "You are the desk.", Messages: []llm.Message{llm.User("?")}}},
		{"d2", llm.Request{Messages: []llm.Message{llm.System("You are the desk."), llm.User("last")}}},
	} {
		resp, err := m.Generate(t.Context(), &tt.req, func(llm.Delta) {})
		require.NoError(t, err)
		require.Equal(t, tt.want, resp.Message.Text())
	}
}
