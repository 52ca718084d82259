package serve_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/memnet"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A site is a server with a chat, in memory, so that time is exact in a bubble.
type site struct {
	chat   *serve.Chat
	client *http.Client
}

// open serves a chat. The name of a session is the id of the conversation.
func open(t *testing.T, c serve.Config) site {
	t.Helper()
	if c.Session == nil {
		c.Session = func(_ *http.Request, id string) (string, error) { return id, nil }
	}
	chat, err := c.Chat()
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/chat", chat.UIStream())
	mux.Handle("/chat/", chat.UIStream())
	mux.Handle("/ag", chat.AGUI())
	mux.Handle("/ag/", chat.AGUI())
	l := memnet.Listen()
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }() // ends with the server
	transport := &http.Transport{DialContext: l.Dial}
	t.Cleanup(func() {
		require.NoError(t, chat.Shutdown(context.WithoutCancel(t.Context())))
		transport.CloseIdleConnections()
		_ = server.Close()
		time.Sleep(time.Second) // synctest: exact in a bubble; the server waits for refused bodies
	})
	return site{chat, &http.Client{Transport: transport}}
}

// A stream is an open answer.
type stream struct {
	*http.Response
	lines *bufio.Reader
}

// do sends a request with JSON.
func (s site) do(t *testing.T, method, path, body string) stream {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://chat"+path, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.client.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return stream{resp, bufio.NewReader(resp.Body)}
}

// say posts a message of the user, as useChat does.
func (s site) say(t *testing.T, id, text string) stream {
	t.Helper()
	data, err := json.Marshal(map[string]any{"id": "c", "trigger": "submit-message", "messages": []any{
		map[string]any{"id": id, "role": "user", "parts": []any{map[string]string{"type": "text", "text": text}}},
	}})
	require.NoError(t, err)
	return s.do(t, http.MethodPost, "/chat", string(data))
}

// next returns the next event without its "data: ", or "" at the end.
func (s stream) next(t *testing.T) string {
	t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			return ""
		}
		if data, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "data: "); ok {
			return data
		}
	}
}

// all returns the rest of the events. How an answer is cut into deltas depends on the speed
// of the reader: a text is one delta here, and arguments are whole.
func (s stream) all(t *testing.T) (events []string) {
	t.Helper()
	var text, id string
	for {
		e := s.next(t)
		var c struct{ Type, ID, Delta string }
		_ = json.Unmarshal([]byte(e), &c) // [DONE] is no JSON
		if text != "" && c.Type != "text-delta" {
			events, text = append(events, fmt.Sprintf(`{"type":"text-delta","id":%q,"delta":%q}`, id, text)), ""
		}
		switch {
		case e == "":
			return events
		case c.Type == "text-delta":
			text, id = text+c.Delta, c.ID
		case c.Type == "tool-input-start", c.Type == "tool-input-delta":
		default:
			events = append(events, e)
		}
	}
}

type lookArgs struct {
	Order string `json:"order"`
}

// desk returns an agent with a tool that takes a second, and one that needs approval.
func desk(model llm.Model) *agent.Agent {
	return &agent.Agent{Name: "desk", Instructions: "The secret instructions.", Model: model, Tools: []tool.Tool{
		tool.Must(tool.New("look", "Looks up an order.", func(_ context.Context, in lookArgs) (map[string]string, error) {
			time.Sleep(time.Second) // synctest: exact in a bubble
			return map[string]string{"order": in.Order, "state": "sent"}, nil
		})),
		tool.Must(tool.New("pay", "Pays an order.", func(_ context.Context, in lookArgs) (string, error) {
			return "Paid " + in.Order + ".", nil
		}, tool.NeedsApproval())),
	}}
}

func look(order string) llmtest.Step { return llmtest.Calls("look", lookArgs{order}) }

