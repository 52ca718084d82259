package main

import (
	"fmt"
	"strings"
	"time"
)

// A workload is a scripted conversation, and how often to hold it.
type workload struct {
	name, about string

	turns, calls int           // turns that call tools, and calls in each; a last turn brings the final text
	words        int           // of the final text
	stream       bool          // answers are server-sent events
	pieces       int           // fragments of the arguments of a call in a stream
	shuffled     bool          // members of each event stand in an unusual order
	responses    bool          // the Responses API in place of Chat Completions
	memory       bool          // the model is a function in the program: no HTTP
	wait         time.Duration // time that the server takes for each answer

	runs   int  // runs of a measurement, at most
	warm   int  // runs before the measurement
	atOnce bool // all runs at the same time
}

var workloads = []workload{
	{name: "W1", about: "1 turn, 1 call", turns: 1, calls: 1, words: 20, runs: 4000, warm: 50},
	{name: "W2", about: "50 turns of 4 calls", turns: 50, calls: 4, words: 20, runs: 50, warm: 2},
	{name: "W3", about: "1,000 runs at once, 5 turns of 2 calls, 20 ms for each answer", turns: 5, calls: 2, words: 20, wait: 20 * time.Millisecond, atOnce: true, runs: 1000, warm: 1},
	{name: "W4s", about: "W1 streamed, final text of 2,000 chunks", turns: 1, calls: 1, words: 2000, stream: true, pieces: 8, runs: 100, warm: 3},
	{name: "W4l", about: "W2 streamed, final text of 2,000 chunks", turns: 50, calls: 4, words: 2000, stream: true, pieces: 8, runs: 20, warm: 1},
	{name: "W4o", about: "W4s with the members of each chunk in another order", turns: 1, calls: 1, words: 2000, stream: true, pieces: 8, shuffled: true, runs: 100, warm: 3},
	{name: "W2r", about: "W2 over the Responses API", turns: 50, calls: 4, words: 20, responses: true, runs: 50, warm: 2},
	{name: "W6", about: "200 turns of 4 calls", turns: 200, calls: 4, words: 20, runs: 3, warm: 1},
	{name: "W6d", about: "400 turns of 4 calls", turns: 400, calls: 4, words: 20, runs: 3, warm: 1},
	{name: "W5", about: "10 turns of 4 calls, model in memory", turns: 10, calls: 4, words: 20, memory: true, runs: 5000, warm: 20},
}

// small returns w in a size for tests.
func (w workload) small() workload {
	w.turns, w.words, w.runs, w.warm = min(w.turns, 3), 7, min(w.runs, 3), 0
	w.wait = min(w.wait, time.Millisecond)
	return w
}

// The conversation. Each peer declares the tool in the way of its users.
const (
	modelName  = "gpt-4o-mini"
	system     = "You are a helpful weather assistant."
	question   = "What is the weather in these cities?"
	toolName   = "get_weather"
	toolAbout  = "Get the current weather of a city."
	toolResult = `{"temperature":21.5,"unit":"celsius","conditions":"partly cloudy"}`
	toolSchema = `{"type":"object","properties":{"city":{"type":"string","description":"City name"},` +
		`"unit":{"type":"string","enum":["celsius","fahrenheit"]}},"required":["city","unit"],"additionalProperties":false}`
)

// weatherArgs are the arguments of the tool.
type weatherArgs struct {
	City string `json:"city" jsonschema_description:"City name" jsonschema:"required"`
	Unit string `json:"unit" jsonschema:"required,enum=celsius,enum=fahrenheit"`
}

// callID and callArgs are what the model says in call i of turn t.
func callID(t, i int) string { return fmt.Sprintf("call_%04d_%02d", t, i) }

func callArgs(t, i int) string {
	return fmt.Sprintf(`{"city":"Oslo-%04d-%02d","unit":"celsius"}`, t, i)
}

func (w workload) finalText() string {
	return strings.TrimSuffix(strings.Repeat("word ", w.words), " ")
}

// maxTurns is a bound on the model's answers that no run reaches.
func (w workload) maxTurns() int { return w.turns + 10 }
