package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A ledger counts the requests and their tokens.
type ledger struct {
	requests int
	usage    llm.Usage
	limits   []string // the rate limit headers of the responses
}

// maxErrorBody limits the part of an error's body that is read.
const maxErrorBody = 64 << 10

// A wire records the traffic of one request of a program, which the client sends at
// most twice: see openai.Config.Profile.
type wire struct {
	next    http.RoundTripper
	*ledger // embedded: the wire counts in the ledger of its probe

	types    []string
	refusals []string // the texts of the refusals
	body     []byte   // the body of the last error
}

var limitHeader = regexp.MustCompile(`(?i)rate-?limit|^retry-after`)

// RoundTrip implements [http.RoundTripper].
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	next := w.next
	if next == nil {
		next = http.DefaultTransport
	}
	w.requests++
	resp, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for name := range resp.Header {
		if limitHeader.MatchString(name) && !slices.Contains(w.limits, name) {
			w.limits = append(w.limits, name)
		}
	}
	w.types = append(w.types, resp.Header.Get("Content-Type"))
	if resp.StatusCode < 400 {
		return resp, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), failing{err}, resp.Body), resp.Body}
	w.body = withoutKey(body, r.Header)
	w.refusals = append(w.refusals, refusalIn(w.body))
	return resp, nil
}

// withoutKey removes the request's key from the body, because some providers repeat
// the key.
func withoutKey(body []byte, h http.Header) []byte {
	key := strings.TrimPrefix(h.Get("Authorization"), "Bearer ")
	if key == "" {
		return body
	}
	return bytes.ReplaceAll(body, []byte(key), []byte("[hidden]"))
}

// A failing reader returns the error of an earlier read, if there was one.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil && !errors.Is(f.err, io.EOF) {
		return 0, f.err
	}
	return 0, io.EOF
}

// refusalIn returns the provider's text in the body of an error, for people.
func refusalIn(body []byte) string {
	var b struct {
		Error   json.RawMessage
		Message json.RawMessage
		Detail  json.RawMessage
	}
	var inner struct{ Message string }
	var text string
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0]
	}
	_ = json.Unmarshal(body, &b) // shows any other JSON unchanged
	for _, raw := range []json.RawMessage{b.Error, b.Message, b.Detail} {
		switch {
		case json.Unmarshal(raw, &inner) == nil && inner.Message != "":
			return inner.Message
		case json.Unmarshal(raw, &text) == nil && text != "":
			return text
		case len(raw) > 0 && string(raw) != "null":
			return string(raw)
		}
	}
	return strings.TrimSpace(string(body))
}

// likeOpenAI reports whether the body of an error has OpenAI's format.
func likeOpenAI(body []byte) bool {
	var b struct {
		Error struct{ Message, Type *string }
	}
	return json.Unmarshal(body, &b) == nil && b.Error.Message != nil && b.Error.Type != nil
}
