package event_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// The JSON of an event is a flat object with a type. A reader in another language
// needs nothing else.
func ExampleEvent() {
	started := event.Event{
		Seq:  4,
		Time: time.Date(2026, 11, 29, 16, 0, 0, 0, time.UTC),
		Body: event.ToolCallStarted{Call: event.NewCallRef(1, 1, 0), Name: "get_weather", Arguments: `{"city":"Beijing"}`},
	}
	data, err := json.Marshal(started)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(data))

	var read event.Event
	err = json.Unmarshal(data, &read)
	fmt.Println(read.Type(), err)
	// Output:
	// {"seq":4,"time":"2026-11-29T16:00:00Z","type":"tool_call_started","call":"r1.t1.c0","name":"get_weather","arguments":"{\"city\":\"Beijing\"}"}
	// tool_call_started <nil>
}

// Line makes a log of a run for people: print each line that is not empty.
func ExampleEvent_Line() {
	call := event.NewCallRef(1, 1, 0)
	for _, body := range []event.Body{
		event.UserMessaged{Message: llm.User("What is it like in Beijing?")},
		event.TurnPrepared{Turn: 1},
		event.ToolCallStarted{Call: call, Name: "get_weather", Arguments: `{"city":"Beijing"}`},
		event.ToolCallFinished{Call: call, Result: llm.ToolResult{Name: "get_weather", Parts: llm.Parts{llm.Text{Text: "22 degrees"}}}},
		event.ModelAnswered{Turn: 2, Message: llm.Assistant("It is 22 degrees.")},
		event.RunFinished{Run: 1, Turns: 2, Usage: llm.Usage{InputTokens: 120, OutputTokens: 30}},
	} {
		if line := (event.Event{Body: body}).Line(); line != "" {
			fmt.Println(line)
		}
	}
	// Output:
	// > What is it like in Beijing?
	// [r1.t1.c0] get_weather {"city":"Beijing"}
	// [r1.t1.c0] = 22 degrees
	// It is 22 degrees.
	// turns: 2, tokens: 120 in, 30 out
}

// A browser gets the public view: no instructions, no keys.
func ExampleEvent_Public() {
	for _, body := range []event.Body{
		event.RunStarted{Run: 1, Agent: "desk", ID: "KX4M"},
		event.TurnPrepared{Turn: 1, Agent: "desk", Instructions: new("You are a desk. The discount is 20 %.")},
		event.ModelAnswered{Turn: 1, Message: llm.Assistant("Your card 4111 is charged."), RequestID: "req_1"},
	} {
		hideCards := func(s string) string { return strings.ReplaceAll(s, "4111", "****") }
		data, err := json.Marshal(event.Event{Body: body}.Public(hideCards).Body)
		fmt.Println(string(data), err)
	}
	// Output:
	// {"run":1,"agent":"desk","id":""} <nil>
	// {"turn":1,"agent":"desk"} <nil>
	// {"turn":1,"message":{"role":"assistant","parts":[{"type":"text","text":"Your card **** is charged."}]},"finish":{},"usage":{"input_tokens":0,"output_tokens":0}} <nil>
}
