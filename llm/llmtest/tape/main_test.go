package tape_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// ask is a request with one message of the user.
func ask(text string) *llm.Request {
	return &llm.Request{Model: "m", Messages: []llm.Message{llm.User(text)}}
}

func streamed(req *llm.Request) *llm.Request {
	req.Stream = true
	return req
}

// collect runs a request in process and returns what the sink saw.
func collect(ctx context.Context, m llm.Model, req *llm.Request) (*llm.Response, []llm.Delta, error) {
	var deltas []llm.Delta
	resp, err := m.Generate(ctx, req, func(d llm.Delta) { deltas = append(deltas, d) })
	return resp, deltas, err
}

func readAll(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(b)
}

func member(name, value string) []llm.Member { return []llm.Member{{Name: name, Value: value}} }
