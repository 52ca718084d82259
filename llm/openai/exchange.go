package openai

import (
	"context"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// An exchange is one HTTP request with its response. It holds by value what the request
// needs on its way, because each of these would be an allocation of its own.
type exchange struct {
	client *client
	limits timeLimits
	conn   connection
	hreq   http.Request
	body   body
	sent   bodyReader
	small  smallBody
	route  *bareRoute // nil: net/http sends the request
	bare   bareExchange
	timed  timedReader
	sized  sizedReader
	reader responseReader
	answer completion
	gzip   bool                          // the header asks for gzip
	again  func() (io.ReadCloser, error) // opens the body once more
}

// prepare makes the functions that hold x. It comes once.
func (x *exchange) prepare() {
	x.conn.prepare()
	x.bare.prepare()
	x.limits.ring = x.limits.check
	x.again = func() (io.ReadCloser, error) { return &bodyReader{rest: x.body}, nil }
}

// send makes one HTTP request and reads the response. x is prepared, and not used before.
func (x *exchange) send(ctx context.Context, c *client, req *llm.Request, model string, e encoding, emit func(llm.Delta) error) (*llm.Response, error) {
	x.client = c
	w := &x.limits
	w.start(ctx, &c.Config)
	defer w.stop()
	if err := x.request(model, e); err != nil {
		return nil, c.failed(ctx, w, nil, err)
	}
	w.startFirstByte()
	resp, err := x.do()
	if err != nil {
		return nil, c.failed(ctx, w, &x.hreq, err)
	}
	if x.gzip {
		unpacked(resp)
	}
	defer resp.Body.Close()
	x.timed = timedReader{limits: w, body: resp.Body}
	x.sized = sizedReader{&x.timed, size(c.MaxResponseBytes, DefaultMaxResponseBytes, math.MaxInt64)}
	x.reader = responseReader{client: c, model: model, limits: w, caller: ctx, req: &x.hreq, resp: resp, body: &x.sized}
	var sink *answerSink
	if e.answer != "" {
		req, sink = answered(e.answer, req, emit)
		emit, x.answer.batches = sink.add, false
	}
	out, err := x.reader.response(&x.answer, e.api, req, emit)
	if err != nil {
		return nil, c.failed(ctx, w, &x.hreq, err)
	}
	if sink != nil {
		if err := sink.end(out); err != nil {
			return nil, c.failed(ctx, w, &x.hreq, err)
		}
	}
	return out, nil
}

// request makes the HTTP request with a body that can be read again.
func (x *exchange) request(model string, e encoding) error {
	r, err := x.client.route(model, e.api)
	if err != nil {
		return err
	}
	header := r.header
	x.gzip = r.gzip
	if x.client.Token != nil {
		if header, err = x.client.header(x.limits.context(), r.url); err != nil {
			return err
		}
	}
	x.body, x.sent = e.body, bodyReader{rest: e.body}
	hreq := http.Request{
		Method: http.MethodPost, URL: r.url, Header: header, Host: header.Get("Host"),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: e.body.size(), GetBody: x.again, Body: &x.sent,
	}
	if !x.client.keepsRequests() { // a round tripper of others may write into a request, although it must not
		hreq.URL, hreq.Header = new(*r.url), header.Clone()
	}
	if r.bare != nil && httptrace.ContextClientTrace(x.limits.caller) == nil {
		x.route, x.hreq = r.bare, hreq
		return nil
	}
	x.hreq = *hreq.WithContext(httptrace.WithClientTrace(x.limits.context(), &x.conn.trace))
	return nil
}

// do sends the request. A server may close an idle connection silently, and the
// client notices only while sending the next request. do sends such a request again
// at once on a new connection. This is not a retry: no byte of an answer came, and no
// byte can come. net/http does the same for repeatable requests, but a POST is not
// repeatable.
func (x *exchange) do() (*http.Response, error) {
	if x.route != nil {
		return x.doBare(x.route)
	}
	hreq, l, sender := &x.hreq, &x.conn, x.client.sender(&x.hreq)
	if sender.direct != nil { // other senders need not report what they have written
		if short, ok := x.small.of(x.body); ok {
			hreq.Body, l.body = short, &x.small
		} else {
			l.joins = hreq.Header["Expect"] == nil // a server that is asked first needs the header at once
		}
	}
	for range maxClosed {
		resp, err := sender.send(hreq)
		if err == nil || x.limits.ended() != nil || !l.wasClosed(err) {
			return resp, err
		}
		l = new(connection) // events of the dead connection may still come
		l.prepare()
		hreq = hreq.WithContext(httptrace.WithClientTrace(x.limits.context(), &l.trace))
		if hreq.Body, err = x.again(); err != nil {
			return nil, err
		}
	}
	return sender.send(hreq)
}
