package openai_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// A picky provider refuses a body with the words of the first rule that finds
// fault. It is safe for concurrent use.
type picky struct {
	rules   []rule
	status  int    // of refusals; 0 means 400
	code    string // of refusals; "" means no code
	answer  string // "" means ok
	missing string // a path that the server does not have

	mu     sync.Mutex
	paths  []string
	bodies []string
}

type rule struct {
	fault func(body string) bool
	words string // the message of the error
}

// first finds fault with the first body only.
func first() func(string) bool {
	var once sync.Once
	return func(string) (found bool) {
		once.Do(func() { found = true })
		return found
	}
}

func has(text string) func(string) bool {
	return func(body string) bool { return strings.Contains(body, text) }
}

func lacks(text string) func(string) bool {
	return func(body string) bool { return !strings.Contains(body, text) }
}

func (p *picky) RoundTrip(r *http.Request) (*http.Response, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paths, p.bodies = append(p.paths, r.URL.Path), append(p.bodies, string(data))
	status, answer := 200, cmp.Or(p.answer, ok)
	if i := slices.IndexFunc(p.rules, func(rule rule) bool { return rule.fault(string(data)) }); r.URL.Path == p.missing {
		status, answer = 404, "404 page not found"
	} else if i >= 0 {
		status, answer = cmp.Or(p.status, 400), p.rules[i].body(p.code)
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

// body returns the error in the form of both APIs.
func (r rule) body(code string) string {
	message, _ := json.Marshal(r.words)
	if code == "" {
		return fmt.Sprintf(`{"error":{"message":%s,"type":"invalid_request_error"}}`, message)
	}
	return fmt.Sprintf(`{"error":{"message":%s,"type":"invalid_request_error","param":null,"code":%q}}`, message, code)
}

func (p *picky) config() openai.Config {
	return openai.Config{BaseURL: "http://provider.test/v1", HTTPClient: &http.Client{Transport: p}, Retry: wrap.Retry{Attempts: 1}, Profile: &openai.Profile{Output: openai.OutputBeside}}
}
