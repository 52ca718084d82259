package openai

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/netguard"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// provider is the name of this client in errors.
const provider = "openai"

// failed makes the error that Generate returns. The end of the caller's ctx
// takes precedence, then the words of the provider, and then a time limit of
// Config, whichever came first.
func (c *client) failed(ctx context.Context, w *timeLimits, req *http.Request, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	api, told := errors.AsType[*llm.APIError](err)
	if told && (api.StatusCode != 0 || req == nil) { // the provider's status, or Token, says more than a time limit
		return err
	}
	if b := w.exceeded(); b != nil {
		return &llm.APIError{Kind: llm.KindTimeout, Provider: provider, Message: "Config." + b.Error(), Err: b}
	}
	if told || req == nil {
		return err
	}
	return connectionError(req, err)
}

// connectionError makes the error for failures below HTTP. The URL in a
// *url.Error may hold credentials, so only its cause is kept.
func connectionError(req *http.Request, err error) *llm.APIError {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	s := secretsOf(req)
	e := &llm.APIError{Kind: llm.KindNetwork, Provider: provider, Err: &redactedError{s.cut(err.Error()), err}}
	e.Message = fmt.Sprintf("POST %s: %s", s.cutURL(req.URL), e.Err)
	var n net.Error
	switch {
	case errors.Is(err, errTooLong), errors.Is(err, errTooLarge), errors.Is(err, errTooMany), headerTooLong(err):
		e.Kind = llm.KindMalformed
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Kind = llm.KindTruncated
	case isUnreachable(err):
		e.Kind = llm.KindNotFound
	case errors.As(err, &n) && n.Timeout():
		e.Kind = llm.KindTimeout
	}
	return e
}

// headerTooLong reports a header beyond the limit of the transport. net/http
// has no error type for the failure, but two texts: for HTTP/1 and for HTTP/2.
func headerTooLong(err error) bool {
	return strings.Contains(err.Error(), "server response headers exceeded") ||
		strings.Contains(err.Error(), "response header list larger than advertised limit")
}

// isUnreachable reports a failure that no retry can mend: the host does not exist,
// does not speak TLS, or has an untrusted certificate, or a test forbids the
// host.
func isUnreachable(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	_, distrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return plain || distrusted || errors.Is(err, http.ErrSchemeMismatch) || errors.Is(err, netguard.ErrForbidden)
}

// redactedError is an error with a text without secrets.
type redactedError struct {
	text string
	err  error
}

func (q *redactedError) Error() string { return q.text }
func (q *redactedError) Unwrap() error { return q.err }

func (x *responseReader) malformed(message string) error {
	return x.report(&llm.APIError{Kind: llm.KindMalformed, StatusCode: x.resp.StatusCode, Message: message})
}

func (x *responseReader) truncated(message string) error {
	return x.report(&llm.APIError{Kind: llm.KindTruncated, Message: message, Err: io.ErrUnexpectedEOF})
}

// report completes e and removes secrets.
func (x *responseReader) report(e *llm.APIError) *llm.APIError {
	s := secretsOf(x.req)
	e.Provider = provider
	e.RequestID = s.cut(requestID(x.resp.Header))
	e.RateLimits = rateLimits(x.resp.Header, time.Now())
	for _, text := range []*string{&e.Message, &e.Code, &e.Type, &e.Param} {
		*text = s.cut(*text)
	}
	return e
}

var requestIDs = []string{"X-Request-Id", "Request-Id", "Apim-Request-Id", "X-Amzn-Requestid", "Cf-Ray"}

func requestID(h http.Header) string {
	for _, name := range requestIDs {
		if id := h.Get(name); id != "" {
			return strings.Clone(clip.Bytes(id, 200)) // not the whole header
		}
	}
	return ""
}

// refusalTime limits the wait for the body of a refusal. The status says most
// already.
const refusalTime = 5 * time.Second

// statusError makes the error for a response whose status is not a success.
func (x *responseReader) statusError() error {
	status := x.resp.StatusCode
	x.limits.limitRest(refusalTime)
	body, _ := io.ReadAll(io.LimitReader(x.body, drainBytes)) // a partial body is enough
	if status < 400 {
		return x.redirectError()
	}
	f := readErrorBody(body)
	f.message = cmp.Or(f.message, challenged(x.resp.Header))
	f.code = cmp.Or(f.code, x.resp.Header.Get("X-Amzn-Errortype"))
	e := x.apiError(f, status)
	if status == http.StatusNotFound {
		e.Message += fmt.Sprintf(" (POST %s%s)", secretsOf(x.req).cutURL(x.req.URL), baseURLHint(e))
	}
	return e
}

var challenge = regexp.MustCompile(`\berror_description="((?:[^"\\]|\\.)*)"`)

// challenged returns the reason in the header of a 401 or 403 (RFC 6750).
func challenged(h http.Header) string {
	for _, value := range h.Values("Www-Authenticate") {
		if m := challenge.FindStringSubmatch(value); m != nil {
			return clip.Bytes(m[1], maxMessage)
		}
	}
	return ""
}

