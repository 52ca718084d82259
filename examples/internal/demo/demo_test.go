package demo_test

import (
	"context"
	"errors"
	"testing"
	"time"

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
	server, err := demo.Serve("127.0.0.1:0", nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	return openai.Config{BaseURL: server.BaseURL}.Model(demo.Model)
}

// returns makes a tool with a constant result.
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
		Coats  int    `json:"coats" jsonschema:"example=2"`
		Sealed bool   `json:"sealed"`
		Room   struct {
			Name string `json:"name"`
		} `json:"room"`
	}
	none struct{}
)

// TestCalls: the provider finds arguments for many kinds of tools.
func TestCalls(t *testing.T) {
	t.Parallel()
	m := model(t)
	find := returns[order]("find_order", "Finds an order.", map[string]any{"order_id": "A-1", "customer_id": 77})
	mail := returns[struct {
		ID int `json:"customer_id"`
	}]("mail_customer", "Writes to a customer.", "sent")
	type item struct {
		Item string `json:"item"`
	}
	place := returns[struct {
		item
		Quantity int `json:"quantity" jsonschema:"minimum=1"`
	}]("place_order", "Places an order.", "placed")
	stock := returns[item]("check_stock", "Says how many of an item there are.", 12)
	fails := tool.Must(tool.New("find_order", "Finds an order.", func(context.Context, order) (string, error) { return "", errors.New("no such order") }))
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
		{"each tool once", "Place an order of 3 Bolts and check stock of Bolts.", []tool.Tool{place, stock},
			[]string{`place_order {"item":"Bolts","quantity":3}`, `check_stock {"item":"Bolts"}`}},
		{"one that lacks something later", "Place an order of 3 Bolts and check stock of Bolts.", []tool.Tool{
			returns[struct {
				Item string `json:"item"`
				Note string `json:"note"`
			}]("place_order", "", "placed"), stock},
			[]string{`check_stock {"item":"Bolts"}`, `place_order {"item":"Bolts","note":"Bolts"}`}},
		{"not what a failed call should have brought", "Find order A-1 and write to the customer of A-1.", []tool.Tool{fails, mail}, []string{`find_order {"order_id":"A-1"}`}},
		{"several objects", "Buy 3 Bolts and 20 Nuts.", []tool.Tool{returns[struct {
			Lines []line `json:"lines"`
		}]("buy", "", "ok")}, []string{`buy {"lines":[{"sku":"Bolts","quantity":3},{"sku":"Nuts","quantity":20}]}`}},
		{"a map", "Count 3 Bolts and 20 Nuts.", []tool.Tool{returns[struct {
			Counts map[string]int `json:"counts"`
		}]("count", "", "ok")}, []string{`count {"counts":{"Bolts":3,"Nuts":20}}`}},
		{"times", "Move Ada's meeting from 2026-03-01 09:30 to 2026-03-02T10:00:00+02:00 and tell ada@example.org.", []tool.Tool{returns[struct {
			From time.Time `json:"from"`
			To   time.Time `json:"to"`
			Day  string    `json:"day,omitempty" jsonschema:"format=date"`
			Who  string    `json:"who"`
			Mail string    `json:"email"`
		}]("move_meeting", "", "ok")},
			[]string{`move_meeting {"from":"2026-03-01T09:30:00Z","to":"2026-03-02T10:00:00+02:00","day":"2026-03-01","who":"Ada","email":"ada@example.org"}`}},
		{"a number that is text elsewhere", "Find the order and bill the customer.", []tool.Tool{
			returns[none]("find_order", "", map[string]int{"customer_id": 77}),
			returns[struct {
				ID string `json:"customer_id"`
			}]("bill_customer", "", "ok"),
		}, []string{`find_order {}`, `bill_customer {"customer_id":"77"}`}},
		{"a union", "Weigh 12.5", []tool.Tool{returns[struct {
			Weight *float64 `json:"weight" jsonschema:"nullable"`
		}]("weigh", "", "ok")}, []string{`weigh {"weight":12.5}`}},
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
					require.Contains(t, []string{"", "failed"}, b.Failure, b.Result.Text())
				}
			}
			require.Equal(t, tt.want, calls)
		})
	}
}

// TestModels: the provider accepts the usual names of models, and no others.
func TestModels(t *testing.T) {
	t.Parallel()
	server, err := demo.Serve("127.0.0.1:0", nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	ask := func(model string) error {
		_, err := openai.Config{BaseURL: server.BaseURL}.Model(model).Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User("Hello.")}}, nil)
		return err
	}
	for _, name := range append(demo.Models(), "gpt-4o-mini", "gpt-4o", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini", "demo") {
		require.NoError(t, ask(name))
	}
	api, ok := errors.AsType[*llm.APIError](ask("gpt-4o-nano"))
	require.True(t, ok)
	require.Equal(t, 404, api.StatusCode)
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
			"I understand nothing. I call a tool if your question has a word of its name or description. My tools: find_order. (I count 1 of your messages.)"},
		{"a form", agent.Agent{Tools: []tool.Tool{find}, Output: &agent.Output{Format: llm.OutputFormat{Schema: []byte(
			`{"type":"object","properties":{"state":{"type":"string"},"n":{"type":"integer"},"x":{}},"required":["state","n"]}`)}}},
			`{"state":"on its way","n":1}`},
		{"an object", agent.Agent{Output: &agent.Output{Format: llm.OutputFormat{Type: "json_object"}}}, `{"answer":"I understand nothing, and I have no tools. (I count 1 of your messages.)"}`},
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
