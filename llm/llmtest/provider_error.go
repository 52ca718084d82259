package llmtest

import (
	"cmp"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// refuse returns the error for an invalid request.
func refuse(status int, code, param, message string) *llm.APIError {
	return &llm.APIError{
		Kind: llm.KindInvalidRequest, StatusCode: status,
		Type: "invalid_request_error", Code: code, Param: param, Message: message,
	}
}

// refusalOf returns err as an APIError. An error of a different type becomes a server
// error.
func refusalOf(err error) *llm.APIError {
	if e, ok := errors.AsType[*llm.APIError](err); ok {
		return e
	}
	return &llm.APIError{Kind: llm.KindServer, Message: err.Error()}
}

// statusOf returns the HTTP status for e.
func statusOf(e *llm.APIError) int {
	if isFailure(e.StatusCode) {
		return e.StatusCode
	}
	return usualError(e.Kind).status
}

// errorBody returns the object for the member "error".
func errorBody(e *llm.APIError) rawjson.Object {
	usual := usualError(e.Kind)
	body := rawjson.Object{}
	body.Set("message", cmp.Or(e.Message, usual.message))
	body.Set("type", cmp.Or(e.Type, usual.kind))
	body.Set("param", orNull(e.Param))
	body.Set("code", orNull(cmp.Or(e.Code, usual.code)))
	return body
}

// errorReply returns e as a reply with an error status.
func errorReply(e *llm.APIError) *reply {
	h := http.Header{"Content-Type": {"application/json"}}
	if e.RequestID != "" {
		h.Set("x-request-id", e.RequestID)
	}
	setRetryAfter(h, e.RetryAfter)
	setRateLimits(h, e.RateLimits)
	doc := rawjson.Object{}
	doc.Set("error", errorBody(e))
	return &reply{status: statusOf(e), header: h, frames: []frame{{data: doc.String() + "\n"}}}
}

// isFailure reports whether a status is an error status.
func isFailure(status int) bool { return 400 <= status && status <= 599 }

func setRetryAfter(h http.Header, d time.Duration) {
	if d <= 0 {
		return
	}
	if d%time.Second != 0 {
		h.Set("retry-after-ms", strconv.FormatInt(int64(math.Ceil(float64(d)/float64(time.Millisecond))), 10))
	}
	h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(d.Seconds())), 10))
}

func setRateLimits(h http.Header, limits []llm.RateLimit) {
	for _, l := range limits {
		suffix := ""
		if l.Name != "" {
			suffix = "-" + l.Name
		}
		h.Set("x-ratelimit-remaining"+suffix, strconv.FormatInt(l.Remaining, 10))
		if l.Limit != 0 {
			h.Set("x-ratelimit-limit"+suffix, strconv.FormatInt(l.Limit, 10))
		}
		if l.Reset != 0 {
			h.Set("x-ratelimit-reset"+suffix, l.Reset.String())
		}
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// A wireError is OpenAI's form of a kind of error.
type wireError struct {
	status              int
	kind, code, message string
}

// usualError returns OpenAI's form of a kind, for the empty fields of an APIError.
func usualError(kind llm.ErrorKind) wireError {
	const invalid = "invalid_request_error"
	switch kind {
	case llm.KindAuth:
		return wireError{http.StatusUnauthorized, invalid, "invalid_api_key", "Incorrect API key provided."}
	case llm.KindPermission:
		return wireError{http.StatusForbidden, invalid, "", "You are not allowed to do this."}
	case llm.KindNotFound:
		return wireError{http.StatusNotFound, invalid, "model_not_found", "The model does not exist or you do not have access to it."}
	case llm.KindInvalidRequest:
		return wireError{http.StatusBadRequest, invalid, "", "The request is invalid."}
	case llm.KindTooLarge:
		return wireError{http.StatusRequestEntityTooLarge, invalid, "request_too_large", "The request body is too large."}
	case llm.KindContextOverflow:
		return wireError{http.StatusBadRequest, invalid, "context_length_exceeded", "This model's maximum context length is exceeded. Please reduce the length of the messages."}
	case llm.KindContentFilter:
		return wireError{http.StatusBadRequest, invalid, "content_filter", "The request was filtered."}
	case llm.KindQuota:
		return wireError{http.StatusTooManyRequests, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."}
	case llm.KindRateLimit:
		return wireError{http.StatusTooManyRequests, "requests", "rate_limit_exceeded", "Rate limit reached."}
	case llm.KindConflict:
		return wireError{http.StatusConflict, invalid, "conflict", "Another request was in the way."}
	case llm.KindOverloaded:
		return wireError{http.StatusServiceUnavailable, "server_error", "overloaded", "The engine is currently overloaded."}
	case llm.KindTimeout:
		return wireError{http.StatusRequestTimeout, "server_error", "timeout", "The request took too long."}
	}
	return wireError{http.StatusInternalServerError, "server_error", "", "The server had an error while processing the request."}
}
