package otel_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
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

// chief is an agent with a helper that looks something up.
func chief(looked *int) *agent.Agent {
	look := tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { *looked++; return "seen", nil }, tool.Idempotent()))
	answers := func(steps ...llmtest.Step) llm.Model { // by the length of the history, so any process can go on
		return llm.ModelFunc(func(ctx context.Context, req *llm.Request, _ func(llm.Delta)) (*llm.Response, error) {
			return steps[len(req.Messages)/2].Response()
		})
	}
	writer := &agent.Agent{Name: "writer", Tools: []tool.Tool{look}, Model: answers(llmtest.Calls("look", nil), llmtest.Text("Written."))}
	return &agent.Agent{
		Name: "chief", Model: answers(llmtest.Calls("ask_writer", map[string]string{"task": "Write."}), llmtest.Text("Done.")),
		Helpers: []agent.Helper{{Name: "ask_writer", Description: "Writes.", Agent: writer}},
	}
}

// TestHelper: the run of a helper is a tree inside of its call.
func TestHelper(t *testing.T) {
	t.Parallel()
	c, b, flush := telemetry(t)
	_, err := runner.Runner{Around: c.Around(), Logger: quiet()}.Run(t.Context(), chief(new(int)), llm.User("Go."))
	require.NoError(t, err)
	flush()
	require.Equal(t, []string{
		"invoke_agent chief internal", "  chat client", "  execute_tool ask_writer internal",
		"    invoke_agent writer internal", "      chat client", "      execute_tool look internal", "      chat client",
		"  chat client",
	}, b.tree())
}

// TestCrash: a crash after any event, and the rest of the run in another process, with a
// link to the begin: what ended before is not reported again.
func TestCrash(t *testing.T) {
	t.Parallel()
	whole := new(journal.Memory)
	runner.Runner{Journal: whole, Logger: quiet()}.Session("s").Run(t.Context(), chief(new(int)), runner.Say(llm.User("Go.")))
	events := stored(t, whole)
	require.Greater(t, len(events), 12)
	for n := 2; n < len(events); n++ {
		t.Run(fmt.Sprint(n, " ", events[n-1].Type()), func(t *testing.T) {
			t.Parallel()
			c, b, flush := telemetry(t)
			// The process that dies has begun the run with a span that never ends.
			begin := append([]event.Event(nil), events[:n]...)
			const parent = "00-0102030405060708090a0b0c0d0e0f10-0102030405060708-01"
			started := begin[0].Body.(event.RunStarted)
			started.Trace = parent
			begin[0].Body = started
			looked := 0
			_, err := runner.Runner{Journal: filled(t, begin), Around: c.Around(), Logger: quiet()}.Session("s").Run(t.Context(), chief(&looked))
			require.NoError(t, err)
			flush()
			chats, looks := 0, 0
			for _, line := range b.tree() {
				switch line = strings.TrimSpace(line); {
				case strings.HasPrefix(line, "chat"):
					chats++
				case strings.HasPrefix(line, "execute_tool look"):
					looks++
				}
			}
			answered := 0
			for _, e := range begin {
				if _, ok := e.Body.(event.ModelAnswered); ok {
					answered++
				}
			}
			require.Equal(t, 4-answered, chats)
			require.Equal(t, looked, looks)
			root := b.span(t, "invoke_agent chief")
			require.Equal(t, true, attributes(root.GetAttributes())["toolloop.run.resumed"])
			require.Len(t, root.GetLinks(), 1)
			require.Equal(t, parent, fmt.Sprintf("00-%x-%x-01", root.GetLinks()[0].GetTraceId(), root.GetLinks()[0].GetSpanId()))
		})
	}
}

// stored returns the events of the session s.
func stored(t *testing.T, m *journal.Memory) (events []event.Event) {
	t.Helper()
	data, err := json.Marshal(m)
	require.NoError(t, err)
	var all map[string][]event.Event
	require.NoError(t, json.Unmarshal(data, &all))
	return all["s"]
}

func filled(t *testing.T, events []event.Event) *journal.Memory {
	t.Helper()
	data, err := json.Marshal(map[string][]event.Event{"s": events})
	require.NoError(t, err)
	m := new(journal.Memory)
	require.NoError(t, json.Unmarshal(data, m))
	return m
}
