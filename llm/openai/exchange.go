package openai

import (
	"context"
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
	sent   bodyReader
	timed  timedReader
	sized  sizedReader
	reader responseReader
}

// send makes one HTTP request and reads the response.
func (c *client) send(ctx context.Context, req *llm.Request, model string, e encoding, emit func(llm.Delta) error) (*llm.Response, error) {
	x := &exchange{client: c}
	w := &x.limits
	w.start(ctx, &c.Config)
	defer w.stop()
	hreq, err := x.request(model, e)
	if err != nil {
		return nil, c.failed(ctx, w, nil, err)
	}
	w.startFirstByte()
	resp, err := x.do(hreq)
	if err != nil {
		return nil, c.failed(ctx, w, hreq, err)
	}
	defer resp.Body.Close()
	x.timed = timedReader{limits: w, body: resp.Body}
	x.sized = sizedReader{&x.timed, size(c.MaxResponseBytes, DefaultMaxResponseBytes, math.MaxInt64)}
	x.reader = responseReader{client: c, model: model, limits: w, caller: ctx, req: hreq, resp: resp, body: &x.sized}
	var sink *answerSink
	if e.answer != "" {
		req, sink = answered(e.answer, req, emit)
		emit = sink.add
	}
	out, err := x.reader.response(e.api, req, emit)
	if err != nil {
		return nil, c.failed(ctx, w, hreq, err)
	}
	if sink != nil {
		if err := sink.end(out); err != nil {
			return nil, c.failed(ctx, w, hreq, err)
		}
	}
	return out, nil
}

// request makes the HTTP request with a body that can be read again.
func (x *exchange) request(model string, e encoding) (*http.Request, error) {
	r, err := x.client.route(model, e.api)
	if err != nil {
		return nil, err
	}
	header := r.header
	if x.client.Token != nil {
		if header, err = x.client.header(x.limits.ctx, r.url); err != nil {
			return nil, err
		}
	}
	x.sent = bodyReader{rest: e.body}
	hreq := http.Request{
		Method: http.MethodPost, URL: r.url, Header: header, Host: header.Get("Host"),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: e.body.size(), GetBody: e.body.open, Body: &x.sent,
	}
	if !x.client.keepsRequests() { // a round tripper of others may write into a request, although it must not
		hreq.URL, hreq.Header = new(*r.url), header.Clone()
	}
	return hreq.WithContext(httptrace.WithClientTrace(x.limits.ctx, x.conn.traced())), nil
}

// do sends the request. A server may close an idle connection silently, and the
// client notices only while sending the next request. do sends such a request again
// at once on a new connection. This is not a retry: no byte of an answer came, and no
// byte can come. net/http does the same for repeatable requests, but a POST is not
// repeatable.
func (x *exchange) do(hreq *http.Request) (*http.Response, error) {
	l, sender := &x.conn, x.client.sender(hreq)
	for range maxClosed {
		resp, err := sender.send(hreq)
		if err == nil || x.limits.ctx.Err() != nil || !l.wasClosed(err) {
			return resp, err
		}
		l = new(connection) // events of the dead connection may still come
		hreq = hreq.WithContext(httptrace.WithClientTrace(x.limits.ctx, l.traced()))
		if hreq.Body, err = hreq.GetBody(); err != nil {
			return nil, err
		}
	}
	return sender.send(hreq)
}
