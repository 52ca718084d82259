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
//
//   - One system message stands at the front.
//   - Every call has a result directly after the message with the call. The
//     client adds missing results, and leaves out results without a call.
//   - Every call has an id. The client makes an id for a call without an id.
//   - The arguments of a call are sent as the model wrote them if they are a JSON
//     object (on the Responses API: any JSON). In place of other arguments the
//     client sends {}.
//   - Tool names have only letters that providers allow.
//   - A tool result is one text, never empty and not longer than MaxResultBytes.
//     On the Responses API, a result with pictures or files is a list of parts.
//   - The client leaves out assistant messages without text and calls.
//   - A request without tools has no tool_choice.
//   - A tool schema always has the member "properties", perhaps empty.
//
// An llm.Notice reports everything that the client left out, added or cut.
//
// A [Profile] describes further differences between providers. [ProfileFor]
// knows many providers, and Config.Profile replaces the result of ProfileFor. If
// a provider refuses a request, and the client knows the text of the error, the
// Model changes its profile and sends the request again. No part of a profile is
// stored.
//
// If a provider refuses a picture, sound or file, every later request of the
// conversation would fail, too:
//
//   - If the refused media stands in the newest user message, Generate returns
//     the provider's error, and nothing is left out: the author can send another
//     message.
//   - If the refused media stands further back, or came from a tool, the client
//     sends the request once more with a note in place of the media. The note
//     gives the provider's reason to the model, and an llm.Notice reports the
//     change.
//
// So the conversation can go on with the next user message. A Model remembers the
// refused media. In a new process the first request is refused once more before
// the note is sent. The messages themselves stay unchanged.
//
// # Responses
//
// The first bytes of a body decide whether the body is a document or a stream
// of events; the request and the content type do not matter.
//
//   - The client joins the pieces of a tool call by index, id and name, so that
//     missing, repeated and odd indices do no harm.
//   - A stream without a finish reason and without [DONE] was cut off: the error
//     is of kind truncated. The error is the same if [DONE] comes without a finish
//     reason, and nothing else shows that the answer is whole, for example in the
//     middle of a call.
//   - A failure after the finish reason does not discard the response. If the
//     connection breaks there, only the usage may be missing.
//
// The arguments of a call are the model's text, verbatim. There are two
// exceptions: empty text, blanks and null become {}; and if a server encoded or
// sent the arguments more than once, the client restores the text of the model,
// and an llm.Notice reports the repair.
//
// The type of an entry of tool_calls decides about the entry:
//
//   - "function", or no type: the entry is a call of the message.
//   - "builtin_function": the entry is a call of the message, with the type in
//     ToolCall.Extra.
//   - Any other type: if the request declares a function with the name of the
//     call, the entry is a call of the message. Otherwise the provider has run the
//     call itself. The client keeps such entries in the last member of
//     Message.Extra, named "tool_calls", and not as calls of the message.
//
// Members without a Go field are kept unless empty (null, "", [], {}): members of
// the message in Message.Extra, members of a call in ToolCall.Extra, all others in
// Response.Extra. In a stream, a member can come in several chunks. The client
// then appends arrays of a message, and strings that are known to come in pieces
// (such as "thinking"). Of all other values, the last value counts.
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
