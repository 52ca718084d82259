// Package llm is the vocabulary of all other packages: messages and their parts,
// requests, responses, deltas, usage, errors, and [Model], an interface with a single
// method. The package knows no network protocol, runs no tool, has no loop, and imports
// only the standard library.
//
//	var m llm.Model = openai.Model("gpt-4o-mini")
//	resp, err := m.Generate(ctx, &llm.Request{
//		Instructions: "You answer in one sentence.",
//		Messages:     []llm.Message{llm.User("What is a monad?")},
//	}, nil)
//	fmt.Println(resp.Message.Text())
//
// Messages are plain data. Do not change a message that was used in a request or a
// run: make a new message. Any number of goroutines may read values of this package
// at once.
//
// The words of this package:
//
//   - message: what a role said; its parts are text, images, reasoning, tool calls and
//     the like
//   - tool call: the model's request to run a tool
//   - tool result: the answer to a tool call
//   - finish reason: why the model stopped
//   - usage: the number of tokens of a request
//   - delta: a piece of an answer that is on its way, for display
//
// The examples show a Model of your own (ModelFunc), a stored history (Message),
// pictures and documents (User), and Reasoning.
package llm
