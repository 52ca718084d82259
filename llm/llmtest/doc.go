// Package llmtest has language models for tests: they answer from a script, in
// process or as a real HTTP server that speaks Chat Completions.
//
//	func TestWeather(t *testing.T) {
//		script := llmtest.Script(t,
//			llmtest.Calls("get_weather", WeatherArgs{City: "Beijing"}),
//			llmtest.Text("It is 22 °C."))
//		result, err := runner.Runner{Model: script}.Run(t.Context(), assistant, llm.User("…"))
//		…
//	}
//
// A script is strict. A request beyond its last [Step] fails the test and prints
// the request; a step that nobody asked for fails it at its end. A script has
// two seats: [Model] is an [llm.Model], and [Model.Serve] puts the same script
// behind a loopback port, where it speaks JSON and server-sent events to any
// client. Whoever asks for a stream gets one; the steps are the same.
//
// # What a script fills in
//
// What a step does not say is the same each time, so that tests can compare
// whole values: the calls are named "call_1", "call_2" … over the whole script,
// the answers "chatcmpl-1", "chatcmpl-2" … by the number of the request, their
// RequestID "req_1" …; the model is the one that was asked for; the finish reason
// is "tool_calls" where there are calls and "stop" elsewhere; and each answer
// costs 10 input and 5 output tokens.
//
// # The two seats
//
// Both seats give a program the same Response, the one that the wire can carry:
// the parts in the order of the wire and joined where it does not tell them
// apart, empty ones left out, JSON in Extra without white space, U+FFFD for what
// is no UTF-8. What it cannot carry, such as an [llm.Image] in an answer, is an
// error in both. They differ in RawUsage only, which is nil in process where the
// script did not set it.
//
// # Time
//
// The in-process seat works in a bubble of testing/synctest, delays included. A
// loopback server does not, since waiting for the network does not let a
// bubble's clock advance; serve [Server] over net.Pipe there.
package llmtest
