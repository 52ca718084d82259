package scenario

import (
	"net/http"
	"testing"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// retries are the same in each seat. They wait only for as long as the provider
// asks, so that times are exact.
var retries = wrap.Retry{MinDelay: -1, Restart: true}

// A Seat is a way in which a program meets a script.
type Seat struct {
	Name  string
	Exact bool // time is
	Model func(*testing.T, *llmtest.Model) llm.Model
}

// Seats are those that run in a bubble: in the process, over an http.RoundTripper,
// and over HTTP through a pipe. The first is the simplest.
func Seats() []Seat {
	return []Seat{
		{"in process", true, func(_ *testing.T, m *llmtest.Model) llm.Model { return retries.Model(m) }},
		{"transport", true, func(_ *testing.T, m *llmtest.Model) llm.Model { return client(m.Client()) }},
		{"server", true, func(t *testing.T, m *llmtest.Model) llm.Model { return client(m.Pipe(t)) }},
	}
}

// Loopback is a real port, which no bubble admits.
func Loopback() Seat {
	return Seat{"loopback", false, func(_ *testing.T, m *llmtest.Model) llm.Model {
		return openai.Config{BaseURL: m.Serve().BaseURL, Key: "k", Retry: retries}.Model("m")
	}}
}

func client(h *http.Client) llm.Model {
	return openai.Config{HTTPClient: h, Key: "k", Retry: retries}.Model("m")
}
