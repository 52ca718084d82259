// Package clerk stands in for a model at the order desk when there is no key. It has
// scripts for the requests of the desk's own users and answers over the wire, so
// that only the model is simulated.
//
// An answer depends only on the conversation in the request. So the clerk continues
// conversations of other processes, any number at once, and reacts to refusals and
// denied calls.
package clerk

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// Requests returns the requests of the users in the seed, in the order of arrival.
// Every order of work is valid. The slice is the caller's.
func Requests() []string {
	texts := make([]string, len(requests))
	for i, r := range requests {
		texts[i] = r.text
	}
	return texts
}

// Model returns a model that answers [Requests] and the [Copy] of each, with a pause
// before each answer. It is an openai client of an embedded provider, which has no
// port. An unknown request is an error of kind auth, with advice on the variables to
// set.
func Model(pause time.Duration) llm.Model { return Client(Transport(pause)) }

// Transport returns the embedded provider: it answers requests for Chat Completions
// at any host, each after a pause. It is safe for concurrent use.
func Transport(pause time.Duration) http.RoundTripper {
	return llmtest.NewScript(llmtest.Reply(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
		return answer(req)
	}).Forever())
}

// Client returns the model behind a transport.
func Client(t http.RoundTripper) llm.Model {
	return openai.Config{
		BaseURL:    "http://embedded.invalid/v1", // and not that of the environment
		Key:        "none",
		HTTPClient: &http.Client{Transport: t},
	}.Model("clerk")
}

// answer returns the next message of a conversation.
func answer(req *llm.Request) (*llm.Response, error) {
	i := lastUser(req.Messages)
	if i < 0 {
		return nil, unknown()
	}
	text, copied := original(req.Messages[i].Text())
	r, ok := byText[text]
	if !ok {
		return nil, unknown()
	}
	turns := turnsOf(req.Messages[i+1:])
	resp := &llm.Response{ID: fmt.Sprintf("clerk-%d", len(turns)+1), Message: r.next(turns, copied)}
	resp.Usage = usage(req, resp.Message)
	return resp, nil
}

func lastUser(messages []llm.Message) int {
	for i, m := range slices.Backward(messages) {
		if m.Role == llm.RoleUser {
			return i
		}
	}
	return -1
}

func unknown() error {
	return &llm.APIError{Kind: llm.KindAuth, StatusCode: http.StatusUnauthorized, Code: "no_key", Message: "there is no key, and without one " +
		"only the requests of the desk's own users are worked off: set OPENAI_API_KEY, and OPENAI_BASE_URL if it is not OpenAI's, for a model that understands this one"}
}

// usage counts a token for four bytes.
func usage(req *llm.Request, m llm.Message) llm.Usage {
	in := 0
	for _, m := range req.Messages {
		in += size(m)
	}
	for _, t := range req.Tools {
		in += len(t.Name) + len(t.Description) + len(t.Schema)
	}
	u := llm.Usage{InputTokens: int64(in/4 + 1), OutputTokens: int64(size(m)/4 + 1)}
	u.TotalTokens = u.InputTokens + u.OutputTokens
	return u
}

func size(m llm.Message) int {
	n := len(m.Text())
	for _, c := range m.Calls() {
		n += len(c.Name) + len(c.Arguments)
	}
	for _, r := range m.Results() {
		n += len(r.Text())
	}
	return n
}
