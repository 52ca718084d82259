package llmtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A raw is an answer on the wire, byte for byte. A raw is also the error of code that
// needs a Response.
type raw struct {
	status int
	header http.Header
	body   string
	date   time.Duration // if not zero: Retry-After is the date so far from now
}

func (r *raw) Error() string { return fmt.Sprintf("status %d: %q", r.status, clipLine(r.body)) }

// validate reports a status without a final meaning, or a body where the status
// forbids a body.
func (r *raw) validate() error {
	if r.status < 200 || r.status > 599 || r.body != "" && (r.status == http.StatusNoContent || r.status == http.StatusNotModified) {
		return fmt.Errorf("Wire needs a status from 200 to 599, with a body only where the status permits one, not %d", r.status)
	}
	return nil
}

// with returns r with the content type, or with its own if contentType is nil.
func (r *raw) with(contentType *string) *raw {
	out := *r
	out.header = r.head()
	setContentType(out.header, contentType)
	return &out
}

// head is the header at this moment.
func (r *raw) head() http.Header {
	h := r.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	if r.date != 0 {
		h.Set("Retry-After", time.Now().Add(r.date).UTC().Format(http.TimeFormat))
	}
	return h
}

func (r *raw) reply() *reply {
	return &reply{status: r.status, header: r.head(), frames: []frame{{data: r.body}}}
}

// inProcess returns the error that a client makes of the bytes.
func (r *raw) inProcess() error {
	if !isFailure(r.status) {
		return fmt.Errorf("llmtest: these raw bytes need a seat on the wire, such as Serve or RoundTrip: %w", r)
	}
	h := r.head()
	e := &llm.APIError{
		Provider: provider, StatusCode: r.status, Message: http.StatusText(r.status),
		RequestID: h.Get("x-request-id"), RetryAfter: retryAfter(h),
	}
	r.readBody(e)
	e.Kind = kindOf(r.status, e.Code, e.Type)
	if r.status == http.StatusRequestEntityTooLarge && r.body == "" { // some providers report too many tokens in this way
		e.Kind = llm.KindContextOverflow
	}
	switch shouldRetry := strings.ToLower(h.Get("x-should-retry")); {
	case shouldRetry == "false":
		e.Retries = -1
	case shouldRetry == "true" && e.Kind == llm.KindInvalidRequest:
		e.Retries = 2
	}
	return e
}

// readBody reads a body in OpenAI's form: an object "error", or a string "error". Any
// other body becomes the message unchanged.
func (r *raw) readBody(e *llm.APIError) {
	if r.body != "" {
		e.Message = clipLine(r.body)
	}
	var doc struct{ Error json.RawMessage }
	if json.Unmarshal([]byte(r.body), &doc) != nil || doc.Error == nil {
		return
	}
	var text string
	var body struct {
		Message, Type, Param string
		Code                 any
	}
	if json.Unmarshal(doc.Error, &text) == nil {
		e.Message = text
	} else if json.Unmarshal(doc.Error, &body) == nil {
		e.Message, e.Type, e.Param = body.Message, body.Type, body.Param
		if body.Code != nil {
			e.Code = fmt.Sprint(body.Code)
		}
	}
}

// centuryMS is 100 years in milliseconds. A longer wait may not fit into a
// [time.Duration] and is ignored.
const centuryMS = 100 * 365 * 24 * 60 * 60 * 1000

// retryAfter reads the wait from Retry-After-Ms or Retry-After (seconds or a date).
func retryAfter(h http.Header) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("retry-after-ms"), 64); err == nil && 0 < ms && ms <= centuryMS {
		return time.Duration(ms * float64(time.Millisecond))
	}
	text := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(text, 64); err == nil && 0 < s && s <= centuryMS/1000 {
		return time.Duration(s * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// kindOf classifies an error by OpenAI's codes, or by its status. Package openai
// knows more: the codes and messages of further providers.
func kindOf(status int, codes ...string) llm.ErrorKind {
	for _, code := range codes {
		switch code {
		case "context_length_exceeded":
			return llm.KindContextOverflow
		case "content_filter", "content_policy_violation":
			return llm.KindContentFilter
		case "insufficient_quota", "billing_hard_limit_reached", "billing_not_active":
			return llm.KindQuota
		case "invalid_api_key":
			return llm.KindAuth
		case "overloaded_error", "engine_overloaded":
			return llm.KindOverloaded
		case "model_not_found":
			if status == http.StatusBadRequest || status >= 500 { // a gateway has no server for the model
				return llm.KindNotFound
			}
		}
	}
	return kindOfStatus(status)
}

func kindOfStatus(status int) llm.ErrorKind {
	switch status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return llm.KindAuth
	case http.StatusPaymentRequired:
		return llm.KindQuota
	case http.StatusForbidden:
		return llm.KindPermission
	case http.StatusNotFound:
		return llm.KindNotFound
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return llm.KindTimeout
	case http.StatusConflict:
		return llm.KindConflict
	case http.StatusRequestEntityTooLarge:
		return llm.KindTooLarge
	case http.StatusTooManyRequests:
		return llm.KindRateLimit
	case http.StatusServiceUnavailable, 529:
		return llm.KindOverloaded
	}
	if status >= 500 {
		return llm.KindServer
	}
	return llm.KindInvalidRequest
}
