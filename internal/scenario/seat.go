package scenario

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// retries is the same in each seat. Only the provider's Retry-After causes a delay, so
// that durations are exact.
var retries = wrap.Retry{MinDelay: -1, Restart: true}

// A Seat connects a runner with a script.
type Seat struct {
	Name  string
	Exact bool // durations are exact
	Model func(*testing.T, *llmtest.Model) llm.Model
}

// Seats returns the seats that run in a bubble: in the process, and both wires over an
// http.RoundTripper and over HTTP through a pipe. The last seat changes the wire after
// every response. The first seat is the simplest.
func Seats() []Seat {
	return []Seat{
		{"in process", true, func(_ *testing.T, m *llmtest.Model) llm.Model { return retries.Model(m) }},
		{"transport", true, func(_ *testing.T, m *llmtest.Model) llm.Model { return client(m.Client(), openai.APIChat) }},
		{"server", true, func(t *testing.T, m *llmtest.Model) llm.Model { return client(m.Pipe(t), openai.APIChat) }},
		{"responses transport", true, func(_ *testing.T, m *llmtest.Model) llm.Model { return client(m.Client(), openai.APIResponses) }},
		{"responses server", true, func(t *testing.T, m *llmtest.Model) llm.Model { return client(m.Pipe(t), openai.APIResponses) }},
		{"changing wires", true, func(_ *testing.T, m *llmtest.Model) llm.Model { return changing(m) }},
	}
}

// changing returns a model that changes the wire after each response.
func changing(m *llmtest.Model) llm.Model {
	wires := []llm.Model{client(m.Client(), openai.APIResponses), client(m.Client(), openai.APIChat)}
	var answers atomic.Int64
	return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		resp, err := wires[answers.Load()%2].Generate(ctx, req, sink)
		if err == nil {
			answers.Add(1)
		}
		return resp, err
	})
}

// Loopback returns a seat over a real port. It cannot run in a bubble.
func Loopback() Seat {
	return Seat{"loopback", false, func(_ *testing.T, m *llmtest.Model) llm.Model {
		return openai.Config{BaseURL: m.Serve().BaseURL, Key: "k", Retry: retries}.Model("m")
	}}
}

func client(h *http.Client, api openai.API) llm.Model {
	return openai.Config{HTTPClient: h, API: api, Key: "k", Retry: retries}.Model("m")
}
