package demo_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// properties makes the schema of a tool from pairs of names and descriptions. A name
// that begins with # is a number. All properties are required except those with a ?.
func properties(pairs ...string) string {
	members, required := "", ""
	for i := 0; i < len(pairs); i += 2 {
		name, kind := pairs[i], "string"
		if name[0] == '#' {
			name, kind = name[1:], "number"
		}
		must := name[len(name)-1] != '?'
		if !must {
			name = name[:len(name)-1]
		}
		description, _ := json.Marshal(pairs[i+1])
		comma := ""
		if members != "" {
			comma = ","
		}
		members += comma + `"` + name + `":{"type":"` + kind + `","description":` + string(description) + `}`
		if must {
			if required != "" {
				required += ","
			}
			required += `"` + name + `"`
		}
	}
	return `{"type":"object","properties":{` + members + `},"required":[` + required + `]}`
}

// TestNewcomers: typical first tools get sensible arguments.
func TestNewcomers(t *testing.T) {
	t.Parallel()
	stock := properties("article", "Article, e.g. lamp")
	bare := properties("article", "")
	units := `{"type":"object","properties":{"value":{"type":"number"},"from":{"enum":["km","mile","foot"]},"to":{"enum":["km","mile","foot"]}},"required":["value","from","to"]}`
	for _, tt := range []struct {
		name, description, schema, question string
		want                                []string
	}{
		{"stock", "How many of an article there are.", stock, "Is the lamp in stock?", []string{`{"article":"lamp"}`}},
		{"stock", "", stock, "Are lamps in stock?", []string{`{"article":"lamp"}`}},
		{"stock", "", stock, "Is the chair in stock?", []string{`{"article":"chair"}`}},
		{"stock", "", stock, "Is the red desk lamp in stock?", []string{`{"article":"lamp"}`}},
		{"stock", "", stock, "Is the chair in stock in Berlin?", []string{`{"article":"chair"}`}},
		{"stock", "", stock, "Are chairs and tables in stock?", []string{`{"article":"chairs"}`, `{"article":"tables"}`}},
		{"stock", "", stock, "Are lamps, chairs and beds in stock?", []string{`{"article":"lamp"}`, `{"article":"chairs"}`, `{"article":"beds"}`}},
		{"stock_price", "Price of a stock.", properties("symbol", "Symbol, e.g. AAPL"), "What is the aapl stock price?", []string{`{"symbol":"AAPL"}`}},
		{"weather", "", properties("city", "City, e.g. Beijing"), "What is the weather in Beijing and Lisbon?", []string{`{"city":"Beijing"}`, `{"city":"Lisbon"}`}},
		{"stock", "", stock, "lamp in stock?", []string{`{"article":"lamp"}`}},
		{"stock", "", stock, "What is in stock?", []string{`{"article":"lamp"}`}},
		{"inventory", "Tells the quantity.", stock, "Do you still have the lamp?", []string{`{"article":"lamp"}`}},
		{"stock", "Stock of an article, for example lamp or chair.", bare, "Is the chair in stock?", []string{`{"article":"chair"}`}},
		{"stock", "", properties("article", `The article, such as "desk lamp"`), "Is the desk lamp in stock?", []string{`{"article":"desk lamp"}`}},
		{"stock", "", properties("article", "Article (lamp, chair, table)"), "Is the table in stock?", []string{`{"article":"table"}`}},
		{"stock", "", bare, "Is the lamp in stock?", []string{`{"article":"lamp"}`}},
		{"stock", "", bare, "How many lamps do we have in stock?", []string{`{"article":"lamps"}`}},
		{"stock", "", bare, `Is the "Aurora" in stock?`, []string{`{"article":"Aurora"}`}},
		{"stock", "", `{"type":"object","properties":{"articles":{"type":"array","items":{"type":"string"}}},"required":["articles"]}`, "Are lamps and chairs in stock?", []string{`{"articles":["lamps","chairs"]}`}},
		{"price", "Price of an article.", bare, "What is the price of the desk lamp?", []string{`{"article":"desk lamp"}`}},
		{"price", "What an article costs.", bare, "What does a lamp cost?", []string{`{"article":"lamp"}`}},
		{"order", "", properties("article", "", "#quantity", ""), "Order two lamps", []string{`{"article":"lamps","quantity":2}`}},
		{"order", "", properties("article", "", "#quantity", ""), "Please order 3 lamps.", []string{`{"article":"lamps","quantity":3}`}},
		{"weather", "", properties("city", "City, e.g. Beijing"), "what is the weather in lisbon today?", []string{`{"city":"lisbon"}`}},
		{"weather", "", properties("city", "City, e.g. Beijing"), "What is the weather in Lisbon on Monday?", []string{`{"city":"Lisbon"}`}},
		{"weather", "", properties("city", ""), "Lisbon weather", []string{`{"city":"Lisbon"}`}},
		{"weather", "", properties("city", "", "day?", ""), "How is the weather in New York tomorrow?", []string{`{"city":"New York","day":"tomorrow"}`}},
		{"weather", "", properties("city", "", "day", ""), "Weather in Oslo on Sunday?", []string{`{"city":"Oslo","day":"Sunday"}`}},
		{"find_order", "Finds an order.", properties("order_id", "Number of the order, e.g. A-1042", "customer?", ""), "Where is order A-1042 of Ada?", []string{`{"order_id":"A-1042"}`}},
		{"find_order", "Finds an order.", properties("customer", "", "order_id", ""), "Find order A-1042 of Ada.", []string{`{"customer":"Ada","order_id":"A-1042"}`}},
		{"convert", "Converts units.", units, "Convert 5 miles to km", []string{`{"value":5,"from":"mile","to":"km"}`}},
		{"convert", "Converts units.", units, "Convert 3 km to mile.", []string{`{"value":3,"from":"km","to":"mile"}`}},
		{"convert", "", properties("#amount", "", "from", "Currency, e.g. EUR", "to", "Currency, e.g. USD"), "Convert 1,200.50 USD to EUR", []string{`{"amount":1200.50,"from":"USD","to":"EUR"}`}},
		{"convert", "Converts currencies.", properties("#amount", "", "from_currency", "", "to_currency", ""), "Convert 100 euros to dollars", []string{`{"amount":100,"from_currency":"euros","to_currency":"dollars"}`}},
		{"flights", "Searches flights.", properties("from", "", "to", ""), "Search flights to Rome from New York", []string{`{"from":"New York","to":"Rome"}`}},
		{"translate", "", properties("text", "", "language", ""), "Translate good morning to French", []string{`{"text":"good morning","language":"French"}`}},
		{"translate", "", properties("text", "", "language", ""), `Translate "good morning" into French.`, []string{`{"text":"good morning","language":"French"}`}},
		{"add_task", "Adds a task.", properties("title", ""), "Add a task: water the plants", []string{`{"title":"water the plants"}`}},
		{"add_todo", "Adds to the list.", properties("text", ""), "Add buy milk to my list", []string{`{"text":"milk"}`}},
		{"send_mail", "Sends a mail.", properties("to", "", "subject", ""), "Send a mail to Bob about lunch", []string{`{"to":"Bob","subject":"lunch"}`}},
		{"roll", "Rolls dice.", properties("#count", "", "#sides", ""), "Roll a 20-sided die 3 times", []string{`{"count":3,"sides":20}`}},
		{"roll", "Rolls dice.", properties("#count", "", "#sides?", ""), "Roll two dice", []string{`{"count":2}`}},
		{"roll", "Rolls dice.", properties("#count", "", "#sides", "Sides of each. Default: 6."), "Roll two dice", []string{`{"count":2,"sides":6}`}},
		{"roll", "Rolls dice.", properties("#count", "", "#sides", "defaults to 6"), "Roll 2 dice with 20 sides", []string{`{"count":2,"sides":20}`}},
		{"weather", "", properties("city", "", "unit", `Unit, by default "celsius"`), "Weather in Rome?", []string{`{"city":"Rome","unit":"celsius"}`}},
		{"tip", "", properties("#amount", "", "#percent", ""), "What is a 15% tip on 80 euros?", []string{`{"amount":80,"percent":15}`}},
		{"bmi", "", properties("#height_m", "", "#weight_kg", ""), "What is my BMI at 80 kg and 1.8m?", []string{`{"height_m":1.8,"weight_kg":80}`}},
		{"calculate", "Calculates.", properties("expression", ""), "Calculate 2 + 3 * (4 - 1).", []string{`{"expression":"2 + 3 * (4 - 1)"}`}},
		{"add", "Adds numbers.", properties("#a", "", "#b", ""), "Add 2 and 3.", []string{`{"a":2,"b":3}`}},
		{"count_letters", "Counts a letter in a word.", properties("word", "", "letter", ""), `How many letters "r" are in "strawberry"?`, []string{`{"word":"strawberry","letter":"r"}`}},
		{"define", "Defines a word.", properties("word", ""), "Define serendipity", []string{`{"word":"serendipity"}`}},
		{"define", "Defines a word.", properties("word", ""), "Can you define the word serendipity for me?", []string{`{"word":"serendipity"}`}},
		{"recipe", "Recipe of a dish.", properties("dish", ""), "Give me a recipe for lasagna, please", []string{`{"dish":"lasagna"}`}},
		{"search", "Searches.", properties("query", ""), "Search for salt and pepper mills", []string{`{"query":"salt and pepper mills"}`}},
		{"set_timer", "", properties("#minutes", ""), "Set a timer for five minutes", []string{`{"minutes":5}`}},
		{"get_user", "Finds a user.", properties("#id", ""), "Who is user 42?", []string{`{"id":42}`}},
		{"greet", "Greets somebody.", properties("name", ""), "Greet ada", []string{`{"name":"ada"}`}},
		{"capital", "Capital of a country.", properties("country", ""), "What is the capital of France?", []string{`{"country":"France"}`}},
		{"read_file", "Reads a file.", properties("path", ""), "Read the file main.go", []string{`{"path":"main.go"}`}},
		{"lights", "Switches lights.", `{"type":"object","properties":{"room":{"type":"string"},"on":{"type":"boolean"}},"required":["room","on"]}`, "Turn off the lights in the bedroom", []string{`{"room":"bedroom","on":false}`}},
		{"pets", "Finds a pet.", properties("kind", "dog or cat"), "Do you have a dog?", []string{`{"kind":"dog"}`}},
		{"stock", "", properties("article", "Article, e.g. lamp", "color", "Colour, e.g. red"), "Is the blue lamp in stock?", []string{`{"article":"lamp","color":"blue"}`}},
		{"stock", "", properties("article", "Article, e.g. lamp", "color?", "Colour, e.g. red"), "Is the red chair in stock?", []string{`{"article":"chair","color":"red"}`}},
		{"create_ticket", "", properties("title", "", "priority", "low, medium or high"), "Create a ticket: the printer is broken, priority high", []string{`{"title":"the printer is broken, priority high","priority":"high"}`}},
		{"order_pizza", "Orders a pizza.", `{"type":"object","properties":{"size":{"enum":["small","medium","large"]},"toppings":{"type":"array","items":{"type":"string"}}},"required":["size","toppings"]}`,
			"I want a large pizza with ham and mushrooms", []string{`{"size":"large","toppings":["ham","mushrooms"]}`}},
		{"book_table", "Books a table.", properties("name", "", "#guests", "", "time", ""), "Book a table for 4 at 19:30 under the name Ada", []string{`{"name":"Ada","guests":4,"time":"19:30"}`}},
		{"opening_hours", "Opening hours.", properties("day", "Day, e.g. Monday"), "When are you open?", []string{`{"day":"Monday"}`}},
		{"lookup", "Looks up a book.", properties("title", ""), "Hello.", nil},
	} {
		t.Run(tt.question, func(t *testing.T) {
			t.Parallel()
			tl := tool.Must(tool.NewRaw(tt.name, tt.description, json.RawMessage(tt.schema), func(context.Context, json.RawMessage) (string, error) { return "", nil }))
			var got []string
			for _, c := range reply(t, tt.question, llm.ToolAuto, tl) {
				got = append(got, c.Arguments)
			}
			require.Equal(t, tt.want, got)
		})
	}
}
