package event_test

import (
	"encoding/json"
	"fmt"
	"time"

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
