// Package clients has no code. Its tests hold the wire seats of llmtest against clients
// of other people: OpenAI's own client for Go, OpenAI's own client for JavaScript (npm
// "openai"), and the AI SDK (npm "ai").
//
// Every client must take every answer and every fault of a script on both APIs, streamed
// and not: texts, refusals, reasoning, calls, usage, how the answer ended, and errors.
// The clients from npm run in Node (testdata/ask.mjs); without the packages, their tests
// skip and name the command that installs them.
//
// The module is separate so that nobody else has to require OpenAI's library.
package clients