// TestUIStream: the chunks of an answer with a call.
func TestUIStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, serve.Config{Agent: desk(llmtest.Script(t, look("W1"), llmtest.Text("It was sent.")))})
		answer := s.say(t, "a", "Where is W1?")
		require.Equal(t, 200, answer.StatusCode)
		require.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
		require.Equal(t, "v1", answer.Header.Get("X-Vercel-Ai-Ui-Message-Stream"))
		require.Equal(t, []string{
			`{"type":"start","messageId":"m1"}`,
			`{"type":"start-step"}`,
			`{"type":"tool-input-available","toolCallId":"r1.t1.c0","toolName":"look","dynamic":true,"input":{"order":"W1"}}`,
			`{"type":"tool-output-available","toolCallId":"r1.t1.c0","dynamic":true,"output":{"order":"W1","state":"sent"}}`,
			`{"type":"finish-step"}`,
			`{"type":"start-step"}`,
			`{"type":"text-start","id":"m1.1"}`,
			`{"type":"text-delta","id":"m1.1","delta":"It was sent."}`,
			`{"type":"text-end","id":"m1.1"}`,
			`{"type":"finish-step"}`,
			`{"type":"finish","finishReason":"stop","messageMetadata":{"usage":{"inputTokens":20,"outputTokens":10,"totalTokens":30}}}`,
			`[DONE]`,
		}, answer.all(t))
		require.Equal(t, 204, s.do(t, http.MethodGet, "/chat/c/stream", "").StatusCode)
		require.JSONEq(t, `{"active":false,"status":"finished","messages":[
			{"id":"a","role":"user","parts":[{"type":"text","text":"Where is W1?"}]},
			{"id":"m1","role":"assistant","metadata":{"usage":{"inputTokens":20,"outputTokens":10,"totalTokens":30}},"parts":[
				{"type":"step-start"},
				{"type":"dynamic-tool","toolName":"look","toolCallId":"r1.t1.c0","state":"output-available","input":{"order":"W1"},"output":{"order":"W1","state":"sent"}},
				{"type":"step-start"},
				{"type":"text","text":"It was sent.","state":"done"}]}]}`, s.text(t, "/chat/c/messages"))
	})
}

// text returns the body of an answer.
func (s site) text(t *testing.T, path string) string {
	t.Helper()
	resp := s.do(t, http.MethodGet, path, "")
	require.Equal(t, 200, resp.StatusCode)
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(data)
}

// slow returns a model that takes a second before each piece of an answer.
func slow(t *testing.T, steps ...llmtest.Step) llm.Model {
	t.Helper()
	m := llmtest.Script(t, steps...)
	m.Delay = time.Second
	return m
}

// untilDelta reads a stream until a text comes.
func (s stream) untilDelta(t *testing.T) (before []string, text string) {
	t.Helper()
	for {
		e := s.next(t)
		require.NotEmpty(t, e, before)
		var c struct{ Type, Delta string }
		require.NoError(t, json.Unmarshal([]byte(e), &c))
		if c.Type == "text-delta" {
			return before, c.Delta
		}
		before = append(before, e)
	}
}

// textOf joins the texts of a stream.
func textOf(t *testing.T, events []string) (text string) {
	t.Helper()
	for _, e := range events {
		var c struct{ Type, Delta string }
		if json.Unmarshal([]byte(e), &c) == nil && c.Type == "text-delta" {
			text += c.Delta
		}
	}
	return text
}

// TestPageLeaves: a run goes on without its page, and pages that come later read the answer
// from its beginning.
func TestPageLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, serve.Config{Agent: desk(slow(t, look("W1"), llmtest.Text("It was sent on Monday.")))})
		first := s.say(t, "a", "Where is W1?")
		_, text := first.untilDelta(t)
		require.NotEmpty(t, text)
		require.NoError(t, first.Body.Close())

		one, two := s.do(t, http.MethodGet, "/chat/c/stream", ""), s.do(t, http.MethodGet, "/chat/c/stream", "")
		require.Contains(t, s.text(t, "/chat/c/messages"), `"active":true`)
		events := one.all(t)
		require.Equal(t, "It was sent on Monday.", textOf(t, events))
		require.Equal(t, `{"type":"start","messageId":"m1"}`, events[0])
		require.Contains(t, events[2], "tool-input-available")
		require.Equal(t, "[DONE]", events[len(events)-1])
		require.Equal(t, "It was sent on Monday.", textOf(t, two.all(t)))
	})
}

