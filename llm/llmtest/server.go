package llmtest

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// The paths of a Server.
const (
	chatPath      = "/v1/chat/completions"
	responsesPath = "/v1/responses"
)

// maxBody bounds the body of a request.
const maxBody = 64 << 20

// A Server answers Chat Completions (POST /v1/chat/completions) and the Responses API (POST
// /v1/responses) over HTTP from a script: with JSON, or with server-sent events if the
// request says "stream": true. Before it asks the script, the Server refuses bad requests
// in OpenAI's form: another path or method, a body that is not JSON or has no model or
// messages, a wrong key, an unknown model.
//
// Set the fields before the first request. A Server is also an [http.Handler], for your
// own listeners.
type Server struct {
	// Model is the script with the answers. Required.
	Model *Model
	// Key is the API key of clients, sent as "Authorization: Bearer" or as "api-key".
	// Empty means no check of keys.
	Key string
	// Models are the names of the existing models. Empty means any name.
	Models []string
	// BaseURL is set by [Server.Start]: "http://127.0.0.1:<port>/v1".
	BaseURL string

	http  *http.Server
	conns sync.WaitGroup // the connections and the loop that accepts them

	mu     sync.Mutex
	closed bool
}

// Serve starts a server for the script on a free loopback port. With [Script],
// the end of the test closes the server; otherwise call [Server.Close]. If no
// port is free or a step is wrong in itself, Serve fails the test, or panics
// without a test. Programs use [Server.Start].
func (m *Model) Serve() *Server {
	s := &Server{Model: m}
	err := s.Start()
	switch {
	case err == nil:
	case m.t != nil:
		m.t.Helper()
		m.t.Fatal(err)
	default:
		panic(err)
	}
	return s
}

// Start listens on a loopback port and sets BaseURL. Call it once. If the script
// belongs to a test, the end of the test closes the server.
func (s *Server) Start() error {
	if s.Model == nil {
		return errors.New("llmtest: the Server has no Model")
	}
	if s.Model.misuse != nil {
		return s.Model.misuse
	}
	if s.http != nil {
		return errors.New("llmtest: the Server was started before")
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("llmtest: %w", err)
	}
	s.BaseURL = "http://" + l.Addr().String() + strings.TrimSuffix(chatPath, "/chat/completions")
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ConnState: s.track}
	s.conns.Go(func() { _ = s.http.Serve(l) }) // ends with ErrServerClosed
	if s.Model.t != nil {
		s.Model.t.Cleanup(s.Close)
	}
	return nil
}

// Close stops the server, breaks its connections, and waits until all its goroutines
// have ended. Therefore a function given to [Reply] must obey its ctx. A second Close
// does nothing, and Close of a Server that was not started does nothing.
func (s *Server) Close() {
	if s.http == nil {
		return
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	_ = s.http.Close() // the error is about a listener that is not used any more
	s.conns.Wait()
}

// track counts the connections. http.Server.Close does not close a connection that is
// accepted during the Close itself, so track closes that connection.
func (s *Server) track(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closed {
			_ = c.Close()
		}
	case http.StateClosed, http.StateHijacked:
		s.conns.Done()
	}
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p := s.reply(r, r.URL.Path == chatPath || r.URL.Path == responsesPath); p != nil {
		p.write(w, r)
	}
}

// reply answers a request, or returns nil if the client has gone. known means that
// the path belongs to Chat Completions or the Responses API.
func (s *Server) reply(r *http.Request, known bool) *reply {
	q, refused := s.read(r, known)
	if refused != nil {
		p := errorReply(refused)
		if refused.StatusCode == http.StatusMethodNotAllowed {
			p.header.Set("Allow", http.MethodPost)
		}
		return p
	}
	ctx := r.Context()
	a, err := s.Model.nextAnswer(ctx, q.request)
	if err == nil {
		p, err := a.reply(ctx, q)
		if err != nil {
			return nil
		}
		return p
	}
	if ctx.Err() != nil {
		return nil
	}
	if exact, ok := errors.AsType[*raw](err); ok {
		return exact.reply()
	}
	if _, ok := errors.AsType[*resetError](err); ok {
		return &reply{}
	}
	return errorReply(refusalOf(err))
}

// A wireRequest is a request on the wire: an llm.Request and the settings without a
// field there.
type wireRequest struct {
	request *llm.Request
	usage   bool // stream_options.include_usage

	responses bool // sent to the Responses API
	encrypted bool // include has reasoning.encrypted_content

	tools *toolsMemo
}

