package demo_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/examples/internal/demo"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

func model(t *testing.T) llm.Model {
	t.Helper()
	server, err := demo.Serve()
	require.NoError(t, err)
	t.Cleanup(server.Close)
	return openai.Config{BaseURL: server.BaseURL}.Model(demo.Model)
}

// returns makes a tool that returns the same to whatever fits its arguments.
func returns[In, Out any](name, description string, out Out) tool.Tool {
	return tool.Must(tool.New(name, description, func(context.Context, In) (Out, error) { return out, nil }))
}

type (
	order struct {
		ID string `json:"order_id"`
	}
	trip struct {
		From string `json:"from"`
		To   string `json:"to"`
		Days int    `json:"days,omitempty"`
	}
	sum struct {
		Numbers []float64 `json:"numbers"`
	}
	pair struct {
		A float64 `json:"a"`
		B float64 `json:"b"`
	}
	search struct {
		Query string `json:"query"`
		Limit int    `json:"limit" jsonschema:"minimum=3"`
	}
	paint struct {
		Color  string `json:"color" jsonschema:"enum=red,enum=blue"`
		Finish string `json:"finish,omitempty" jsonschema:"enum=matt,enum=gloss"`
		Coats  int    `json:"coats" jsonschema:"default=2"`
		Sealed bool   `json:"sealed"`
		Room   struct {
			Name string `json:"name"`
		} `json:"room"`
	}
	none struct{}
)

// TestCalls: whatever tools a program offers, the provider finds arguments for them.
func TestCalls(t *testing.T) {
	t.Parallel()
	m := model(t)
	find := returns[order]("find_order", "Finds an order.", map[string]any{"order_id": "A-1", "customer_id": 77})
	mail := returns[struct {
		ID int `json:"customer_id"`
	}]("mail_customer", "Writes to a customer.", "sent")
	for _, tt := range []struct {
		name, question string
		tools          []tool.Tool
		want           []string
	}{
		{"an id", "Where is order A-1042?", []tool.Tool{find}, []string{`find_order {"order_id":"A-1042"}`}},
		{"the only tool", "Where is A-1042?", []tool.Tool{find}, []string{`find_order {"order_id":"A-1042"}`}},
		{"not the only tool", "Where is A-1042?", []tool.Tool{find, mail}, nil},
		{"nothing to go by", "Hello.", []tool.Tool{find}, nil},
		{"one after the other", "Find order 7 and write to the customer.", []tool.Tool{mail, find},
			[]string{`mail_customer {"customer_id":7}`, `find_order {"order_id":"7"}`}},
		{"with what another said", "Find order B-7 and write to the customer.", []tool.Tool{mail, find},
			[]string{`find_order {"order_id":"B-7"}`, `mail_customer {"customer_id":77}`}},
		{"two of a kind", "Book trips from New York to Lisbon.", []tool.Tool{returns[trip]("book_trip", "", "ok")}, []string{`book_trip {"from":"New York","to":"Lisbon"}`}},
		{"more calls", `Find the orders "x y" and "z".`, []tool.Tool{find}, []string{`find_order {"order_id":"x y"}`, `find_order {"order_id":"z"}`}},
		{"numbers", "Add 2 and -3.5", []tool.Tool{returns[pair]("add", "", 1)}, []string{`add {"a":2,"b":-3.5}`}},
		{"a list", "What is the sum of 1, 2 and 3?", []tool.Tool{returns[sum]("sum", "", 6)}, []string{`sum {"numbers":[1,2,3]}`}},
		{"made up", "Search the web for cats & dogs.", []tool.Tool{returns[search]("search", "", "")}, []string{`search {"query":"cats & dogs","limit":3}`}},
		{"all kinds", "Paint it gloss blue!", []tool.Tool{returns[paint]("paint", "", true)},
			[]string{`paint {"color":"blue","finish":"gloss","coats":2,"sealed":true,"room":{"name":"Paint it gloss blue"}}`}},
		{"no arguments", "List all.", []tool.Tool{returns[none]("list_orders", "", "")}, []string{`list_orders {}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var calls []string
			for e, err := range runner.Stream(t.Context(), &agent.Agent{Model: m, Tools: tt.tools}, llm.User(tt.question)) {
				require.NoError(t, err)
				switch b := e.Body.(type) {
				case event.ToolCallStarted:
					calls = append(calls, b.Name+" "+b.Arguments)
				case event.ToolCallFinished:
					require.Empty(t, b.Failure, b.Result.Text())
				}
			}
			require.Equal(t, tt.want, calls)
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	m := model(t)
	find := returns[order]("find_order", "Finds an order.", map[string]any{"customer_id": 77, "state": "on its way"})
	for _, tt := range []struct {
		name  string
		agent agent.Agent
		want  string
	}{
		{"no tools", agent.Agent{}, "I understand nothing, and I have no tools. (I count 1 of your messages.)"},
		{"a result", agent.Agent{Tools: []tool.Tool{find}}, "This is what the tools say:\n- find_order(A-1): customer id 77, state on its way"},
		{"no tool allowed", agent.Agent{Tools: []tool.Tool{find}, Settings: llm.Settings{ToolChoice: llm.ToolNone}},
			"I understand nothing. I call a tool when a question has a word of its name or description, and I was offered find_order. (I count 1 of your messages.)"},
		{"a form", agent.Agent{Tools: []tool.Tool{find}, Output: &llm.OutputFormat{Schema: []byte(
			`{"type":"object","properties":{"state":{"type":"string"},"n":{"type":"integer"},"x":{}},"required":["state","n"]}`)}},
			`{"state":"on its way","n":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.agent.Model = m
			result, err := runner.Run(t.Context(), &tt.agent, llm.User("Find order A-1."))
			require.NoError(t, err)
			require.Equal(t, tt.want, result.Text)
		})
	}
}
