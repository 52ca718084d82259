package mcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// A web makes the requests of one connection over HTTP.
type web struct {
	base   http.RoundTripper
	home   *url.URL
	header map[string]string
	tap    *tap
	limit  int
	live   *live
	oauth  bool // somebody gets tokens, and says why there is none
}

func (l *link) httpClient(lv *live, tap *tap, t *sdk.StreamableClientTransport) *http.Client {
	var client http.Client
	if t.HTTPClient != nil {
		client = *t.HTTPClient
	}
	w := &web{base: client.Transport, header: l.server.Header, tap: tap, limit: l.server.MaxMessage, live: lv, oauth: t.OAuthHandler != nil}
	if w.base == nil {
		w.base = http.DefaultTransport
	}
	w.home, _ = url.Parse(t.Endpoint) // who cannot be parsed is no home, and cannot be asked
	client.Transport = w
	return &client
}

const (
	sessionHeader   = "Mcp-Session-Id"
	lastEventHeader = "Last-Event-ID" // of a stream that goes on
	// maxStreamStart is how long a server may take to say that it has a stream of
	// its own messages; some never say it. Without one its messages are not heard.
	maxStreamStart = 10 * time.Second
	// maxErrorBody is how much is read of a response that is an error, in bytes.
	maxErrorBody = 64 << 10
)

func (w *web) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	stop := context.AfterFunc(w.live.ctx, cancel)
	end := func() { stop(); cancel() }
	own := req.Clone(ctx)
	if w.isHome(req.URL) {
		for name, value := range w.header {
			own.Header.Set(name, value)
		}
	} else { // a redirect leads elsewhere
		own.Header.Del(sessionHeader)
	}
	m := messageOf(req)
	s := sendingOf(req.Context(), m)
	s.refusal.Store(nil) // it was of another request
	asked := s.own(m)
	if s.as != nil {
		if err := repost(own, asked); err != nil {
			end()
			return nil, err
		}
	}
	if asked != nil {
		w.tap.asked(asked, s)
	}
	resp, err := w.send(s, own, cancel)
	if err != nil {
		end()
		if isStream(req) && w.live.ctx.Err() == nil && req.Context().Err() == nil {
			return noStream(req), nil
		}
		return nil, err
	}
	resp.Body = &body{Reader: resp.Body, Closer: resp.Body, end: end}
	r := w.newReply(s, asked, req, resp)
	s.refusal.Store(w.refusal(r, resp, w.judge(s, req, resp)))
	r.rewrite(resp)
	return resp, nil
}

// isStream reports whether a request is for the server's own messages; another one
// takes an answer up again.
func isStream(req *http.Request) bool {
	return req.Method == http.MethodGet && req.Header.Get(lastEventHeader) == ""
}

// send makes a request, and notes whether it may have reached the server.
func (w *web) send(s *sending, req *http.Request, cancel func()) (*http.Response, error) {
	if isStream(req) {
		defer time.AfterFunc(maxStreamStart, cancel).Stop()
	}
	before := s.sent.Swap(true)
	resp, err := w.base.RoundTrip(req)
	switch {
	case err == nil:
	case isUnsent(err):
		s.sent.Store(before)
	default:
		s.status.Store(0) // what an earlier attempt was told is not of this one
	}
	return resp, err
}

// messageOf returns what a request posts; nil if that is no message.
func messageOf(req *http.Request) jsonrpc.Message {
	if req.Method != http.MethodPost || req.GetBody == nil || req.Context().Value(sendingKey{}) == nil {
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil
	}
	defer body.Close()
	text, _ := io.ReadAll(body)
	m, err := jsonrpc.DecodeMessage(text)
	if err != nil {
		return nil
	}
	return m
}

// repost puts a message in the place of what a request posts.
func repost(req *http.Request, m jsonrpc.Message) error {
	_ = req.Body.Close()
	text, err := jsonrpc.EncodeMessage(m)
	if err != nil {
		return err
	}
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	req.Body, _ = req.GetBody()
	req.ContentLength = int64(len(text))
	return nil
}

