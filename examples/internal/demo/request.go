package demo

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
)

// A Request describes a request that the provider has answered.
type Request struct {
	Method, Path string
	Model        string // the requested model
	Messages     int    // the number of messages
	Status       int
}

// logged calls log after each request to h.
func logged(h http.Handler, log func(Request)) http.Handler {
	if log == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, &body), r.Body}
		answer := &answer{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(answer, r)
		var asked struct {
			Model    string            `json:"model"`
			Messages []json.RawMessage `json:"messages"`
		}
		_ = json.Unmarshal(body.Bytes(), &asked) // an invalid body leaves the fields empty
		log(Request{r.Method, r.URL.Path, asked.Model, len(asked.Messages), answer.status})
	})
}

// An answer records its status.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController find the Flusher.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
