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

// retries are the same in each seat. They wait only for as long as the provider
// asks, so that times are exact.
var retries = wrap.Retry{MinDelay: -1, Restart: true}

// A Seat is a way in which a program meets a script.
type Seat struct {
	Name  string
	Exact bool // time is
	Model func(*testing.T, *llmtest.Model) llm.Model
}

// Seats are the seats that run in a bubble: in the process, and over both wires
// through an http.RoundTripper and over HTTP through a pipe. In the last seat the
// wire changes after every answer. The first seat is the simplest.
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

// changing is a model that asks over the other wire after each answer.
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

// Loopback is a real port, which no bubble admits.
func Loopback() Seat {
	return Seat{"loopback", false, func(_ *testing.T, m *llmtest.Model) llm.Model {
		return openai.Config{BaseURL: m.Serve().BaseURL, Key: "k", Retry: retries}.Model("m")
	}}
}

func client(h *http.Client, api openai.API) llm.Model {
	return openai.Config{HTTPClient: h, API: api, Key: "k", Retry: retries}.Model("m")
}