// isHome reports whether the server's own host is asked, and no less safely.
func (w *web) isHome(u *url.URL) bool {
	if w.home == nil || !strings.EqualFold(u.Hostname(), w.home.Hostname()) {
		return false
	}
	if u.Scheme == w.home.Scheme {
		return port(u) == port(w.home)
	}
	return u.Scheme == "https" && port(u) == "443" && port(w.home) == "80"
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// isUnsent reports whether an error is of a request that did not reach the server.
func isUnsent(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op == "dial"
	}
	_, noHost := errors.AsType[*net.DNSError](err)
	return noHost
}

// noStream says that there is no stream, as a server may.
func noStream(req *http.Request) *http.Response {
	return &http.Response{
		Status: "405 Method Not Allowed", StatusCode: http.StatusMethodNotAllowed, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: req,
	}
}

// judge notes what the status says of a call. Servers tell in several ways that
// they do not know the session: with 404, as the protocol has it, but with a body that
// the SDK takes for the answer to the call, or with 400. The words of an error are
// returned.
func (w *web) judge(s *sending, req *http.Request, resp *http.Response) (said string) {
	s.status.Store(int32(resp.StatusCode)) //nolint:gosec // it has three digits
	if resp.StatusCode < 400 {
		return ""
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	resp.Body = &body{Reader: bytes.NewReader(text), Closer: resp.Body}
	inSession := req.Method == http.MethodPost && req.Header.Get(sessionHeader) != ""
	unknown := resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusBadRequest && isSessionError(text)
	if inSession && unknown {
		s.lost.Store(true)
		resp.StatusCode, resp.Status = http.StatusNotFound, "404 Not Found"
		resp.Body = &body{Reader: http.NoBody, Closer: resp.Body}
	}
	return errorWords(contentType(resp), text)
}

// isSessionError reports whether the body of a response is an error about the
// session, and no answer to a request.
func isSessionError(text []byte) bool {
	m, err := readMessage(text)
	answer, ok := m.(*jsonrpc.Response)
	return err == nil && ok && answer.Error != nil && answer.ID == readID(nil) && strings.Contains(strings.ToLower(answer.Error.Error()), "session")
}

const typeJSON, typeEvents, typePlain = "application/json", "text/event-stream", "text/plain"

func contentType(resp *http.Response) string {
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return strings.TrimSpace(strings.ToLower(kind))
}

// refusal says what a response is that no server of the protocol gives to whom it
// serves; nil: it may be one. What follows from a redirect is another response.
func (w *web) refusal(r *reply, resp *http.Response, said string) *refusal {
	kind := contentType(resp)
	switch {
	case w.oauth && (resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden):
		return nil
	case resp.StatusCode/100 == 3 && resp.Header.Get("Location") != "":
		return nil
	case resp.StatusCode/100 != 2:
		return refused(r.req, r.status, "", said)
	case resp.StatusCode != http.StatusOK || kind == typeJSON || kind == typeEvents:
		return nil
	}
	return refused(r.req, r.status, oddity(kind), "")
}

// refused names the address without its query.
func refused(req *http.Request, status, how, said string) *refusal {
	u := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path, RawPath: req.URL.RawPath}
	return &refusal{address: u.String(), what: strings.TrimSpace(status + " " + how), said: said}
}

// tooLarge ends the connection.
func (w *web) tooLarge() error {
	err := fmt.Errorf("a message of the server has more than %d bytes", w.limit)
	w.live.fail(err)
	return err
}

// A body is one whose end is noticed.
type body struct {
	io.Reader
	io.Closer
	end func() // nil: nothing to do
}

func (b *body) Close() error {
	err := b.Closer.Close()
	if b.end != nil {
		b.end()
	}
	return err
}
