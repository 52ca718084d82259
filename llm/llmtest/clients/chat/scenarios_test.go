package chat_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/memnet"
	"github.com/seed-916e8f6a/toolloop/internal/scenario"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
)

// A recording is what the handlers sent in a scenario.
type recording struct {
	live, again string // the streams of the message, and of the same message sent again
	history     []json.RawMessage
}

const (
	uiMessage = `{"id":"c","messages":[{"id":"a","role":"user","parts":[{"type":"text","text":"Where is my order?"}]}]}`
	agMessage = `{"threadId":"c","runId":"r","messages":[{"id":"a","role":"user","content":"Where is my order?"}],"tools":[],"context":[]}`
)

// record runs a scenario behind a handler, in a bubble. pace is the time between the pieces
// of an answer.
func record(t *testing.T, s scenario.Scenario, path, body string, pace time.Duration, reset bool) (out recording) {
	t.Helper()
	script := llmtest.NewScript(s.Steps...)
	if s.HandIn == nil { // otherwise the run pauses before its last step
		script = llmtest.Script(t, s.Steps...)
	}
	script.Delay = pace
	desk := scenario.Desk()
	if s.Agent != nil {
		s.Agent(desk)
	}
	r := s.Runner
	r.Model = scenario.Seats()[0].Model(t, script)
	chat, err := serve.Config{
		Runner: r, Agent: desk, ResetStep: reset, Logger: slog.New(slog.DiscardHandler),
		Session: func(_ *http.Request, id string) (string, error) { return id, nil },
	}.Chat()
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/ui", chat.UIStream())
	mux.Handle("/ui/", chat.UIStream())
	mux.Handle("/ag", chat.AGUI())
	mux.Handle("/ag/", chat.AGUI())
	l := memnet.Listen()
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }() // ends with the server
	transport := &http.Transport{DialContext: l.Dial}
	defer func() {
		require.NoError(t, chat.Shutdown(context.WithoutCancel(t.Context())))
		transport.CloseIdleConnections()
		_ = server.Close()
	}()
	do := func(method, path, body string) string {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://chat"+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		resp, err := (&http.Client{Transport: transport}).Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Less(t, resp.StatusCode, 300, string(data))
		return string(data)
	}
	if s.HangUp > 0 {
		stopped := make(chan struct{})
		time.AfterFunc(s.HangUp, func() {
			defer close(stopped)
			do(http.MethodPost, path+"/c/stop", "{}")
		})
		defer func() { <-stopped }()
	}
	out.live = do(http.MethodPost, path, body)
	if strings.Contains(out.live, `"finish"`) || strings.Contains(out.live, `"RUN_FINISHED"`) && !strings.Contains(out.live, `"cancelled"`) {
		out.again = do(http.MethodPost, path, body)
	}
	var history struct{ Messages []json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(do(http.MethodGet, "/ui/c/messages", "")), &history))
	out.history = history.Messages
	return out
}

// A verdict is what a client says about a stream.
type verdict struct {
	Last     string
	Faults   []string
	Messages []json.RawMessage
}

type check struct {
	Protocol string            `json:"protocol"`
	Raw      string            `json:"raw,omitempty"`
	Messages []json.RawMessage `json:"messages,omitempty"`
	Valid    []json.RawMessage `json:"valid,omitempty"`
}

// TestScenarios: the clients read every stream of all scenarios.
func TestScenarios(t *testing.T) {
	t.Parallel()
	process := packages.Start(t, "check.mjs")
	streams := 0
	judge := func(t *testing.T, c check, error bool) verdict {
		t.Helper()
		var v verdict
		process.Ask(t, c, &v)
		require.Empty(t, v.Faults, c.Raw)
		streams++
		if c.Raw != "" {
			require.Contains(t, map[bool][]string{
				false: {"finish", "RUN_FINISHED success", "RUN_FINISHED interrupt"},
				true:  {"error", "abort", "RUN_ERROR", "RUN_FINISHED cancelled"},
			}[error], v.Last)
		}
		return v
	}
	for _, s := range scenario.All() {
		for _, pace := range []time.Duration{0, time.Millisecond} {
			for _, reset := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, pace %v, reset %v", s.Name, pace, reset), func(t *testing.T) {
					var ui, ag recording
					synctest.Test(t, func(t *testing.T) { ui = record(t, s, "/ui", uiMessage, pace, reset) })
					synctest.Test(t, func(t *testing.T) { ag = record(t, s, "/ag", agMessage, pace, reset) })
					for _, protocol := range []string{"ui6", "ui7"} {
						if reset && protocol == "ui6" {
							continue // does not know reset-step
						}
						for _, raw := range []string{ui.live, ui.again} {
							if raw == "" {
								continue
							}
							v := judge(t, check{Protocol: protocol, Raw: raw}, s.Want.Err != "")
							if s.Want.Err == "" && !strings.Contains(raw, "data-toolloop-restart") {
								require.Equal(t, plain(t, ui.history[len(ui.history)-1]), plain(t, v.Messages[0])) // what a page that loads sees
							}
						}
						judge(t, check{Protocol: protocol, Valid: ui.history}, false)
					}
					known := []json.RawMessage{json.RawMessage(`{"id":"a","role":"user","content":"Where is my order?"}`)}
					live := judge(t, check{Protocol: "ag", Raw: ag.live, Messages: known}, s.Want.Err != "")
					if ag.again != "" {
						again := judge(t, check{Protocol: "ag", Raw: ag.again, Messages: live.Messages}, s.Want.Err != "")
						if !strings.Contains(ag.live, "toolloop.restart") {
							require.Equal(t, decoded(t, live.Messages), decoded(t, again.Messages))
						}
					}
				})
			}
		}
	}
	fmt.Printf("chat streams: %d streams of %d scenarios were read by ai 6, ai 7 and AG-UI\n", streams, len(scenario.All()))
}

// plain returns a message without who approved, which only the page that asked knows.
func plain(t *testing.T, message json.RawMessage) (m map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(message, &m))
	parts, _ := m["parts"].([]any)
	for _, p := range parts {
		part, _ := p.(map[string]any)
		delete(part, "approval")
		if part["type"] == "reasoning" { // 7 keeps its id, 6 does not
			delete(part, "id")
		}
	}
	return m
}

// decoded returns messages with their members in any order.
func decoded(t *testing.T, all []json.RawMessage) (out []any) {
	t.Helper()
	for _, m := range all {
		var v any
		require.NoError(t, json.Unmarshal(m, &v))
		out = append(out, v)
	}
	return out
}
