package llmtest

import (
	"context"
	"net/http"
	"strings"
)

// RoundTrip implements [http.RoundTripper]: the script answers as a provider
// would that is at the URL of the request, whichever host that is. The path ends
// in /chat/completions or /responses. There is no connection and no goroutine: RoundTrip waits
// until the header would come, and each Read of the body until its next bytes
// would. So it keeps exact time in a bubble of testing/synctest.
//
// What it checks and what it sends is that of a [Server] without Key and Models.
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

// Client returns an HTTP client whose every request the script answers, for
// clients that take one, such as openai.Config.HTTPClient.
func (m *Model) Client() *http.Client { return &http.Client{Transport: m} }

// isChat tells requests for an answer of a model, wherever the API stands.
func isChat(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/chat/completions") || strings.HasSuffix(r.URL.Path, "/responses")
}
