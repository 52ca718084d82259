package tape

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/internal/secret"
	"github.com/seed-916e8f6a/toolloop/llm"
)

const seatTransport = "transport"

// Transport returns real with the tape in front of it, for the HTTP client of
// any library:
//
//	client := &http.Client{Transport: recorded.Transport(nil)}
//	model := openai.Config{HTTPClient: client}.Model("gpt-4o-mini")
//
// A nil real means [http.DefaultTransport]. A replay does not use real. An
// Accept-Encoding of the client is not sent, because people cannot read a compressed
// file. If the client closes a body early, only the part before is recorded. A
// request without a recording gets status 400 with the header "X-Should-Retry:
// false", because clients retry errors of a transport.
func (tp *Tape) Transport(real http.RoundTripper) http.RoundTripper {
	if real == nil {
		real = http.DefaultTransport
	}
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		body, err := takeBody(r)
		if err != nil {
			return nil, err
		}
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		tp.secrets.addRequest(r)
		request := wireRequest(r, body)
		if tp.recording {
			return tp.recordTransport(real, r, body, request)
		}
		e, err := tp.find(seatTransport, request)
		if err != nil {
			return errorResponse(r, err), nil
		}
		return e.roundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// takeBody reads and closes the body of a request.
func takeBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body)
	return body, errors.Join(err, r.Body.Close())
}

// A content is a body in a file, in the first of these forms that preserves the
// bytes: compact JSON (white space around the document may be lost); the data of
// events, as JSON or as a string; lines of text; base64.
type content struct {
	Body   json.RawMessage   `json:"body,omitempty"`
	Events []json.RawMessage `json:"events,omitempty"`
	Lines  []string          `json:"lines,omitempty"`
	Base64 []byte            `json:"base64,omitempty"`
}

func tapeContent(body []byte) content {
	trimmed := bytes.TrimSpace(body)
	var b bytes.Buffer
	switch {
	case len(body) == 0:
		return content{}
	case !utf8.Valid(body):
		return content{Base64: body}
	case json.Compact(&b, trimmed) == nil && bytes.Equal(b.Bytes(), trimmed):
		return content{Body: trimmed}
	}
	return content{Lines: strings.Split(string(body), "\n")}
}

// asEvents returns c with events in place of lines, if the bytes stay the same.
func (c content) asEvents() content {
	var events []json.RawMessage
	for i := 0; i+1 < len(c.Lines) && c.Lines[i+1] == ""; i += 2 {
		data, _ := strings.CutPrefix(c.Lines[i], "data: ")
		event := json.RawMessage(data)
		if !json.Valid(event) || event[0] == '"' || !bytes.Equal(compactOrNil(event), event) {
			event = json.RawMessage(rawjson.Quote(data))
		}
		events = append(events, event)
	}
	if out := (content{Events: events}); c.Lines != nil && bytes.Equal(out.bytes(), c.bytes()) {
		return out
	}
	return c
}

func (c content) bytes() []byte {
	switch {
	case c.Body != nil:
		return compactOrNil(c.Body)
	case c.Events != nil:
		var b bytes.Buffer
		for _, event := range c.Events {
			var text string
			if json.Unmarshal(event, &text) != nil {
				text = string(compactOrNil(event))
			}
			b.WriteString("data: " + text + "\n\n")
		}
		return b.Bytes()
	case c.Lines != nil:
		return []byte(strings.Join(c.Lines, "\n"))
	}
	return c.Base64
}

// tapedHTTPRequest is a request on the wire. A JSON body is compacted, because
// requests are only compared.
type tapedHTTPRequest struct {
	Method  string `json:"method"`
	Path    string `json:"path"` // with the query, sorted
	content        // embedded: a member of the same JSON object
}

func wireRequest(r *http.Request, body []byte) []byte {
	c := tapeContent(body)
	if json.Valid(body) {
		c = content{Body: compactOrNil(body)}
	}
	path := r.URL.EscapedPath()
	if query := r.URL.Query(); len(query) > 0 {
		for name, values := range query {
			if secret.IsParameter(name) {
				query[name] = slices.Repeat([]string{scrubMark}, len(values))
			}
		}
		path += "?" + strings.ReplaceAll(query.Encode(), url.QueryEscape(scrubMark), scrubMark)
	}
	text, err := rawjson.Marshal(tapedHTTPRequest{Method: cmp.Or(r.Method, http.MethodGet), Path: path, content: c})
	if err != nil {
		panic("tape: " + err.Error()) // a bug of ours: all of it marshals
	}
	return text
}

// tapedHTTPResponse is a response on the wire.
type tapedHTTPResponse struct {
	Status  int               `json:"status"`
	Header  map[string]string `json:"header,omitempty"`
	content                   // embedded: a member of the same JSON object
}

// isRecordedHeader reports whether a header of responses is recorded.
func isRecordedHeader(name string) bool {
	name = strings.ToLower(name)
	return slices.Contains([]string{
		"content-type", "retry-after", "retry-after-ms", "x-should-retry",
		"x-request-id", "request-id", "apim-request-id", "x-amzn-requestid", "x-amzn-errortype",
	}, name) || strings.HasPrefix(name, "x-ratelimit-")
}

