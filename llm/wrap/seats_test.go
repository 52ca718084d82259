package wrap_test

import (
	"context"
	"testing"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// A seat makes a model of a script.
type seat func(t *testing.T, steps ...llmtest.Step) llm.Model

// seats are all ways from a model to a script: in process, and on both wires over a
// transport and over a server.
func seats() map[string]seat {
	config := func(api openai.API) openai.Config {
		return openai.Config{Key: "k", API: api, Retry: wrap.Retry{Attempts: 1}}
	}
	transport := func(api openai.API) seat {
		return func(t *testing.T, steps ...llmtest.Step) llm.Model {
			c := config(api)
			c.HTTPClient = llmtest.Script(t, steps...).Client()
			return c.Model("m")
		}
	}
	server := func(api openai.API) seat {
		return func(t *testing.T, steps ...llmtest.Step) llm.Model {
			c := config(api)
			c.BaseURL = llmtest.Script(t, steps...).Serve().BaseURL
			return c.Model("m")
		}
	}
	return map[string]seat{
		"in process":           func(t *testing.T, steps ...llmtest.Step) llm.Model { return llmtest.Script(t, steps...) },
		"transport, chat":      transport(openai.APIChat),
		"transport, responses": transport(openai.APIResponses),
		"server, chat":         server(openai.APIChat),
		"server, responses":    server(openai.APIResponses),
	}
}

// inAllSeats runs f in each seat.
func inAllSeats(t *testing.T, f func(t *testing.T, script seat)) {
	t.Helper()
	for name, script := range seats() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, script)
		})
	}
}

// holds checks a wrapper against the contract of models, in each seat.
func holds(t *testing.T, wrapped func(t *testing.T, m llm.Model) llm.Model) {
	t.Helper()
	inAllSeats(t, func(t *testing.T, script seat) {
		llmtest.TestModel(t, func(t *testing.T, steps ...llmtest.Step) llm.Model { return wrapped(t, script(t, steps...)) })
	})
}

// down is a model that is always overloaded.
func down(ctx context.Context, _ *llm.Request, _ func(llm.Delta)) (*llm.Response, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, overloaded
}
