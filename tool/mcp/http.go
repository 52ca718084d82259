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

// An httpTransport makes the HTTP requests of one connection. It adds the headers of
// the server, shows every message to the tap, and repairs responses for the SDK.
type httpTransport struct {
	base   http.RoundTripper
	home   *url.URL
	header map[string]string
	tap    *tap
	limit  int
	conn   *connection
	oauth  bool // an OAuthHandler is set; it reports refused tokens itself
}

func (l *link) httpClient(conn *connection, tap *tap, t *sdk.StreamableClientTransport) *http.Client {
	var client http.Client
	if t.HTTPClient != nil {
		client = *t.HTTPClient
	}
	w := &httpTransport{base: client.Transport, header: l.server.Header, tap: tap, limit: l.server.MaxMessage, conn: conn, oauth: t.OAuthHandler != nil}
	if w.base == nil {
		w.base = http.DefaultTransport
	}
	w.home, _ = url.Parse(t.Endpoint) // the request fails on an invalid URL, so home is not needed
	client.Transport = w
	return &client
}

const (
	sessionHeader   = "Mcp-Session-Id"
	lastEventHeader = "Last-Event-ID" // of a stream that is resumed
	// maxStreamStart bounds the wait for the response headers of the stream of the
	// server's own messages, because some servers never send the headers. Without the
	// stream we do not receive these messages.
	maxStreamStart = 10 * time.Second
	// maxErrorBody is how many bytes of an error response are read.
	maxErrorBody = 64 << 10
)

func (w *httpTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	stop := context.AfterFunc(w.conn.ctx, cancel)
	end := func() { stop(); cancel() }
	own := req.Clone(ctx)
	if w.isHome(req.URL) {
		for name, value := range w.header {
			own.Header.Set(name, value)
		}
	} else { // redirected to another host
		own.Header.Del(sessionHeader)
	}
	m := messageOf(req)
	s := deliveryOf(req.Context(), m)
	s.refusal.Store(nil) // it belongs to an earlier request
	asked := s.rewritten(m)
	if s.rewrite != nil {
		if err := repost(own, asked); err != nil {
			end()
			return nil, err
		}
	}
	if asked != nil {
		w.tap.pending.add(asked, s)
	}
	resp, err := w.send(s, own, cancel)
	if err != nil {
		end()
		if isStream(req) && w.conn.ctx.Err() == nil && req.Context().Err() == nil {
			return noStream(req), nil
		}
		return nil, err
	}
	resp.Body = &body{Reader: resp.Body, Closer: resp.Body, end: end}
	r := w.newReply(s, asked, req, resp)
	s.refusal.Store(w.refusal(r, resp, w.inspectStatus(s, req, resp)))
	r.rewrite(resp)
	return resp, nil
}

// isStream reports whether a request opens the stream of the server's own messages. A
// GET with a Last-Event-ID resumes a response.
func isStream(req *http.Request) bool {
	return req.Method == http.MethodGet && req.Header.Get(lastEventHeader) == ""
}

// send makes a request, and records whether the request may have reached the server.
func (w *httpTransport) send(s *delivery, req *http.Request, cancel func()) (*http.Response, error) {
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
		s.status.Store(0) // the status belongs to an earlier attempt
	}
	return resp, err
}

// messageOf returns the message that a request posts, or nil if the body is not a
// message.
func messageOf(req *http.Request) jsonrpc.Message {
	if req.Method != http.MethodPost || req.GetBody == nil || req.Context().Value(deliveryKey{}) == nil {
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

// repost replaces the message that a request posts.
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

// isHome reports whether the request goes to the server's own host, over the same or a
// safer scheme.
func (w *httpTransport) isHome(u *url.URL) bool {
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

// isUnsent reports whether err proves that the request did not reach the server.
func isUnsent(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op == "dial"
	}
	_, noHost := errors.AsType[*net.DNSError](err)
	return noHost
}

// noStream makes the response of a server that does not offer the stream.
func noStream(req *http.Request) *http.Response {
	return &http.Response{
		Status: "405 Method Not Allowed", StatusCode: http.StatusMethodNotAllowed, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: req,
	}
}

// inspectStatus records what the status says about a call, and returns the server's
// error message. Servers report an unknown session in several ways: with 404, as the
// protocol requires, but with a body that the SDK takes for the result of the call; or
// with 400.
func (w *httpTransport) inspectStatus(s *delivery, req *http.Request, resp *http.Response) (said string) {
	s.status.Store(int32(resp.StatusCode)) //nolint:gosec // the status has three digits
	if resp.StatusCode < 400 {
		return ""
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	resp.Body = &body{Reader: bytes.NewReader(text), Closer: resp.Body}
	inSession := req.Method == http.MethodPost && req.Header.Get(sessionHeader) != ""
	unknown := resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusBadRequest && isSessionError(text)
	if inSession && unknown {
		s.sessionLost.Store(true)
		resp.StatusCode, resp.Status = http.StatusNotFound, "404 Not Found"
		resp.Body = &body{Reader: http.NoBody, Closer: resp.Body}
	}
	return errorText(contentType(resp), text)
}

// isSessionError reports whether a body is an error about the session, and not the
// response to a request.
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

// refusal returns an error if the response cannot come from a working server of the
// protocol, else nil. A redirect is followed, so it is not a refusal.
func (w *httpTransport) refusal(r *httpReply, resp *http.Response, said string) *refusal {
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
	return refused(r.req, r.status, contentTypeProblem(kind), "")
}

// refused makes a refusal. The address is shown without query.
func refused(req *http.Request, status, how, said string) *refusal {
	u := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path, RawPath: req.URL.RawPath}
	return &refusal{address: u.String(), status: strings.TrimSpace(status + " " + how), serverText: said}
}

// tooLarge aborts the connection.
func (w *httpTransport) tooLarge() error {
	err := fmt.Errorf("a message of the server has more than %d bytes", w.limit)
	w.conn.fail(err)
	return err
}

// A body calls end when it is closed.
type body struct {
	io.Reader
	io.Closer
	end func() // may be nil
}

func (b *body) Close() error {
	err := b.Closer.Close()
	if b.end != nil {
		b.end()
	}
	return err
}
