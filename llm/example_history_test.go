package llm_test

import (
	"encoding/json"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// Messages are plain data. Their JSON reads back to equal messages, so a program can
// store a conversation anywhere.
func ExampleMessage() {
	history := []llm.Message{
		llm.User("What is it like in Beijing?"),
		llm.Assistant("", llm.ToolCall{ID: "call_1", Name: "get_weather", Arguments: `{"city":"Beijing"}`}),
		{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{
			CallID: "call_1", Name: "get_weather", Parts: llm.Parts{llm.Text{Text: "22 °C"}}}}},
		llm.Assistant("It is 22 °C."),
	}
	data, err := json.Marshal(history)
	if err != nil {
		fmt.Println(err)
		return
	}
	var read []llm.Message
	err = json.Unmarshal(data, &read)
	for _, m := range read {
		fmt.Println(m.Role, m.Text(), m.Calls(), len(m.Results()))
	}
	fmt.Println(err)
	// Output:
	// user What is it like in Beijing? [] 0
	// assistant  [{call_1 get_weather {"city":"Beijing"} []}] 0
	// tool  [] 1
	// assistant It is 22 °C. [] 0
	// <nil>
}
