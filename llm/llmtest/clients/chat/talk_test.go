package chat_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest/clients/internal/node"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type payArgs struct {
	Order string `json:"order"`
}

// A seat is how the chat gets its sessions: of a Runner, or of another engine.
type seat struct {
	process   *node.Process
	elsewhere bool
}

// seats returns all seats.
func seats(p *node.Process) []seat { return []seat{{p, false}, {p, true}} }

// talk lets a client talk to a server with a scripted agent.
func (s seat) talk(t *testing.T, client, name string, steps ...llmtest.Step) map[string]any {
	t.Helper()
	script := llmtest.Script(t, steps...)
	script.Delay = 20 * time.Millisecond
	pay := tool.Must(tool.New("pay", "Pays an order.", func(_ context.Context, in payArgs) (string, error) {
		return "Paid " + in.Order + ".", nil
	}, tool.NeedsApproval()))
	look := tool.Must(tool.New("look", "Looks.", func(context.Context, payArgs) (string, error) { return "It was sent.", nil }))
	where := tool.Must(tool.External[struct{}, any]("where", "Where the visitor is."))
	config := serve.Config{
		FrontEnd: []string{"where"},
		Agent: &agent.Agent{Model: script, Tools: []tool.Tool{pay, where}, Helpers: []agent.Helper{
			{Name: "ask_clerk", Description: "Looks.", Agent: &agent.Agent{Name: "clerk", Tools: []tool.Tool{look}}},
		}},
		Logger:  slog.New(slog.DiscardHandler),
		Session: func(_ *http.Request, id string) (string, error) { return id, nil },
	}
	var e engine
	if s.elsewhere {
		config.Open, config.Reader = e.open, &e.store
	}
	chat, err := config.Chat()
	require.NoError(t, err)
	e.live = chat.Live
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.Handle("/ui", chat.UIStream())
	mux.Handle("/ui/", chat.UIStream())
	mux.Handle("/ag", chat.AGUI())
	mux.Handle("/ag/", chat.AGUI())
	mux.HandleFunc("/break", func(http.ResponseWriter, *http.Request) { server.CloseClientConnections() })
	var answer map[string]any
	s.process.Ask(t, map[string]string{"client": client, "talk": name, "url": server.URL}, &answer)
	require.NoError(t, chat.Shutdown(t.Context()))
	require.NotContains(t, answer, "error")
	return answer
}

const count = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"

func both() llmtest.Step {
	return llmtest.Calls("pay", payArgs{"W1"}).And(llmtest.Calls("pay", payArgs{"W2"}))
}

func helped() []llmtest.Step {
	return []llmtest.Step{
		llmtest.Calls("ask_clerk", map[string]string{"task": "Look for W1."}), llmtest.Text("I look.").And(llmtest.Calls("look", payArgs{"W1"})),
		llmtest.Text("Sent."), llmtest.Text("It was sent on Monday."),
	}
}

type (
	list   = []any
	object = map[string]any
)

// TestAISDK: pages of the AI SDK talk to the handler.
func TestAISDK(t *testing.T) {
	t.Parallel()
	for _, s := range seats(packages.Start(t, "talk.mjs")) {
		for _, client := range []string{"ui6", "ui7"} {
			s.aisdk(t, client)
		}
	}
}

