// Package openai is a client of OpenAI's Chat Completions API and of everything
// that calls itself compatible with it.
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
// # What is sent
//
// A history that every provider takes, whatever was stored: one system message
// at the front; arguments as the model wrote them if they are a JSON object, else
// {}; names of tools in letters that are allowed; a result for every call and a
// call for every result, the missing ones added and the orphans left out; tool
// results as one text that is never empty and not longer than MaxResultBytes; no
// assistant message without text and calls; ids for calls that came without; no
// tool_choice without tools; schemas of tools with properties. What was left out,
// added or cut is told in an llm.Notice.
//
// How providers differ beyond that is a [Profile]: [ProfileFor] knows many of
// them, Config.Profile overrides it, and a refusal whose words are known teaches
// more. Nothing of it is stored.
//
// A picture, sound or file that the provider refuses would make it refuse each
// later request of the conversation, too. If it stands in the newest message of
// the user, the error says so, and nothing is left out: the author can send
// another. If it stands further back, or came from a tool, the request is sent
// once more with a note in its place that tells the model the provider's reason,
// and an llm.Notice tells of it. So the conversation goes on with the user's next
// message, in another process as well, at the price of one refused request for
// each process. The messages themselves stay as they are.
//
// # What is received
//
// A body is read for what it is, a document or a stream of events, whatever was
// asked for and whatever its type says. Tool calls are put together by index,
// id and name, so that missing, repeated and odd indices do no harm. A stream
// counts as whole only with a finish reason or [DONE]; a cut-off one is an
// error of kind truncated, and so is [DONE] in the middle of a call. Once the
// finish reason has come, nothing that follows is waited for at the price of
// the answer: if the connection breaks then, only the usage may be missing.
//
// Arguments are the model's text, verbatim, except that nothing, blanks and
// null become {}. Entries of tool_calls whose type is another one than "function"
// are calls that the provider has run itself: they are kept as the last member of
// Message.Extra, under that name, and are no calls of the message. Members that nobody modelled are kept unless they are empty
// (null, "", [], {}): those of the message in Message.Extra, those of a call in
// ToolCall.Extra, all others in Response.Extra. Over the chunks of a stream the
// arrays of a message are appended, so are the strings of members known to come
// in pieces (such as "thinking"), and of anything else the last one counts.
//
// # Errors
//
// What went wrong between us and the provider is an [*llm.APIError] with
// provider "openai". No error holds a key, a header or the credentials of a
// URL, also where the provider repeats them. When the caller's ctx ends, the
// error is context.Cause(ctx).
//
// A connection that the server closed between two requests is no error: the
// request that finds out is sent again at once on another connection, if no byte
// of an answer came and it broke within two seconds. This is not counted as a
// retry.
package openai