// answers posts answers to questions, as useChat does.
func (s site) answers(t *testing.T, approved bool, ids ...string) stream {
	t.Helper()
	var parts []any
	for _, id := range ids {
		parts = append(parts, map[string]any{"type": "dynamic-tool", "toolName": "pay", "toolCallId": "forged", "input": map[string]string{"order": "forged"},
			"state": "approval-responded", "approval": map[string]any{"id": id, "approved": approved, "reason": "too much"}})
	}
	data, err := json.Marshal(map[string]any{"id": "c", "messages": []any{map[string]any{"id": "m1", "role": "assistant", "parts": parts}}})
	require.NoError(t, err)
	return s.do(t, http.MethodPost, "/chat", string(data))
}

// TestApproval: a call waits for the answers of a person, and takes nothing else from them.
func TestApproval(t *testing.T) {
	t.Parallel()
	pay := llmtest.Calls("pay", lookArgs{"W1"}).And(llmtest.Calls("pay", lookArgs{"W2"}))
	synctest.Test(t, func(t *testing.T) {
		s := open(t, serve.Config{Agent: desk(llmtest.Script(t, pay, llmtest.Text("Done.")))})
		events := s.say(t, "a", "Pay them.").all(t)
		require.Equal(t, []string{
			`{"type":"start","messageId":"m1"}`,
			`{"type":"start-step"}`,
			`{"type":"tool-input-available","toolCallId":"r1.t1.c0","toolName":"pay","dynamic":true,"input":{"order":"W1"}}`,
			`{"type":"tool-input-available","toolCallId":"r1.t1.c1","toolName":"pay","dynamic":true,"input":{"order":"W2"}}`,
			`{"type":"tool-approval-request","toolCallId":"r1.t1.c0","approvalId":"r1.t1.c0@5"}`,
			`{"type":"tool-approval-request","toolCallId":"r1.t1.c1","approvalId":"r1.t1.c1@6"}`,
			`{"type":"finish-step"}`,
			`{"type":"finish","finishReason":"tool-calls"}`,
			`[DONE]`,
		}, events)
		require.Equal(t, 204, s.do(t, http.MethodGet, "/chat/c/stream", "").StatusCode)
		require.Equal(t, events, s.say(t, "a", "Pay them.").all(t)) // sent twice
		require.Contains(t, s.text(t, "/chat/c/messages"), `"state":"approval-requested"`)

		require.Equal(t, []string{
			`{"type":"start","messageId":"m1"}`,
			`{"type":"tool-input-available","toolCallId":"r1.t1.c0","toolName":"pay","dynamic":true,"input":{"order":"W1"}}`,
			`{"type":"tool-output-available","toolCallId":"r1.t1.c0","dynamic":true,"output":"Paid W1."}`,
			`{"type":"finish","finishReason":"tool-calls"}`,
			`[DONE]`,
		}, s.answers(t, true, "r1.t1.c0@5").all(t))
		require.Equal(t, http.StatusConflict, s.answers(t, true, "r1.t1.c0@5").StatusCode) // another tab
		require.Equal(t, []string{
			`{"type":"start","messageId":"m1"}`,
			`{"type":"tool-output-denied","toolCallId":"r1.t1.c1","reason":"too much"}`,
			`{"type":"start-step"}`,
			`{"type":"text-start","id":"m1.1"}`,
			`{"type":"text-delta","id":"m1.1","delta":"Done."}`,
			`{"type":"text-end","id":"m1.1"}`,
			`{"type":"finish-step"}`,
			`{"type":"finish","finishReason":"stop","messageMetadata":{"usage":{"inputTokens":20,"outputTokens":10,"totalTokens":30}}}`,
			`[DONE]`,
		}, s.answers(t, false, "r1.t1.c0@5", "r1.t1.c1@6").all(t))
	})
}

// TestStop: a run stops for everybody who watches.
func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, serve.Config{Agent: desk(slow(t, llmtest.Text("It was sent on Monday."), llmtest.Text("Yes.")))})
		first := s.say(t, "a", "Where is W1?")
		first.untilDelta(t)
		second := s.do(t, http.MethodGet, "/chat/c/stream", "")
		require.Equal(t, 204, s.do(t, http.MethodPost, "/chat/c/stop", "").StatusCode)
		for _, events := range [][]string{first.all(t), second.all(t)} {
			require.Equal(t, []string{`{"type":"finish-step"}`, `{"type":"abort","reason":"stopped"}`, `[DONE]`}, events[len(events)-3:])
		}
		require.Equal(t, "Yes.", textOf(t, s.say(t, "b", "Is it?").all(t)))
	})
}

