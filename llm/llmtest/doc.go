// Package llmtest has scripted language models for tests, in process or over HTTP, with
// faults.
//
//	func TestWeather(t *testing.T) {
//		script := llmtest.Script(t,
//			llmtest.Calls("get_weather", WeatherArgs{City: "Beijing"}),
//			llmtest.Text("It is 22 °C."))
//		result, err := runner.Runner{Model: script}.Run(t.Context(), assistant, llm.User("…"))
//		…
//	}
//
// Most users need only this: [Script] with the steps [Text] and [Calls], used as the Model
// of a run. The test fails if the program sends too many requests, too few requests, or a
// request that a provider would refuse.
//
// # Three seats
//
// A program can use the same script in three ways, called seats. In process, a [Model]
// is an [llm.Model]:
//
//	script := llmtest.Script(t, llmtest.Text("Hello."))
//	resp, err := script.Generate(t.Context(), request, nil)
//
// As a transport, a Model is an [http.RoundTripper]. The transport answers any client at
// any host:
//
//	script := llmtest.Script(t, llmtest.Text("Hello."))
//	model := openai.Config{HTTPClient: script.Client(), Key: "k"}.Model("gpt-4o-mini")
//	resp, err := model.Generate(t.Context(), request, nil)
//
// As a server, [Model.Serve] listens on a loopback port, for programs in any language.
// A [Server] can also require a key and know only certain models:
//
//	script := llmtest.Script(t, llmtest.Text("Hello."))
//	server := script.Serve()
//	cmd := exec.Command("my-program")
//	cmd.Env = append(os.Environ(), "OPENAI_BASE_URL="+server.BaseURL)
//	err := cmd.Run()
//
// Transport and server answer Chat Completions and the Responses API, as JSON or as
// server-sent events. If a request asks for a stream, the answer is a stream of the same
// step. [Model.ChunkSize] and [Model.Seed] choose the pieces.
//
// On Chat Completions, all seats give a program the same Response: parts in the order of
// the wire, adjacent texts joined, empty parts omitted, JSON in Extra without white space,
// U+FFFD for invalid UTF-8. Content without a form on the wire, for example an [llm.Image]
// in an answer, is an error in all seats. Only RawUsage differs: RawUsage is nil in
// process unless the script sets it.
//
// The Responses API differs: Finish.Raw is a status ("completed", "incomplete"), and a
// message with reasoning keeps the items in its Extra. An [llm.RawPart] is a separate item
// on that API, and sound has no form.
//
// # A script is strict
//
// A request beyond the last [Step] fails the test and prints the request. An unused step
// fails the test at its end. If the order of requests is unknown, give the steps
// conditions: see [Step.When].
//
// Each request must follow the rules of providers:
//
//   - Every tool call has a single result, in its own message, in the order of the calls,
//     directly after the message with the calls. There is no other result.
//   - The arguments of calls are JSON objects.
//   - Parts stand in messages of the right roles: calls, reasoning and refusals only
//     in messages of the assistant.
//   - No two tools have the same name.
//   - On the Responses API, a reasoning item with an id has the encrypted content that
//     belongs to this id. The item that the model produced from the reasoning (a text or a
//     call) comes after the reasoning. Ids are unique.
//
// Between a message with calls and the results of the calls, no other message may stand.
// Otherwise, system and developer messages may stand anywhere, as OpenAI allows, and any
// role may begin, end and repeat. A request that breaks a rule fails the test, gets status 400,
// and uses no step.
//
// # What a script fills in
//
// The script fills in the rest of a step, always in the same way, so that tests can
// compare whole values:
//
//   - The ids of calls are "call_1", "call_2" …, counted over the whole script.
//   - The ids of answers are "chatcmpl-1", "chatcmpl-2" …, and their RequestIDs are "req_1",
//     "req_2" …, by the number of the request.
//   - The model is the requested model.
//   - The finish reason is "tool_calls" for an answer with calls, and "stop" otherwise.
//   - Each answer costs 10 input tokens and 5 output tokens.
//
// # What goes wrong
//
// [Fail] answers with an error, [Wire] with any bytes, and [Step.With] puts a [Fault] on
// an answer: a status, a delay, a stream that stalls, breaks off or is damaged.
// [EveryFault] tests a program with each fault at each step of a script, and [Chaos] draws
// faults from a seed. [NoNetwork] makes sure that a test uses no network.
//
// # Real models
//
// Package tape, below this package, replays the answers of a real model from readable
// files without keys. [TestModel] checks an [llm.Model] of your own
// against the contract.
//
// # Time
//
// In a bubble of testing/synctest the first two seats keep exact time, with delays and
// faults: they wait with timers on the caller's goroutine. A loopback server cannot keep
// exact time, because waiting for the network does not advance a bubble's clock. Use
// [Model.Pipe] there: a server and a client with a pipe in memory between them.
package llmtest
