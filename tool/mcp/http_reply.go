package mcp

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// An httpReply is an HTTP response. A reply to a request of the protocol is the only
// response to this request: even an error with a different id belongs to the request.
type httpReply struct {
	transport *httpTransport
	delivery  *delivery
	id        jsonrpc.ID // of the request; invalid if the reply does not belong to a request
	req       *http.Request
	status    string
	ok        bool

	answered atomic.Bool
	problem  string // the first invalid message in place of the response; "" means none
}

// newReply finds the request that a response belongs to. A GET that resumes a broken
// stream belongs to the request of the stream.
func (w *httpTransport) newReply(s *delivery, asked *jsonrpc.Request, req *http.Request, resp *http.Response) *httpReply {
	status := strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", http.StatusText(resp.StatusCode)))
	r := &httpReply{transport: w, delivery: s, req: req, status: status, ok: resp.StatusCode/100 == 2}
	if asked != nil {
		r.id = asked.ID
		if asked.Method == listens {
			r.delivery = new(delivery) // the stream lasts as long as the connection
		}
	} else if first, ok := req.Context().Value(deliveryKey{}).(*delivery); ok && req.Header.Get(lastEventHeader) != "" {
		if id := first.id.Load(); id != nil {
			r.delivery, r.id = first, *id
		}
	}
	return r
}

// rewrite shows the messages of a response to the tap, and gives the SDK a body that
// the SDK can read.
func (r *httpReply) rewrite(resp *http.Response) {
	from, kind := resp.Body, contentType(resp)
	switch {
	case kind == typeJSON:
		resp.Body = &body{Reader: &messageBody{reply: r, from: from}, Closer: from}
	case kind == typeEvents:
		resp.Body = &body{Reader: newEventStream(r, from), Closer: from}
	case r.ok && r.id.IsValid():
		resp.Body = &body{Reader: &messageBody{reply: r, from: from, problem: contentTypeProblem(kind), kind: kind}, Closer: from}
		resp.StatusCode, resp.Status = http.StatusOK, "200 OK"
		resp.Header.Set("Content-Type", typeJSON)
	default:
		resp.Body = &body{Reader: io.LimitReader(from, int64(r.transport.limit)), Closer: from}
	}
	resp.ContentLength = -1
	resp.Header.Del("Content-Length")
}

// contentTypeProblem describes a content type that the protocol does not allow.
func contentTypeProblem(kind string) string {
	if kind == "" {
		return "without a content type"
	}
	return "with " + line(kind, 64) + ", which the protocol does not allow"
}

// A messageBody is a body with one message.
type messageBody struct {
	reply *httpReply
	from  io.ReadCloser
	rest  *bytes.Reader // nil before the first Read

	problem, kind string // set if the content type is wrong
}

func (m *messageBody) Read(p []byte) (int, error) {
	if m.rest == nil {
		text, err := m.read()
		if err != nil {
			return 0, err
		}
		m.rest = bytes.NewReader(text)
	}
	return m.rest.Read(p)
}

func (m *messageBody) read() ([]byte, error) {
	if m.problem != "" { // a short quotation suffices, if it arrives soon
		defer time.AfterFunc(strayGrace, func() { _ = m.from.Close() }).Stop()
		text, _ := io.ReadAll(io.LimitReader(m.from, maxErrorText))
		return m.reply.invalidBody(m.problem, errorText(m.kind, text)), nil
	}
	text, err := io.ReadAll(io.LimitReader(m.from, int64(m.reply.transport.limit)+1))
	if err != nil {
		return nil, err
	}
	if len(text) > m.reply.transport.limit {
		return nil, m.reply.transport.tooLarge()
	}
	return m.reply.rewriteBody(text), nil
}

// invalidBody makes a failed response for a body that is not a message.
func (r *httpReply) invalidBody(how, said string) []byte {
	refusal := refused(r.req, r.status, how, said)
	r.delivery.refusal.Store(refusal)
	return r.encode(&jsonrpc.Response{ID: r.id, Error: invalidResponse("the server answered " + refusal.answer())})
}