func (s seat) aisdk(t *testing.T, client string) {
	t.Helper()
	two := list{"user", "assistant"}
	require.Equal(t, object{"status": "ready", "errors": list{}, "roles": two, "ids": list{"m1"}, "text": "Hello, Ada.", "calls": list{}},
		s.talk(t, client, "say", llmtest.Text("Hello, Ada.")))
	require.Equal(t, object{
		"status": "ready", "errors": list{}, "roles": two, "ids": list{"m1"}, "text": "One is paid.",
		"calls": list{"pay: output-available", "pay: output-denied"},
	}, s.talk(t, client, "approve", both(), llmtest.Text("One is paid.")))
	require.Equal(t, object{
		"active": false, "status": "ready", "errors": list{}, "roles": two, "ids": list{"m1"}, "text": "Both are paid.",
		"calls": list{"pay: output-available", "pay: output-available"},
	}, s.talk(t, client, "approveLater", both(), llmtest.Text("Both are paid.")))

	require.Equal(t, object{
		"status": "ready", "errors": list{}, "roles": two, "ids": list{"m1"}, "text": "In Lisbon.", "calls": list{"where: output-available"},
	}, s.talk(t, client, "frontEnd", llmtest.Calls("where", nil), llmtest.Text("In Lisbon.")))

	require.Equal(t, object{
		"told":   list{object{"toolCallId": "r1.t1.c0", "agent": "clerk", "text": "I look."}, object{"toolCallId": "r1.t1.c0", "agent": "clerk", "text": "Sent."}},
		"status": "ready", "errors": list{}, "roles": two, "text": "It was sent on Monday.", "ids": list{"r1.t1.c0", "r1.t1.c0/r1.t1.c0"},
		"calls": list{"ask_clerk: output-available", "look: output-available"},
	}, s.talk(t, client, "helper", helped()...))

	tab := object{"status": "ready", "errors": list{}, "roles": two, "ids": list{"m1"}, "text": count, "calls": list{}}
	require.Equal(t, object{"active": true, "tabs": list{tab, tab}}, s.talk(t, client, "reload", llmtest.Text(count)))
	broken := s.talk(t, client, "broken", llmtest.Text(count))
	require.Equal(t, "error", broken["broken"])
	require.Equal(t, list{broken["status"], broken["text"], broken["roles"]}, list{"ready", count, two})
	stopped := s.talk(t, client, "stop", llmtest.Text(count))
	require.Equal(t, list{stopped["stopped"], stopped["status"], stopped["active"]}, list{204.0, "ready", false})
	require.Less(t, len(stopped["text"].(string)), len(count))
	busy := s.talk(t, client, "busy", llmtest.Text(count))
	require.Equal(t, list{"The conversation is being answered. Send the message when the answer is there.\n"}, busy["second"])
	require.Equal(t, list{busy["secondStatus"], busy["status"], busy["text"]}, list{"error", "ready", count})
}

// TestAGUI: HttpAgent talks to the handler.
func TestAGUI(t *testing.T) {
	t.Parallel()
	for _, s := range seats(packages.Start(t, "talk.mjs")) {
		s.agui(t)
	}
}

func (s seat) agui(t *testing.T) {
	t.Helper()
	require.Equal(t, object{"last": "RUN_FINISHED success", "faults": list{}, "messages": list{"user: Hello.", "assistant: Hello, Ada."}},
		s.talk(t, "ag", "say", llmtest.Text("Hello, Ada.")))
	calls := `assistant: pay{"order":"W1"} pay{"order":"W2"}`
	require.Equal(t, object{
		"first": "RUN_FINISHED interrupt", "last": "RUN_FINISHED success", "faults": list{}, "messages": list{
			"user: Pay both.", calls,
			"tool: The call was denied. It did not run. Do not repeat it: go on without it, or ask the user.",
			"tool: [A person changed the arguments before the call ran: {\"order\":\"W9\"}]\nPaid W9.", "assistant: One is paid.",
		},
	}, s.talk(t, "ag", "approve", both(), llmtest.Text("One is paid.")))
	later := s.talk(t, "ag", "approveLater", both(), llmtest.Text("Both are paid."))
	require.ElementsMatch(t, list{"user: Pay both.", calls, "tool: Paid W1.", "tool: Paid W2.", "assistant: Both are paid."}, later["messages"]) // the results in any order
	delete(later, "messages")
	require.Equal(t, object{"first": "RUN_FINISHED interrupt", "last": "RUN_FINISHED success", "faults": list{}}, later)
	require.Equal(t, object{
		"last": "RUN_FINISHED success", "fresh": "RUN_FINISHED success", "same": true, "faults": list{}, "messages": list{"user: Count.", "assistant: " + count},
	}, s.talk(t, "ag", "reload", llmtest.Text(count)))
	require.Equal(t, object{
		"helpers": list{"started clerk for r1.t1.c0", "finished r1.t1.c0 success"},
		"owned":   list{"r1.t1.c0 assistant: I look.look", "r1.t1.c0 tool: It was sent.", "r1.t1.c0 assistant: Sent."},
		"same":    true, "faults": list{},
	}, s.talk(t, "ag", "helper", helped()...))
	require.Equal(t, object{"last": "RUN_FINISHED cancelled", "faults": list{}}, s.talk(t, "ag", "stop", llmtest.Text(count)))
}
