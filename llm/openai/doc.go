// Package openai is a client of OpenAI's Chat Completions API, of the Responses
// API, and of all compatible servers.
//
//	m := openai.Model("gpt-4o-mini") // OPENAI_API_KEY, OPENAI_BASE_URL
//	resp, err := m.Generate(ctx, &llm.Request{Messages: []llm.Message{llm.User("Hello!")}}, nil)
//
//	local := openai.Config{BaseURL: "http://localhost:11434"}.Model("qwen3")
//	azure := openai.Config{
//		BaseURL:         "https://example.openai.azure.com",
//		Key:             key,
//		AzureAPIVersion: "2024-10-21",
//	}.Model("my-deployment")
//
// # Requests
//
// The client sends a history that every provider takes, whatever was stored:
// one system message at the front; arguments as the model wrote them if they
// are a JSON object, else {}; tool names in allowed letters; a result for every
// call and a call for every result, with missing results added and orphans left
// out; tool results as one text that is never empty and not longer than
// MaxResultBytes; no assistant message that has neither text nor calls; ids for
// calls without an id; no tool_choice without tools; tool schemas with properties. An
// llm.Notice reports everything that the client left out, added or cut.
//
// A [Profile] describes further differences between providers. [ProfileFor]
// knows many providers, Config.Profile overrides ProfileFor. If a
// provider refuses a request with a known message, the Model changes its
// profile. No part of a profile is stored.
//
// If a provider refuses a picture, sound or file, every later request of the
// conversation would fail, too. If the refused media stands in the newest user
// message, the error says so and nothing is left out: the author can send
// another message. If the refused media stands further back, or came from a
// tool, the client sends the request once more with a note in place of the
// media. The note gives the provider's reason to the model, and an llm.Notice
// reports the change. So the conversation goes on with the next user message,
// also in another process, at the price of one refused request per process. The
// messages themselves stay unchanged.
//
// # Responses
//
// The first bytes of a body decide whether the body is a document or a stream
// of events; the request and the content type do not matter. Tool calls are
// joined by index, id and name, so that missing, repeated and odd indices do no
// harm. A stream is complete only with a finish reason or [DONE]; a cut-off
// stream is an error of kind truncated, and so is [DONE] in the middle of a
// call. A failure after the finish reason does not discard the response: if
// the connection breaks, only the usage may be missing.
//
// Arguments are the model's text, verbatim, except that empty text, blanks and
// null become {}. An entry of tool_calls with a type other than "function" and
// "builtin_function" is a call that the provider has run itself, unless the
// request declares a function of that name. The client keeps such entries in the
// last member of Message.Extra, named "tool_calls", and not as calls of the
// message. An entry of type "builtin_function" is a call of the message, with the
// type in ToolCall.Extra. Unmodelled members are kept unless empty (null, "",
// [], {}): members of the message in Message.Extra, members of a call in
// ToolCall.Extra, all others in Response.Extra. Over the chunks of a stream,
// arrays of a message are appended, and so are strings of members that are
// known to come in pieces (such as "thinking"). Of all other values, the last
// counts.
//
// # Errors
//
// Failures between client and provider are of type [*llm.APIError] with
// provider "openai". No error holds a key, a header or the credentials of a
// URL, even if the provider repeats them. When the caller's ctx ends, the error
// is context.Cause(ctx).
//
// If the server has closed a pooled connection between two requests, the client
// sends the request again at once on another connection, provided that no byte
// of a response came and the connection broke within two seconds. This
// repetition does not count as a retry.
//
// The examples show a server of your own (Config), keys that change (Token), both APIs
// (Responses), errors, and a profile (ProfileFor).
package openai
