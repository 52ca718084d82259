// Package llmtest has language models for tests: they answer from a script, in
// process or over HTTP, and things can go wrong.
//
//	func TestWeather(t *testing.T) {
//		script := llmtest.Script(t,
//			llmtest.Calls("get_weather", WeatherArgs{City: "Beijing"}),
//			llmtest.Text("It is 22 °C."))
//		result, err := runner.Runner{Model: script}.Run(t.Context(), assistant, llm.User("…"))
//		…
//	}
//
// # Three seats
//
// A program meets the same script in one of three ways:
//
//   - in process: a [Model] is an [llm.Model];
//   - as a transport: it is an [http.RoundTripper], which answers any client at any
//     host: openai.Config{HTTPClient: script.Client(), Key: "k"};
//   - as a server: [Model.Serve] listens on a loopback port, and a [Server] is an
//     [http.Handler] with a key and models of its own.
//
// The two on the wire read Chat Completions and write JSON and server-sent events,
// and share all but what carries the bytes. Whoever asks for a stream gets one;
// the steps are the same. [Model.ChunkSize] and [Model.Seed] say in which pieces
// it comes.
//
// All seats give a program the same Response, the one that the wire can carry:
// the parts in the order of the wire and joined where it does not tell them
// apart, empty ones left out, JSON in Extra without white space, U+FFFD for what
// is no UTF-8. What it cannot carry, such as an [llm.Image] in an answer, is an
// error in all. They differ in RawUsage only, which is nil in process where the
// script did not set it.
//
// # A script is strict
//
// A request beyond the last [Step] fails the test and prints the request; a step
// that nobody asked for fails it at its end. Where the order is not known, steps
// have conditions: see [Step.When].
//
// Each request is held to what providers ask of a conversation. Every call of a
// tool has one result, in a message of its own, in the order of the calls and
// directly behind the message that has them; there is no other result; the
// arguments of calls are JSON objects; parts stand in messages of the roles that
// can have them; no two tools have one name. System and developer messages may
// stand anywhere else, as OpenAI has it, and any role may begin, end and repeat.
// A request that breaks one of these fails the test, is answered with status 400,
// and uses no step.
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
// # What goes wrong
//
// [Fail] answers with an error, [Wire] with any bytes, and [Step.With] puts a
// [Fault] on an answer: a status, a delay, a stream that stalls, breaks off or is
// spoilt. A program that survives all of it is tested by [EveryFault], which puts
// each fault at each step of a script, and by [Chaos], which draws them from a
// seed. [NoNetwork] makes sure that nothing else was asked.
//
// # Real models
//
// Package tape, below this one, replays the answers of a real model from files that
// people can read and that hold no key. If you write an [llm.Model], [TestModel]
// checks that it keeps the contract.
//
// # Time
//
// In a bubble of testing/synctest the first two seats keep exact time, delays and
// faults included: they wait on the goroutine that asks or reads, with timers.
// A loopback server does not, since waiting for the network does not let a
// bubble's clock advance; there [Model.Pipe] has a server and a client with a pipe
// in memory between them.
package llmtest
