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

// A reply is a response of HTTP. If it is that to a request of the protocol, nothing else
// answers the request: whatever request an error names, it is the error of this one.
type reply struct {
	web    *web
	to     *sending
	id     jsonrpc.ID // of the request; not valid: it answers none
	req    *http.Request
	status string
	ok     bool

	answered atomic.Bool
	odd      string // what came of a stream in the place of the answer; "": nothing
}

// newReply finds the request that a response answers. Whoever asks for the rest of a
// stream waits for the answer that was to come in it.
func (w *web) newReply(s *sending, asked *jsonrpc.Request, req *http.Request, resp *http.Response) *reply {
	status := strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", http.StatusText(resp.StatusCode)))
	r := &reply{web: w, to: s, req: req, status: status, ok: resp.StatusCode/100 == 2}
	if asked != nil {
		r.id = asked.ID
		if asked.Method == listens {
			r.to = new(sending) // its stream ends with the connection
		}
	} else if first, ok := req.Context().Value(sendingKey{}).(*sending); ok && req.Header.Get(lastEventHeader) != "" {
		if id := first.id.Load(); id != nil {
			r.to, r.id = first, *id
		}
	}
	return r
}

// rewrite lets the tap see the messages of a response, and gives the SDK an answer that
// it can read.
func (r *reply) rewrite(resp *http.Response) {
	from, kind := resp.Body, contentType(resp)
	switch {
	case kind == typeJSON:
		resp.Body = &body{Reader: &message{reply: r, from: from}, Closer: from}
	case kind == typeEvents:
		resp.Body = &body{Reader: newEvents(r, from), Closer: from}
	case r.ok && r.id.IsValid():
		resp.Body = &body{Reader: &message{reply: r, from: from, oddity: oddity(kind), kind: kind}, Closer: from}
		resp.StatusCode, resp.Status = http.StatusOK, "200 OK"
		resp.Header.Set("Content-Type", typeJSON)
	default:
		resp.Body = &body{Reader: io.LimitReader(from, int64(r.web.limit)), Closer: from}
	}
	resp.ContentLength = -1
	resp.Header.Del("Content-Length")
}

// oddity says what is odd about a type of content that is not of the protocol.
func oddity(kind string) string {
	if kind == "" {
		return "without a content type"
	}
	return "with " + line(kind, 64) + ", which is not of the protocol"
}

// A message is a body with one message.
type message struct {
	*reply
	from io.ReadCloser
	rest *bytes.Reader // nil: not read

	oddity, kind string // of a body that is no message; "": it may be one
}

func (m *message) Read(p []byte) (int, error) {
	if m.rest == nil {
		text, err := m.read()
		if err != nil {
			return 0, err
		}
		m.rest = bytes.NewReader(text)
	}
	return m.rest.Read(p)
}

func (m *message) read() ([]byte, error) {
	if m.oddity != "" { // its first words will do, if they come soon
		defer time.AfterFunc(patience, func() { _ = m.from.Close() }).Stop()
		text, _ := io.ReadAll(io.LimitReader(m.from, maxErrorText))
		return m.noMessage(m.oddity, errorWords(m.kind, text)), nil
	}
	text, err := io.ReadAll(io.LimitReader(m.from, int64(m.web.limit)+1))
	if err != nil {
		return nil, err
	}
	if len(text) > m.web.limit {
		return nil, m.web.tooLarge()
	}
	return m.whole(text), nil
}

// noMessage is the answer in the place of a body that is none.
func (r *reply) noMessage(how, said string) []byte {
	refusal := refused(r.req, r.status, how, said)
	r.to.refusal.Store(refusal)
	return r.encode(&jsonrpc.Response{ID: r.id, Error: noAnswer("the server answered " + refusal.answer())})
}

func (r *reply) encode(m jsonrpc.Message) []byte {
	text, _ := jsonrpc.EncodeMessage(m) // it was decoded from JSON, or written by us
	return text
}

// whole is what the SDK is to read in the place of a body.
func (r *reply) whole(text []byte) []byte {
	if !r.id.IsValid() {
		return text
	}
	var other *jsonrpc.Response
	for _, one := range batch(bytes.TrimSpace(text)) {
		m, _ := readMessage(one) // what is no message is told below
		r.web.tap.hear(m)
		answer, ok := m.(*jsonrpc.Response)
		switch {
		case !ok:
		case r.names(answer):
			return r.take(answer)
		case other == nil || answer.Error != nil:
			other = answer
		}
	}
	switch {
	case !r.ok:
		return text // its status says what became of the request
	case other == nil:
		return r.noMessage("with what is no message", errorWords(typeJSON, text))
	case other.Error == nil:
		other.Error = noAnswer(strayText(other))
	}
	return r.take(other)
}

// names reports whether an answer names the request, if only by the text of its number.
func (r *reply) names(m *jsonrpc.Response) bool {
	return m.ID == r.id || text(m.ID) == fmt.Sprint(r.id.Raw())
}

// take makes an answer that of the request.
func (r *reply) take(m *jsonrpc.Response) []byte {
	r.answered.Store(true)
	m.ID = r.id
	r.web.tap.take(m, r.to)
	return r.encode(m)
}

// event is what the SDK is to read in the place of an event: messages, or nothing.
func (r *reply) event(name string, data []byte) (all [][]byte) {
	switch {
	case name == "error" && r.id.IsValid():
		said := errorWords(typePlain, data)
		return [][]byte{r.take(&jsonrpc.Response{Error: noAnswer("the server broke its answer off with an error: " + said)})}
	case len(data) == 0 || name != "" && name != "message":
		return [][]byte{data}
	}
	for _, one := range batch(bytes.TrimSpace(data)) {
		m, err := readMessage(one)
		r.web.tap.hear(m)
		answer, ok := m.(*jsonrpc.Response)
		switch {
		case err != nil:
			r.note("the server answered with what is no message: " + errorWords(typePlain, one))
		case !ok:
			all = append(all, r.encode(m))
		case r.names(answer):
			all = append(all, r.take(answer))
		default:
			all = append(all, r.stray(answer)...)
		}
	}
	return all
}

// stray places an answer in a stream that does not name the request of the stream.
func (r *reply) stray(m *jsonrpc.Response) [][]byte {
	if s := r.web.tap.answer(m); s != nil { // some servers answer in another stream
		r.web.tap.take(m, s)
		return [][]byte{r.encode(m)}
	}
	switch {
	case !r.id.IsValid():
		return nil
	case m.Error != nil && !isNoAnswer(m.Error):
		return [][]byte{r.take(m)}
	}
	r.note(strayText(m))
	time.AfterFunc(patience, func() {
		if !r.answered.Load() && r.to.fail != nil {
			r.to.fail(noAnswer(strayText(m)))
		}
	})
	return nil
}

// note keeps what came in the place of an answer, which may come yet.
func (r *reply) note(odd string) {
	if r.odd == "" {
		r.odd = odd
	}
}

// end is the answer of a stream that has ended without one; nil: there was one, or the
// SDK says what is to be said.
func (r *reply) end() []byte {
	if r.odd == "" || !r.id.IsValid() || r.answered.Load() {
		return nil
	}
	return r.take(&jsonrpc.Response{Error: noAnswer(r.odd)})
}
