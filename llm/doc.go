// Package llm is the vocabulary that every other package speaks: messages and
// their parts, requests, responses, deltas, usage, errors, and [Model], the one
// method that a language model is. It knows no wire, no tool that can run, and
// no loop, and it imports the standard library only.
//
//	var m llm.Model = openai.Model("gpt-4o-mini")
//	resp, err := m.Generate(ctx, &llm.Request{
//		Instructions: "You answer in one sentence.",
//		Messages:     []llm.Message{llm.User("What is a monad?")},
//	}, nil)
//	fmt.Println(resp.Message.Text())
//
// Messages are plain data. Once a message was used in a request or a run it is
// not changed in place; who wants another one makes another one. Everything in
// this package may be read by any number of goroutines at once.
//
// Words owned here: message, part, tool call (what a model asks for), tool
// result (what it is answered), finish reason, usage, delta.
package llm