func (r *httpReply) encode(m jsonrpc.Message) []byte {
	text, _ := jsonrpc.EncodeMessage(m) // cannot fail: we decoded or wrote the message
	return text
}

// rewriteBody returns the body that the SDK reads in place of text.
func (r *httpReply) rewriteBody(text []byte) []byte {
	if !r.id.IsValid() {
		return text
	}
	var other *jsonrpc.Response
	for _, one := range batch(bytes.TrimSpace(text)) {
		m, _ := readMessage(one) // invalid messages are reported below
		r.transport.tap.notify(m)
		answer, ok := m.(*jsonrpc.Response)
		switch {
		case !ok:
		case r.matches(answer):
			return r.accept(answer)
		case other == nil || answer.Error != nil:
			other = answer
		}
	}
	switch {
	case !r.ok:
		return text // the HTTP status reports the failure
	case other == nil:
		return r.invalidBody("with an invalid message", errorText(typeJSON, text))
	case other.Error == nil:
		other.Error = invalidResponse(strayText(other))
	}
	return r.accept(other)
}

// matches reports whether a response has the id of the request, as a number or as a
// string.
func (r *httpReply) matches(m *jsonrpc.Response) bool {
	return m.ID == r.id || stringID(m.ID) == fmt.Sprint(r.id.Raw())
}

// accept turns m into the response of this reply's request.
func (r *httpReply) accept(m *jsonrpc.Response) []byte {
	r.answered.Store(true)
	m.ID = r.id
	r.transport.tap.rewriteResponse(m, r.delivery)
	return r.encode(m)
}

// rewriteEvent returns the messages that the SDK reads in place of an event; there may
// be no messages.
func (r *httpReply) rewriteEvent(name string, data []byte) (all [][]byte) {
	switch {
	case name == "error" && r.id.IsValid():
		said := errorText(typePlain, data)
		return [][]byte{r.accept(&jsonrpc.Response{Error: invalidResponse("the server broke its answer off with an error: " + said)})}
	case len(data) == 0 || name != "" && name != "message":
		return [][]byte{data}
	}
	for _, one := range batch(bytes.TrimSpace(data)) {
		m, err := readMessage(one)
		r.transport.tap.notify(m)
		answer, ok := m.(*jsonrpc.Response)
		switch {
		case err != nil:
			r.note("the server answered with an invalid message: " + errorText(typePlain, one))
		case !ok:
			all = append(all, r.encode(m))
		case r.matches(answer):
			all = append(all, r.accept(answer))
		default:
			all = append(all, r.unmatched(answer)...)
		}
	}
	return all
}

// unmatched handles a response that does not belong to the request of this stream.
func (r *httpReply) unmatched(m *jsonrpc.Response) [][]byte {
	if s := r.transport.tap.pending.match(m); s != nil { // some servers respond in the wrong stream
		r.transport.tap.rewriteResponse(m, s)
		return [][]byte{r.encode(m)}
	}
	switch {
	case !r.id.IsValid():
		return nil
	case m.Error != nil && !isInvalidResponse(m.Error):
		return [][]byte{r.accept(m)}
	}
	r.note(strayText(m))
	time.AfterFunc(strayGrace, func() {
		if !r.answered.Load() && r.delivery.fail != nil {
			r.delivery.fail(invalidResponse(strayText(m)))
		}
	})
	return nil
}

// note records the first invalid message. A valid response may still follow.
func (r *httpReply) note(odd string) {
	if r.problem == "" {
		r.problem = odd
	}
}

// missingResponse returns a failed response if the stream ended without a response. It
// returns nil if there was a response, or if the SDK reports the end itself.
func (r *httpReply) missingResponse() []byte {
	if r.problem == "" || !r.id.IsValid() || r.answered.Load() {
		return nil
	}
	return r.accept(&jsonrpc.Response{Error: invalidResponse(r.problem)})
}
