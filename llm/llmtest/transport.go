package llmtest

import (
	"context"
	"net/http"
	"strings"
)

// RoundTrip implements [http.RoundTripper]: the script answers like a provider at the
// URL of the request, at any host. The path must end in /chat/completions or
// /responses. RoundTrip uses no connection and no goroutine: RoundTrip itself waits
// until the header is due, and each Read of the body waits until the next bytes are
// due. Therefore the transport keeps exact time in a bubble of testing/synctest.
//
// The checks and the answers are the same as in a [Server] without Key and Models.
func (m *Model) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r = r.Clone(r.Context()) // a RoundTripper leaves its request as it is
		r.Body = http.NoBody
	}
	defer r.Body.Close()
	if r.Context().Err() != nil {
		return nil, context.Cause(r.Context())
	}
	s := &Server{Model: m}
	p := s.reply(r, isChat(r))
	if p == nil {
		return nil, context.Cause(r.Context())
	}
	return p.response(r)
}

// Client returns an HTTP client with this Model as its transport, for example for
// openai.Config.HTTPClient. The script answers all requests of the client.
func (m *Model) Client() *http.Client { return &http.Client{Transport: m} }

// isChat reports whether the path is a path of Chat Completions or the Responses API,
// under any prefix.
func isChat(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/chat/completions") || strings.HasSuffix(r.URL.Path, "/responses")
}
