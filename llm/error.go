package llm

import (
	"fmt"
	"strings"
	"time"
)

// An APIError is a failure of a request to a provider. Find an APIError with
// [errors.AsType] through every wrap.
//
// No field holds a key, a request header, or a URL with credentials.
type APIError struct {
	Kind       ErrorKind
	Provider   string        // the client that reports it, for example "openai"
	StatusCode int           // of the HTTP response; 0 if there was none
	Code       string        // the provider's code, for example "invalid_api_key"
	Type       string        // the provider's type, for example "invalid_request_error"
	Param      string        // the member of the request that the provider complains of
	Message    string        // the provider's message, clipped; if there was none, a message of the client
	RequestID  string        // the provider's id of the request
	RetryAfter time.Duration // how long the provider asks to wait; 0 if it does not say
	Tokens     int64         // of a context overflow: the tokens of the whole request, as the provider counts; 0 if unknown
	TokenLimit int64         // of a context overflow: how many tokens the request may have; 0 if unknown
	// Retries bounds how often the same request may be sent again. Zero means that
	// Kind decides. -1 means never, because the provider says so. A positive number
	// is the maximum of repeats, even if Kind is not retryable. A client sets a
	// positive number if the provider asks for retries, or if the provider could not
	// read a call of the model and the model may write a better call.
	Retries int
	// RateLimits are the provider's limits, as in [Response].
	RateLimits []RateLimit
	Err        error // the cause, if there is one
}

// ErrorKind classifies an APIError by the action that helps.
type ErrorKind string

// The kinds of errors. An error is retryable if the unchanged request may succeed
// later.
const (
	KindAuth            ErrorKind = "auth"             // 401: no key, or a wrong key
	KindPermission      ErrorKind = "permission"       // 403: this key may not do this
	KindNotFound        ErrorKind = "not_found"        // 404: no such model, URL or host
	KindInvalidRequest  ErrorKind = "invalid_request"  // 400, 422: this request can never succeed
	KindTooLarge        ErrorKind = "too_large"        // 413: too many bytes
	KindContextOverflow ErrorKind = "context_overflow" // too many tokens for the model
	KindContentFilter   ErrorKind = "content_filter"   // a filter refused the request
	KindQuota           ErrorKind = "quota"            // no credit left, or today's share is used up
	KindRateLimit       ErrorKind = "rate_limit"       // 429: too fast; retryable
	KindConflict        ErrorKind = "conflict"         // 409; retryable
	KindOverloaded      ErrorKind = "overloaded"       // 503, 529: too much load; retryable
	KindServer          ErrorKind = "server"           // other 5xx; retryable
	KindTimeout         ErrorKind = "timeout"          // 408, 504, or a time limit of the client; retryable
	KindNetwork         ErrorKind = "network"          // no connection, or it broke; retryable
	KindTruncated       ErrorKind = "truncated"        // the answer broke off; retryable
	KindMalformed       ErrorKind = "malformed"        // not an answer: no JSON, no choice, HTML
)

// Error returns the place, the status, the kind and the provider's words:
// "openai: 429 rate_limit: slow down".
func (e *APIError) Error() string {
	var b strings.Builder
	if e.Provider != "" {
		b.WriteString(e.Provider + ": ")
	}
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, "%d ", e.StatusCode)
	}
	b.WriteString(string(e.Kind))
	switch {
	case e.Message != "":
		b.WriteString(": " + e.Message)
	case e.Err != nil:
		b.WriteString(": " + e.Err.Error())
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (retry after %v)", e.RetryAfter)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *APIError) Unwrap() error { return e.Err }

// Retryable reports whether the same request may succeed later. If Retries is not
// zero, Retries decides; otherwise Kind decides.
func (e *APIError) Retryable() bool {
	if e.Retries != 0 {
		return e.Retries > 0
	}
	switch e.Kind {
	case KindRateLimit, KindConflict, KindOverloaded, KindServer, KindTimeout, KindNetwork, KindTruncated:
		return true
	}
	return false
}