func (tp *Tape) recordTransport(real http.RoundTripper, r *http.Request, body, request []byte) (*http.Response, error) {
	e := &interaction{Seat: seatTransport, Request: request}
	if err := tp.start(e); err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.Header.Del("Accept-Encoding")
	if r.Body != nil {
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		out.Body, _ = out.GetBody()
	}
	resp, err := real.RoundTrip(out)
	if err != nil {
		tp.end(e, func() { e.fail(r.Context(), err) })
		return nil, err
	}
	tp.secrets.addHeader(resp.Header)
	resp.Body = &recorder{ReadCloser: resp.Body, tape: tp, interaction: e, resp: resp, ctx: r.Context()}
	return resp, nil
}

// fail records the failure of an interaction. The caller holds the tape's mu.
func (e *interaction) fail(ctx context.Context, err error) {
	if e.Cut = ctx.Err() != nil; !e.Cut {
		e.Error = tapeError(err)
	}
}

// A recorder is a body that records the bytes read by the client.
type recorder struct {
	io.ReadCloser
	tape        *Tape
	interaction *interaction
	resp        *http.Response
	ctx         context.Context // the context of the request, to recognize a cancellation

	mu   sync.Mutex // a client may close while it reads
	read bytes.Buffer
}

// Read implements [io.Reader].
func (rec *recorder) Read(p []byte) (int, error) {
	n, err := rec.ReadCloser.Read(p)
	rec.mu.Lock()
	rec.read.Write(p[:n])
	rec.mu.Unlock()
	if err != nil {
		rec.end(err)
	}
	return n, err
}

// Close implements [io.Closer].
func (rec *recorder) Close() error {
	rec.end(io.EOF)
	return rec.ReadCloser.Close()
}

func (rec *recorder) end(err error) {
	rec.mu.Lock()
	body := bytes.Clone(rec.read.Bytes())
	rec.mu.Unlock()
	rec.tape.end(rec.interaction, func() {
		header := map[string]string{}
		for name, values := range rec.resp.Header {
			if isRecordedHeader(name) {
				header[strings.ToLower(name)] = strings.Join(values, ", ")
			}
		}
		e := rec.interaction
		if enc := rec.resp.Header.Get("Content-Encoding"); enc != "" {
			e.writeErr = fmt.Errorf("the answer came with the Content-Encoding %s, which cannot be recorded", enc)
		}
		e.Response, e.writeErr = marshalOr(tapedHTTPResponse{Status: rec.resp.StatusCode, Header: header, content: tapeContent(body)}, e.writeErr)
		if err != io.EOF || rec.ctx.Err() != nil { //nolint:errorlint // a reader ends with io.EOF itself
			e.fail(rec.ctx, err)
		}
	})
}

// marshalOr marshals v, or returns the earlier error.
func marshalOr(v any, wrong error) (json.RawMessage, error) {
	if wrong != nil {
		return nil, wrong
	}
	return rawjson.Marshal(v)
}

// roundTrip returns the recorded response or error for r.
func (e *interaction) roundTrip(r *http.Request) (*http.Response, error) {
	if e.Response == nil {
		if e.Cut {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		return nil, e.Error.err()
	}
	var answer tapedHTTPResponse
	if err := json.Unmarshal(e.Response, &answer); err != nil {
		return nil, fmt.Errorf("tape: %w", err) // cannot be: check has read it
	}
	resp := response(r, answer.Status, bytes.NewReader(answer.bytes()))
	for name, value := range answer.Header {
		resp.Header.Set(name, value)
	}
	switch {
	case e.Cut:
		resp.Body = io.NopCloser(io.MultiReader(resp.Body, waitingBody{r.Context()}))
	case e.Error != nil:
		resp.Body = io.NopCloser(io.MultiReader(resp.Body, brokenBody{e.Error.err()}))
	default:
		resp.ContentLength = int64(len(answer.bytes()))
	}
	return resp, nil
}

func response(r *http.Request, status int, body io.Reader) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(body), ContentLength: -1, Request: r,
	}
}

// errorResponse returns err in OpenAI's form for an invalid request.
func errorResponse(r *http.Request, err error) *http.Response {
	e := &llm.APIError{StatusCode: http.StatusBadRequest, Message: err.Error()}
	if api, ok := errors.AsType[*llm.APIError](err); ok {
		e = api
	}
	body := rawjson.Object{}
	body.Set("message", e.Message)
	body.Set("type", e.Type)
	body.Set("code", e.Code)
	doc := rawjson.Object{}
	doc.Set("error", body)
	resp := response(r, e.StatusCode, strings.NewReader(doc.String()))
	resp.Header.Set("Content-Type", "application/json")
	resp.Header.Set("X-Should-Retry", "false")
	return resp
}

// waitingBody is the end of a body that the caller has cancelled: Read waits for the
// context.
type waitingBody struct{ ctx context.Context }

func (u waitingBody) Read([]byte) (int, error) {
	<-u.ctx.Done()
	return 0, u.ctx.Err()
}

// brokenBody is the end of a truncated body: Read returns the error.
type brokenBody struct{ err error }

func (b brokenBody) Read([]byte) (int, error) { return 0, b.err }
