// Package clients has no code. Its tests hold the wire seats of llmtest against
// a client that is not ours: the official library of OpenAI. It is a module of
// its own so that nobody else has to require that library.
package clients