// TestFailure: a browser does not see the error.
func TestFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, serve.Config{
			Agent:  desk(llmtest.Script(t, llmtest.Fail(errors.New("the key sk-12345 is wrong")), llmtest.Text("Now."))),
			Logger: slog.New(slog.DiscardHandler),
		})
		require.Equal(t, []string{
			`{"type":"start","messageId":"m1"}`, `{"type":"start-step"}`, `{"type":"finish-step"}`,
			`{"type":"error","errorText":"The answer failed."}`, `[DONE]`,
		}, s.say(t, "a", "Where?").all(t))
		require.NotContains(t, s.text(t, "/chat/c/messages"), "sk-12345")
		require.Equal(t, "Now.", textOf(t, s.say(t, "a", "Where?").all(t))) // regenerate after a failure
	})
}

// TestOneRun: during a run, another message is refused or waits.
func TestOneRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, serve.Config{Agent: desk(slow(t, llmtest.Text("One.")))})
		first := s.say(t, "a", "1")
		refused := s.say(t, "b", "2")
		require.Equal(t, http.StatusConflict, refused.StatusCode)
		again := s.say(t, "a", "1") // sent twice: the same answer
		require.Equal(t, "One.", textOf(t, first.all(t)))
		require.Equal(t, "One.", textOf(t, again.all(t)))
		require.Equal(t, "One.", textOf(t, s.say(t, "a", "1").all(t)))
	})
	synctest.Test(t, func(t *testing.T) {
		s := open(t, serve.Config{Queue: 2, Agent: desk(slow(t, llmtest.Text("One."), llmtest.Text("Two."), llmtest.Text("Three.")))})
		first := s.say(t, "a", "1")
		second := s.say(t, "b", "2")
		third := s.say(t, "c", "3")
		require.Equal(t, http.StatusConflict, s.say(t, "d", "4").StatusCode)
		require.NoError(t, second.Body.Close()) // its page has gone
		require.Equal(t, "One.", textOf(t, first.all(t)))
		require.Equal(t, "Three.", textOf(t, third.all(t)))
		require.Contains(t, s.text(t, "/chat/c/messages"), "Two.")
	})
}

// TestRestart: after the end of a process, the next one continues the run when a page asks.
func TestRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := new(journal.Memory)
		r := runner.Runner{Journal: store}
		s := open(t, serve.Config{Runner: r, Agent: desk(slow(t, look("W1"), llmtest.Text("It was sent on Monday.")))})
		answer := s.say(t, "a", "Where is W1?")
		answer.untilDelta(t)
		require.NoError(t, s.chat.Shutdown(t.Context()))
		_, err := io.ReadAll(answer.lines)
		require.Error(t, err) // a clean end would look like the end of the answer
		require.Equal(t, http.StatusServiceUnavailable, s.say(t, "b", "And now?").StatusCode)

		s = open(t, serve.Config{Runner: r, Agent: desk(llmtest.Script(t, llmtest.Text("It was sent on Tuesday.")))})
		require.Contains(t, s.text(t, "/chat/c/messages"), `"active":true`)
		events := s.do(t, http.MethodGet, "/chat/c/stream", "").all(t)
		require.Equal(t, "It was sent on Tuesday.", textOf(t, events))
		require.Equal(t, `{"type":"start","messageId":"m1"}`, events[0])
		require.Contains(t, events[3], "tool-output-available")
	})
}