// read checks and parses a request. The error is the refusal of a provider.
func (s *Server) read(r *http.Request, known bool) (*wireRequest, *llm.APIError) {
	if err := s.checkHeader(r, known); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			return nil, refuse(http.StatusRequestEntityTooLarge, "request_too_large", "", "The request body is too large.")
		}
		return nil, refuse(http.StatusBadRequest, "", "", "The request body could not be read: "+err.Error())
	}
	q, err := parse(body, &s.Model.tools)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "", "", "We could not parse the body of your request: "+err.Error())
	}
	if wanted := strings.HasSuffix(r.URL.Path, "/responses"); wanted != q.responses && len(q.request.Messages) > 0 {
		return nil, refuse(http.StatusBadRequest, "unknown_parameter", "", "The request belongs to the other API: "+r.URL.Path+" is not its path.")
	}
	if err := s.checkRequest(q.request); err != nil {
		return nil, err
	}
	if place := nonStringArguments(body); place != "" {
		return nil, refuse(http.StatusBadRequest, "invalid_type", place, fmt.Sprintf("Invalid type for '%s': expected a string.", place))
	}
	return q, nil
}

// nonStringArguments returns the place of the first arguments that are not a string.
// ParseRequest accepts these arguments, but providers refuse the request.
func nonStringArguments(body []byte) string {
	if !mayHaveNonStringArguments(body) {
		return ""
	}
	var doc struct {
		Messages []struct {
			Calls []struct {
				Function struct{ Arguments json.RawMessage }
			} `json:"tool_calls"`
		}
	}
	_ = json.Unmarshal(body, &doc) // valid: parsed before
	for i, m := range doc.Messages {
		for j, c := range m.Calls {
			if a := c.Function.Arguments; len(a) > 0 && a[0] != '"' {
				return fmt.Sprintf("messages[%d].tool_calls[%d].function.arguments", i, j)
			}
		}
	}
	return ""
}

// mayHaveNonStringArguments looks at the bytes alone, because decoding a whole request
// once more takes longer. The name may be written with escapes.
func mayHaveNonStringArguments(body []byte) bool {
	if bytes.Contains(body, []byte(`\u`)) {
		return true
	}
	for {
		_, rest, found := bytes.Cut(body, []byte(`arguments"`))
		if !found {
			return false
		}
		rest = bytes.TrimLeft(rest, " \t\r\n")
		if value, isMember := bytes.CutPrefix(rest, []byte(":")); isMember && !bytes.HasPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte(`"`)) {
			return true
		}
		body = rest
	}
}

// checkHeader checks the request line and the headers.
func (s *Server) checkHeader(r *http.Request, known bool) *llm.APIError {
	switch {
	case !known:
		return refuse(http.StatusNotFound, "", "", fmt.Sprintf("Invalid URL (%s %s)", r.Method, r.URL.Path))
	case r.Method != http.MethodPost:
		return refuse(http.StatusMethodNotAllowed, "method_not_supported", "", fmt.Sprintf("Not allowed to %s on %s", r.Method, r.URL.Path))
	case !s.authorized(r.Header):
		return refuse(http.StatusUnauthorized, "invalid_api_key", "", "Incorrect API key provided.")
	}
	if mt, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mt != "application/json" {
		return refuse(http.StatusUnsupportedMediaType, "unsupported_content_type", "", fmt.Sprintf("The Content-Type is %q, not application/json.", mt))
	}
	return nil
}

func (s *Server) authorized(h http.Header) bool {
	key, ok := strings.CutPrefix(h.Get("Authorization"), "Bearer ")
	if !ok {
		key = h.Get("api-key")
	}
	return s.Key == "" || subtle.ConstantTimeCompare([]byte(key), []byte(s.Key)) == 1
}

// checkRequest checks the content of a request.
func (s *Server) checkRequest(req *llm.Request) *llm.APIError {
	switch {
	case req.Model == "":
		return refuse(http.StatusBadRequest, "missing_required_parameter", "model", "you must provide a model parameter")
	case len(s.Models) > 0 && !slices.Contains(s.Models, req.Model):
		return refuse(http.StatusNotFound, "model_not_found", "", fmt.Sprintf("The model `%s` does not exist or you do not have access to it.", req.Model))
	case len(req.Messages) == 0:
		return refuse(http.StatusBadRequest, "missing_required_parameter", "messages", "Missing required parameter: 'messages'.")
	}
	if err := validate(req); err != nil {
		return refuse(http.StatusBadRequest, "invalid_value", "", strings.TrimPrefix(err.Error(), "llm: "))
	}
	return nil
}