func baseURLHint(e *llm.APIError) string {
	if e.Code != "" && !strings.Contains(e.Message, "/chat/completions") {
		return "" // the API answered, and not about the path: the URL is right
	}
	return "; is the base URL right? It ends in the version of the API, most often /v1"
}

func (x *responseReader) redirectError() error {
	target := "elsewhere"
	if u, err := x.resp.Location(); err == nil {
		target = "to " + u.Scheme + "://" + u.Host
	}
	return x.report(&llm.APIError{
		Kind: llm.KindInvalidRequest, StatusCode: x.resp.StatusCode,
		Message: fmt.Sprintf("POST %s is redirected %s: redirects are not followed; set the base URL to where the API is", safeURL(x.req.URL.String()), target),
	})
}

// apiError makes the error from f and the status. With status 200, the status
// in the body counts, if there is one.
func (x *responseReader) apiError(f errorBody, status int) *llm.APIError {
	var h http.Header
	if status >= 400 {
		h = x.resp.Header
	} else {
		status = cmp.Or(f.status, status)
	}
	wait := retryAfter(h, f, time.Now())
	message := f.message
	if message == "" {
		message = http.StatusText(status)
	}
	f.host = x.req.URL.Hostname()
	kind := f.kind(status, wait)
	e := &llm.APIError{
		Kind: kind, StatusCode: status, Code: clip.Bytes(f.code, 200), Type: clip.Bytes(f.typ, 200),
		Param: clip.Bytes(f.param, 200), Message: message, RetryAfter: wait, Retries: f.retries(h, kind),
	}
	if kind == llm.KindContextOverflow {
		e.Tokens, e.TokenLimit = f.overflow()
	}
	return x.report(e)
}

// bodyError returns the error in a document or an event of a 200, or nil.
func (x *responseReader) bodyError(data []byte) error {
	switch rawjson.Kind(data) {
	case '{':
		choices := rawjson.Member(data, "choices")
		if !rawjson.IsEmpty(choices) && !bytes.Contains(data, []byte(`"error"`)) {
			return nil
		}
		if isSet(rawjson.Member(data, "error")) || rawjson.IsEmpty(choices) && describesError(data) {
			return x.apiError(readErrorBody(data), x.resp.StatusCode)
		}
		if groq := rawjson.Member(data, "x_groq"); isSet(rawjson.Member(groq, "error")) { // the reason why the stream ended early
			f := readErrorBody(groq)
			f.inner = cmp.Or(f.inner, f.message)
			return x.apiError(f, x.resp.StatusCode)
		}
		for c := range rawjson.Elements(choices) {
			if inner := rawjson.Member(c, "error"); isSet(inner) {
				return x.apiError(readErrorBody(c), x.resp.StatusCode)
			}
		}
		return nil
	case 'n':
		return nil
	case '[':
		for e := range rawjson.Elements(data) {
			return x.bodyError(e)
		}
	}
	return x.malformed("the answer is not a JSON object: " + excerpt(data))
}

// isSet reports whether the value of an "error" member means that there is an
// error.
func isSet(v []byte) bool { return !rawjson.IsEmpty(v) && string(v) != "false" && string(v) != "0" }

// describesError reports whether an object without choices describes an error
// without an "error" member.
func describesError(data []byte) bool {
	for name, v := range rawjson.RawMembers(data) {
		switch string(name) {
		case "object", "type":
			if rawjson.Text(v) == "error" {
				return true
			}
		case "message":
			if rawjson.Text(v) != "" { // an object is a message of another API
				return true
			}
		case "detail", "errors":
			if isSet(v) {
				return true
			}
		case "base_resp":
			if isSet(rawjson.Member(v, "status_code")) {
				return true
			}
		}
	}
	return false
}

// noChoiceError makes the error for a 200 without choices. Some providers give the
// reason in another member.
func (x *responseReader) noChoiceError(data []byte) error {
	if err := x.statedError(data); err != nil {
		return err
	}
	return x.malformed("the answer holds no choice: " + excerpt(data))
}

// statedError returns the error that data gives as the reason for missing choices,
// or nil.
func (x *responseReader) statedError(data []byte) error {
	f := readErrorBody(data)
	if f.empty || f.noText {
		return nil
	}
	if e := x.apiError(f, x.resp.StatusCode); e.Kind != llm.KindServer {
		return e
	}
	return nil
}

// overflowError makes the error for an empty answer to a prompt that fills the
// context.
func (x *responseReader) overflowError(a *completion) error {
	for _, reason := range []string{a.finish, a.native} {
		if reason == "model_context_window_exceeded" && a.isEmpty() {
			return x.report(&llm.APIError{
				Kind: llm.KindContextOverflow, StatusCode: x.resp.StatusCode, Code: reason,
				Message: "the answer is empty, and its finish reason " + reason,
			})
		}
	}
	return nil
}
