// Package clients has only tests. The tests run clients of other people against the
// transport and the server of llmtest: OpenAI's own client for Go, OpenAI's own client
// for JavaScript (npm "openai"), and the AI SDK (npm "ai").
//
// Every client must take every answer and every fault of a script on both APIs, streamed
// and not: texts, refusals, reasoning, calls, usage, how the answer ended, and errors.
// The clients from npm run in Node (testdata/ask.mjs); without the packages, their tests
// skip and name the command that installs them.
//
// The module is separate, so that users of toolloop need not require OpenAI's library.
package clients
