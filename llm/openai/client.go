package openai

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/seed-916e8f6a/toolloop/internal/batched"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// client is the model inside the retries. One Generate makes one HTTP request,
// or two if the refusal of the first request changed the profile.
type client struct {
	Config   // embedded for its Format and LogValue: a printed Model must not show the key
	name     string
	env      func() environment // read once
	dialects dialects
	routes   routes
}

// environment holds the settings of a Config that can come from environment
// variables.
type environment struct{ baseURL, key, organization, project string }

func newClient(c Config, name string) *client {
	return &client{Config: c, name: name, env: sync.OnceValue(func() environment {
		return environment{
			baseURL:      orEnv(c.BaseURL, "OPENAI_BASE_URL", DefaultBaseURL),
			key:          orEnv(c.Key, "OPENAI_API_KEY", ""),
			organization: orEnv(c.Organization, "OPENAI_ORG_ID", ""),
			project:      orEnv(c.Project, "OPENAI_PROJECT_ID", ""),
		}
	})}
}

func orEnv(value, name, def string) string {
	return cmp.Or(strings.TrimSpace(value), cmp.Or(strings.TrimSpace(os.Getenv(name)), def))
}

// Generate implements [llm.Model].
func (c *client) Generate(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
	return c.generate(ctx, req, sink, false)
}

// GenerateBatches implements the method of package batched.
func (c *client) GenerateBatches(ctx context.Context, req *llm.Request, sink func(llm.Delta), _ batched.Request) (*llm.Response, error) {
	return c.generate(ctx, req, sink, true)
}

func (c *client) generate(ctx context.Context, req *llm.Request, sink func(llm.Delta), batches bool) (*llm.Response, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := req.Validate(); err != nil {
		return nil, err
	}
	model := cmp.Or(req.Model, c.name)
	if model == "" {
		return nil, errors.New("openai: the request names no model, and neither does Model")
	}
	a := newGeneration(ctx, c)
	a.client, a.req, a.model, a.ctx, a.sink = c, req, model, ctx, sink
	a.first.answer.batches = batches
	resp, err := a.send(ctx)
	if err == nil {
		a.release()
	}
	return resp, err
}

// response reads the response in the form of the API of the request. a is new.
func (x *responseReader) response(a *completion, api API, req *llm.Request, emit func(llm.Delta) error) (*llm.Response, error) {
	if api == APIResponses {
		return x.readResponses(newResponsesAnswer(originOf(x.req.URL), req.MaxOutputTokens, emit))
	}
	a.emit, a.calls.declared, a.silent = emit, req.Tools, !req.Stream
	return x.completion(a)
}

// size returns a byte limit of Config with its default.
func size(n, def, unlimited int64) int64 {
	switch {
	case n < 0:
		return unlimited
	case n == 0:
		return def
	}
	return n
}

// String names the model and hides the configuration.
func (c *client) String() string { return fmt.Sprintf("openai.Model(%q)", c.name) }

// Format implements [fmt.Formatter]. With the flag +, the text has the server, too: traces
// name the server.
func (c *client) Format(s fmt.State, _ rune) {
	text := c.String()
	if s.Flag('+') {
		if u, err := url.Parse(c.env().baseURL); err == nil && u.Host != "" {
			text = strings.TrimSuffix(text, ")") + " at " + originOf(u) + ")"
		}
	}
	_, _ = io.WriteString(s, text)
}
