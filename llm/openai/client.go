package openai

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/netguard"
	"github.com/seed-916e8f6a/toolloop/internal/secret"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// client is the model inside the retries. One Generate makes one HTTP request,
// or two if the refusal of the first request changed the profile.
type client struct {
	Config   // embedded for its Format and LogValue: a printed Model must not show the key
	name     string
	env      func() environment // read once
	dialects dialects
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
	a := &generation{client: c, req: req, model: model}
	a.emit = emitter(ctx, req, a.recording(sink))
	return a.send(ctx)
}

// send makes one HTTP request and reads the response.
func (c *client) send(ctx context.Context, req *llm.Request, model string, e encoding, emit func(llm.Delta) error) (*llm.Response, error) {
	w := newTimeLimits(ctx, c.Config)
	defer w.stop()
	hreq, err := c.request(w.ctx, model, e)
	if err != nil {
		return nil, c.failed(ctx, w, nil, err)
	}
	w.startFirstByte()
	resp, err := c.do(hreq)
	if err != nil {
		return nil, c.failed(ctx, w, hreq, err)
	}
	defer resp.Body.Close()
	x := &responseReader{client: c, model: model, limits: w, caller: ctx, req: hreq, resp: resp, body: c.sizedReader(w.reader(resp.Body))}
	out, err := x.response(e.api, req, emit)
	if err != nil {
		return nil, c.failed(ctx, w, hreq, err)
	}
	return out, nil
}

// response reads the response in the form of the API of the request.
func (x *responseReader) response(api API, req *llm.Request, emit func(llm.Delta) error) (*llm.Response, error) {
	if api == APIResponses {
		return x.readResponses(newResponsesAnswer(originOf(x.req.URL), req.MaxOutputTokens, emit))
	}
	return x.completion(newCompletion(req.Tools, emit))
}

// emitter passes the deltas of a streamed response to the sink, and notices of any
// response. After each delta, emitter checks ctx.
func emitter(ctx context.Context, req *llm.Request, sink func(llm.Delta)) func(llm.Delta) error {
	if sink == nil {
		return func(llm.Delta) error { return nil }
	}
	return func(d llm.Delta) error {
		if _, notice := d.(llm.Notice); !notice && !req.Stream {
			return nil
		}
		sink(d)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return nil
	}
}

func (c *client) sizedReader(r io.Reader) io.Reader {
	return &sizedReader{r, size(c.MaxResponseBytes, DefaultMaxResponseBytes, math.MaxInt64)}
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

// request makes the HTTP request with a body that can be read again.
func (c *client) request(ctx context.Context, model string, e encoding) (*http.Request, error) {
	env := c.env()
	if c.AzureAPIVersion != "" && env.baseURL == DefaultBaseURL {
		return nil, errors.New("openai: AzureAPIVersion needs a BaseURL")
	}
	u, err := endpoint(env.baseURL, c.AzureAPIVersion, model, e.api)
	if err != nil {
		return nil, err
	}
	header, err := c.header(ctx, env, u)
	if err != nil {
		return nil, err
	}
	hreq := (&http.Request{
		Method: http.MethodPost, URL: u, Header: header, Host: header.Get("Host"),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: e.body.size(), GetBody: e.body.open,
	}).WithContext(ctx)
	hreq.Body, err = e.body.open()
	return hreq, err
}

func (c *client) header(ctx context.Context, env environment, u *url.URL) (http.Header, error) {
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

// http returns the HTTP client to send with. The client reports redirects and
// does not follow them: a redirect would send the conversation, or half of it,
// to another host.
func (c *client) http() *http.Client {
	var h http.Client
	if c.HTTPClient != nil {
		h = *c.HTTPClient // a copy: the caller's stays as it is
		if h.Transport == nil {
			h.Transport = guarded{http.DefaultTransport}
		}
	} else {
		h.Transport = guarded{sharedTransport()}
	}
	if h.CheckRedirect == nil {
		h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return &h
}

// connectTimeout limits the wait for a connection. A connection comes soon or
// not at all.
const connectTimeout = 10 * time.Second

// sharedTransport is http.DefaultTransport with a shorter wait for connections,
// room for many calls to one host, and pings that notice a dead peer. A
// RoundTripper of another type in http.DefaultTransport is used unchanged.
var sharedTransport = sync.OnceValue(func() http.RoundTripper {
	def, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t := def.Clone()
	t.DialContext = (&net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}).DialContext
	t.MaxIdleConnsPerHost = t.MaxIdleConns
	t.MaxResponseHeaderBytes = 1 << 20
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}
	return t
})

// guarded checks each request with the network guard of tests. A check at each
// dial would miss open connections and connections to a proxy.
type guarded struct{ http.RoundTripper }

func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, ours := g.RoundTripper.(*http.Transport); !ours {
		return g.RoundTripper.RoundTrip(r) // a replacement of the network, such as a fake
	}
	if err := netguard.Check(r.URL); err != nil {
		_ = r.Body.Close() // as a RoundTripper does
		return nil, err
	}
	return g.RoundTripper.RoundTrip(r)
}

// String names the model and hides the configuration.
func (c *client) String() string { return fmt.Sprintf("openai.Model(%q)", c.name) }

// Format implements [fmt.Formatter].
func (c *client) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.String()) }
