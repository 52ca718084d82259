package runner_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestWireChanges: a session changes its wire after every answer, and its process
// dies behind each of its events. The script holds every request to the protocol
// of its wire. The calls hold parallel calls, reasoning and pictures.
func TestWireChanges(t *testing.T) {
	t.Parallel()
	for _, first := range []int64{0, 1} {
		events := wireSession(t, first, -1)
		require.Greater(t, events, 15)
		for crash := range events {
			wireSession(t, first, crash)
		}
	}
}

// wireSession runs the session, whose first process dies behind so many events; -1:
// it lives. It returns the number of durable events.
func wireSession(t *testing.T, first int64, crash int) int {
	t.Helper()
	pixel := llm.Image{URL: "https://pictures.test/a.png"}
	script := llmtest.NewScript(
		llmtest.Reasoning("I look both up.").And(llmtest.Calls("look", lookArgs{1}), llmtest.Calls("look", lookArgs{2})).When(llmtest.Turn(1)).Forever(),
		llmtest.Text("One more.").And(llmtest.Calls("look", lookArgs{3})).When(llmtest.Turn(2)).Forever(),
		llmtest.Reasoning("I see.").And(llmtest.Calls("look", lookArgs{4})).When(llmtest.Turn(3)).Forever(),
		llmtest.Text("All four are red.").When(llmtest.Turn(4)).Forever(),
	)
	wires := []llm.Model{
		openai.Config{HTTPClient: script.Client(), Key: "k", API: openai.APIResponses, Retry: wrap.Retry{Attempts: 1}}.Model("m"),
		openai.Config{HTTPClient: script.Client(), Key: "k", API: openai.APIChat, Retry: wrap.Retry{Attempts: 1}}.Model("m"),
	}
	var answers atomic.Int64
	answers.Store(first)
	model := llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		resp, err := wires[answers.Load()%2].Generate(ctx, req, sink)
		if err == nil {
			answers.Add(1)
		}
		return resp, err
	})
	look := tool.Must(tool.New("look", "Looks at a picture.", func(context.Context, lookArgs) (llm.Parts, error) {
		return llm.Parts{llm.Text{Text: "red"}, pixel}, nil
	}, tool.Idempotent()))
	a := &agent.Agent{Name: "looker", Model: model, Tools: []tool.Tool{look}}

	store := new(journal.Memory)
	seen := 0
	in := []runner.Input{runner.Say(llm.User("What colour are they?", pixel))}
	for e, err := range (runner.Runner{Journal: store}).Session("s").Stream(t.Context(), a, in...) {
		require.NoError(t, err)
		if e.Seq == 0 {
			continue
		}
		if seen == crash {
			break
		}
		seen++
	}
	s := runner.Runner{Journal: prefixOf(t, store, seen)}.Session("s")
	if seen < 2 { // the message is in the same append as the start of the run
		_, err := s.Run(t.Context(), a, in...)
		require.NoError(t, err)
		return seen
	}
	_, err := s.Run(t.Context(), a)
	if crash >= 0 {
		require.NoError(t, err, "crash behind %d events", crash)
	} else {
		require.ErrorIs(t, err, runner.ErrNoInput)
	}
	messages, err := s.Messages(t.Context())
	require.NoError(t, err)
	require.Equal(t, "All four are red.", messages[len(messages)-1].Text(), "crash behind %d events", crash)
	for _, req := range script.Requests() {
		require.NotContains(t, fmt.Sprint(req.Messages), "no result", "crash behind %d events", crash)
	}
	return seen
}

type lookArgs struct {
	N int `json:"n"`
}

// prefixOf is the store as it is when the process dies behind so many events.
func prefixOf(t *testing.T, store *journal.Memory, events int) *journal.Memory {
	t.Helper()
	data, err := json.Marshal(store)
	require.NoError(t, err)
	var sessions map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &sessions))
	var all []json.RawMessage
	require.NoError(t, json.Unmarshal(sessions["s"], &all), "%s", strings.TrimSpace(string(sessions["s"])))
	kept, err := json.Marshal(map[string]any{"s": all[:min(events, len(all))]})
	require.NoError(t, err)
	out := new(journal.Memory)
	require.NoError(t, json.Unmarshal(kept, out))
	return out
}
