package openai

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/seed-916e8f6a/toolloop/internal/secret"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A route is where requests for a model go, and their header. Both are made once and never
// changed.
type route struct {
	url    *url.URL
	header http.Header // nil if Config.Token makes a header for each request
	gzip   bool        // the header asks for gzip; not with Config.Token
	bare   *bareRoute
}

// routes holds the routes of a client. It is safe for concurrent use.
type routes struct {
	mu   sync.Mutex
	made map[routeKey]*route
}

type routeKey struct {
	model string // which the URL of Azure names
	api   API
}

// route returns the route of requests for a model on an API.
func (c *client) route(model string, api API) (*route, error) {
	if c.AzureAPIVersion == "" {
		model = ""
	}
	key := routeKey{model, api}
	c.routes.mu.Lock()
	defer c.routes.mu.Unlock()
	if r := c.routes.made[key]; r != nil {
		return r, nil
	}
	r, err := c.makeRoute(key)
	if err != nil {
		return nil, err
	}
	if c.routes.made == nil {
		c.routes.made = map[routeKey]*route{}
	}
	c.routes.made[key] = r
	return r, nil
}

func (c *client) makeRoute(key routeKey) (r *route, err error) {
	env := c.env()
	if c.AzureAPIVersion != "" && env.baseURL == DefaultBaseURL {
		return nil, errors.New("openai: AzureAPIVersion needs a BaseURL")
	}
	r = new(route)
	if r.url, err = endpoint(env.baseURL, c.AzureAPIVersion, key.model, key.api); err != nil {
		return nil, err
	}
	if c.Token == nil {
		if r.header, err = c.header(context.Background(), r.url); err == nil {
			if r.gzip = c.askGzip(r.header); r.gzip {
				r.bare = newBareRoute(r.url, r.header)
			}
		}
	}
	return r, err
}

func (c *client) header(ctx context.Context, u *url.URL) (http.Header, error) {
	env := c.env()
	h := http.Header{
		"Content-Type": {"application/json"},
		"Accept":       {"application/json, text/event-stream"},
		"User-Agent":   {"toolloop"},
	}
	setIf(h, "Openai-Organization", env.organization)
	setIf(h, "Openai-Project", env.project)
	if err := c.authorize(ctx, h, env); err != nil {
		return nil, err
	}
	for name, values := range c.Header {
		name = http.CanonicalHeaderKey(name)
		h[name] = slices.Clone(values)
		if len(values) == 0 && name != "User-Agent" { // otherwise Go sends its own User-Agent
			delete(h, name)
		}
	}
	if err := checkHeader(h); err != nil {
		return nil, err
	}
	if u.Hostname() == "api.openai.com" && h.Get("Authorization") == "" && u.User == nil {
		return nil, &llm.APIError{Kind: llm.KindAuth, Provider: provider, Message: "no API key: set OPENAI_API_KEY, Config.Key or Config.Token"}
	}
	return h, nil
}

// checkHeader finds headers that HTTP cannot send. The transport's error for
// such a header looks like a network error.
func checkHeader(h http.Header) error {
	for name, values := range h {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }) {
			return fmt.Errorf("openai: %q is not a name of a header", name)
		}
		for _, v := range values {
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return fmt.Errorf("openai: the value of the header %q holds a line break or another control character", name)
			}
		}
	}
	return nil
}

func setIf(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}

func (c *client) authorize(ctx context.Context, h http.Header, env environment) error {
	key, azure := env.key, c.AzureAPIVersion != ""
	if c.Token != nil {
		token, err := c.Token(ctx)
		if err != nil {
			text := secret.Redact(err.Error())
			if b, ok := errors.AsType[*timeoutError](context.Cause(ctx)); ok {
				text += ": " + b.Error()
			}
			return &llm.APIError{Kind: llm.KindAuth, Provider: provider, Message: "Config.Token: " + text, Err: err}
		}
		key, azure = strings.TrimSpace(token), false
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return &llm.APIError{Kind: llm.KindAuth, Provider: provider, Message: "the API key holds a line break or another control character"}
	}
	switch {
	case key == "":
	case azure:
		h.Set("Api-Key", key)
	default:
		h.Set("Authorization", "Bearer "+key)
	}
	return nil
}