// TestRefusals: requests that are refused, and what the browser reads.
func TestRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, serve.Config{
			MaxBody: 1000, Agent: desk(llmtest.Script(t)), Logger: slog.New(slog.DiscardHandler), Origins: []string{"https://friend.example"},
			Session: func(_ *http.Request, id string) (string, error) {
				if id == "mine" {
					return id, nil
				}
				return "", errors.New("secret of the database")
			},
		})
		const message = `{"id":"mine","messages":[{"id":"a","role":"user","parts":[{"type":"text","text":""}]}]}`
		const reserved = "The server itself gives ids such as m1 and u1 to messages. Send a message with another id, for example a random one."
		ownID := func(id string) string {
			return strings.NewReplacer(`"id":"a"`, `"id":"`+id+`"`, `"text":""`, `"text":"Hi"`).Replace(message)
		}
		for _, tt := range []struct {
			name, method, path, body, header, value string
			status                                  int
			text                                    string
		}{
			{"method", "PUT", "/chat", message, "", "", 405, "The method must be GET or POST."},
			{"path", "GET", "/chat/mine", "", "", "", 404, "There is nothing here."},
			{"type", "POST", "/chat", message, "Content-Type", "text/plain", 415, "The content type must be application/json."},
			{"size", "POST", "/chat", `{"id":"` + strings.Repeat("x", 1000) + `"}`, "", "", 413, "The request is too large. Send only the last message of the conversation."},
			{"json", "POST", "/chat", `{`, "", "", 400, "The request is no JSON of a chat."},
			{"no message", "POST", "/chat", `{"id":"mine"}`, "", "", 400, "The request has no message."},
			{"empty message", "POST", "/chat", message, "", "", 400, "the message is empty"},
			{"id of ours", "POST", "/chat", ownID("m1"), "", "", 400, reserved},
			{"id of a part", "POST", "/chat", ownID("m12.s1"), "", "", 400, reserved},
			{"id of a program's message", "POST", "/chat", ownID("u7"), "", "", 400, reserved},
			{"id of ours, AG-UI", "POST", "/ag", `{"threadId":"mine","runId":"r","messages":[{"id":"m1","role":"user","content":"Hi"}]}`, "", "", 400, reserved},
			{"role", "POST", "/chat", strings.Replace(message, "user", "system", 1), "", "", 400, `a message with the role "system" cannot be sent`},
			{"address", "POST", "/chat", strings.Replace(message, `"type":"text","text":""`, `"type":"file","mediaType":"image/png","url":"http://10.0.0.1/"`, 1), "", "", 400, "a file must be a data URL in base64"},
			{"no id", "POST", "/chat", strings.Replace(message, "mine", "", 1), "", "", 400, "The conversation needs an id of 1 to 300 bytes."},
			{"stranger", "POST", "/chat", strings.Replace(message, "mine", "yours", 1), "", "", 403, "You may not use this conversation."},
			{"stranger reads", "GET", "/chat/yours/messages", "", "", "", 403, "You may not use this conversation."},
			{"origin", "POST", "/chat", message, "Origin", "https://evil.example", 403, "The request comes from a page of another origin."},
			{"site", "GET", "/chat/mine/stream", "", "Sec-Fetch-Site", "cross-site", 403, "The request comes from a page of another origin."},
			{"stop from another site", "POST", "/chat/mine/stop", "", "Sec-Fetch-Site", "same-site", 403, "The request comes from a page of another origin."},
			{"trusted origin", "POST", "/chat", message, "Origin", "https://friend.example", 400, "the message is empty"},
			{"nothing to continue", "GET", "/chat/mine/stream", "", "", "", 204, ""},
			{"no question", "POST", "/chat", `{"id":"mine","messages":[{"id":"a","role":"assistant","parts":[]}]}`, "", "", 409, "There is nothing to answer."},
		} {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://chat"+tt.path, strings.NewReader(tt.body))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/json")
			if tt.header != "" {
				req.Header.Set(tt.header, tt.value)
			}
			resp, err := s.client.Do(req)
			require.NoError(t, err)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, tt.text, strings.TrimSpace(string(text)), tt.name)
			require.Equal(t, tt.status, resp.StatusCode, tt.name)
			require.Empty(t, resp.Header.Get("Access-Control-Allow-Origin"))
		}
	})
}

// TestConfig: a chat that would be open or broken is refused.
func TestConfig(t *testing.T) {
	t.Parallel()
	name := func(*http.Request, string) (string, error) { return "s", nil }
	a := desk(llmtest.NewScript())
	for want, c := range map[string]serve.Config{
		"serve: Session is nil: it must return the name of a session that only this visitor can reach": {Agent: a},
		"serve: agent: the Agent is nil":                              {Session: name},
		"serve: Queue is -1":                                          {Agent: a, Session: name, Queue: -1},
		"serve: Origins: invalid":                                     {Agent: a, Session: name, Origins: []string{"friend.example"}},
		"serve: the Journal serve_test.noReader is no journal.Reader": {Agent: a, Session: name, Runner: runner.Runner{Journal: noReader{}}},
	} {
		_, err := c.Chat()
		require.ErrorContains(t, err, want)
	}
}

type noReader struct{ journal.Journal }
