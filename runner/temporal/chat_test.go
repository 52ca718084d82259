package temporal_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A bus passes what the workers do not store to all web servers.
type bus struct {
	mu    sync.Mutex
	chats []*serve.Chat
}

func (b *bus) Live(ctx context.Context, l event.Live) {
	data, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.chats {
		var l event.Live
		if err := json.Unmarshal(data, &l); err != nil {
			panic(err)
		}
		c.Live(ctx, l)
	}
}

// A web is a web server with a chat.
type web struct {
	chat    *serve.Chat
	address string
}

// open starts a web server that hears of the bus. The user of a request is the person.
func (b *bus) open(t *testing.T, sessions temporal.Client, desk *agent.Agent) web {
	t.Helper()
	chat, err := serve.Config{
		Open:    func(session string) serve.Session { return sessions.Session(session) },
		Reader:  sessions,
		Agent:   desk,
		Session: func(_ *http.Request, id string) (string, error) { return id, nil },
		Person:  func(r *http.Request) string { user, _, _ := r.BasicAuth(); return user },
	}.Chat()
	require.NoError(t, err)
	b.mu.Lock()
	b.chats = append(b.chats, chat)
	b.mu.Unlock()
	mux := http.NewServeMux()
	mux.Handle("/chat", chat.UIStream())
	mux.Handle("/chat/", chat.UIStream())
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		require.NoError(t, chat.Shutdown(context.WithoutCancel(t.Context())))
		server.CloseClientConnections()
		server.Close()
	})
	return web{chat, server.URL}
}

// do sends a request with JSON as the user ada.
func (w web) do(t *testing.T, method, path string, body any) *http.Response {
	t.Helper()
	return w.doAs(t, "ada", method, path, body)
}

func (w web) doAs(t *testing.T, user, method, path string, body any) *http.Response {
	t.Helper()
	data, err := json.Marshal(body)
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), method, w.address+path, strings.NewReader(string(data)))
	require.NoError(t, err)
	r.SetBasicAuth(user, "")
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// say posts a message of the user.
func (w web) say(t *testing.T, chat, id, text string) *reply {
	t.Helper()
	return replyOf(w.do(t, http.MethodPost, "/chat", map[string]any{"id": chat, "message": map[string]any{
		"id": id, "role": "user", "parts": []any{map[string]string{"type": "text", "text": text}},
	}}))
}

// decide posts a decision.
func (w web) decide(t *testing.T, user, chat, approval string, approved bool) *reply {
	t.Helper()
	return replyOf(w.doAs(t, user, http.MethodPost, "/chat", map[string]any{"id": chat, "message": map[string]any{"role": "assistant", "parts": []any{
		map[string]any{"state": "approval-responded", "approval": map[string]any{"id": approval, "approved": approved}},
	}}}))
}

// resume gets the unfinished answer.
func (w web) resume(t *testing.T, chat string) *reply {
	t.Helper()
	return replyOf(w.do(t, http.MethodGet, "/chat/"+chat+"/stream", nil))
}

// A reply is a stream for a page. Its texts are joined in Said.
type reply struct {
	*http.Response
	lines *bufio.Reader
	types []string // of the chunks
	said  string   // since the last restart
	last  chunk
}

type chunk struct {
	Type, Delta, ToolCallID, ApprovalID, ErrorText string
}

func replyOf(r *http.Response) *reply { return &reply{Response: r, lines: bufio.NewReader(r.Body)} }

// next reads a chunk. It is false at the end: clean after [DONE], or with an error.
func (a *reply) next() (bool, error) {
	for {
		line, err := a.lines.ReadString('\n')
		if err != nil {
			return false, err
		}
		data, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "data: ")
		switch {
		case !ok:
			continue
		case data == "[DONE]":
			_, err := a.lines.ReadString(0)
			if err == io.EOF {
				err = nil
			}
			return false, err
		}
		a.last = chunk{}
		if err := json.Unmarshal([]byte(data), &a.last); err != nil {
			return false, err
		}
		switch a.types = append(a.types, a.last.Type); a.last.Type {
		case "text-delta":
			a.said += a.last.Delta
		case "data-toolloop-restart":
			a.said = ""
		}
		return true, nil
	}
}

// until reads up to a chunk.
func (a *reply) until(t *testing.T, is func() bool) {
	t.Helper()
	for !is() {
		more, err := a.next()
		require.NoError(t, err, "%v", a.types)
		require.True(t, more, "%v", a.types)
	}
}

// whole reads to a clean end.
func (a *reply) whole(t *testing.T) *reply {
	t.Helper()
	for {
		more, err := a.next()
		require.NoError(t, err, "%v", a.types)
		if !more {
			return a
		}
	}
}

// A teller is a model. A teller says the words of the last message word by word, and waits for the
// test before each word but the first. Its last word is from the test.
type teller struct{ words chan string }

func (m teller) Generate(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
	said := "Once "
	sink(llm.TextDelta{Text: said})
	for {
		select {
		case word, more := <-m.words:
			if !more || word == "" {
				resp, err := llmtest.NewScript(llmtest.Text(said)).Generate(ctx, req, func(llm.Delta) {})
				return resp, err
			}
			said += word
			sink(llm.TextDelta{Text: word})
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// TestServerChat: pages read an answer of a worker as it comes: after a reload, in a second
// tab, and from a web server that began in the middle. A stop stops the run, wherever it is.
func TestServerChat(t *testing.T) {
	t.Parallel()
	c := server(t)
	desk := &agent.Agent{Name: "desk"}
	model := teller{make(chan string)}
	var b bus
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: model}, Watch: b.Live}.Run)
	sessions := sessions(t, c)
	one, two := b.open(t, sessions, desk), b.open(t, sessions, desk)

	first := one.say(t, "a", "x1", "Tell.")
	first.until(t, func() bool { return first.said == "Once " })
	require.Equal(t, []string{"start", "start-step", "text-start", "text-delta"}, first.types)
	require.Equal(t, http.StatusConflict, one.say(t, "a", "x2", "And?").StatusCode)
	require.Equal(t, http.StatusConflict, two.say(t, "a", "x2", "And?").StatusCode)
	history := textOf(t, two.do(t, http.MethodGet, "/chat/a/messages", nil))
	require.Contains(t, history, "Tell.")
	require.Contains(t, history, `"active":true`)
	require.NoError(t, first.Body.Close()) // the page goes
	again, tab, other := one.resume(t, "a"), one.say(t, "a", "x1", "Tell."), two.resume(t, "a")
	for _, page := range []*reply{again, tab} {
		page.until(t, func() bool { return page.said == "Once " })
	}
	model.words <- "upon "
	again.until(t, func() bool { return again.said == "Once upon " })
	require.NoError(t, one.chat.Shutdown(t.Context())) // the run goes on
	_, err := again.next()
	require.Error(t, err) // broken off, and not finished
	model.words <- "a time."
	close(model.words)
	other.whole(t)
	require.Equal(t, "Once upon a time.", other.said)
	require.Equal(t, "finish", other.last.Type)
	require.Equal(t, http.StatusNoContent, two.resume(t, "a").StatusCode)
	require.Contains(t, textOf(t, two.do(t, http.MethodGet, "/chat/a/messages", nil)), "Once upon a time.")
	require.Equal(t, http.StatusServiceUnavailable, one.say(t, "a", "x3", "More.").StatusCode)
}

// TestServerChatStop: a stop of any web server stops the run, and the next message goes on.
func TestServerChatStop(t *testing.T) {
	t.Parallel()
	c := server(t)
	desk := &agent.Agent{Name: "desk"}
	model := teller{make(chan string)}
	var b bus
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: model}, Watch: b.Live}.Run)
	sessions := mortals(t, c)
	sessions.Heartbeat = 2 * time.Second
	one, two := b.open(t, sessions, desk), b.open(t, sessions, desk)
	for i, w := range []web{one, two} {
		page := one.say(t, "a", fmt.Sprint("x", i), "Tell.")
		page.until(t, func() bool { return page.said == "Once " })
		require.Equal(t, http.StatusNoContent, w.do(t, http.MethodPost, "/chat/a/stop", nil).StatusCode)
		require.Equal(t, "abort", page.whole(t).last.Type)
	}
	close(model.words)
	require.Equal(t, "Once ", one.say(t, "a", "x9", "Tell.").whole(t).said)
}

// TestServerChatFailedSaid: a message that comes during the request that fails does not keep the
// answer open.
func TestServerChatFailedSaid(t *testing.T) {
	t.Parallel()
	c := server(t)
	desk := &agent.Agent{Name: "desk"}
	asked, gate := make(chan struct{}, 1), make(chan struct{})
	model := llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
		asked <- struct{}{}
		<-gate
		return nil, &llm.APIError{Kind: llm.KindAuth, Provider: "openai", StatusCode: 401, Message: "Bad key."}
	})
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: model}}.Run)
	sessions := sessions(t, c)
	one := new(bus).open(t, sessions, desk)
	page := one.say(t, "a", "x1", "Tell.")
	<-asked
	require.NoError(t, sessions.Session("a").Say(t.Context(), llm.User("And hurry.")))
	close(gate)
	page.whole(t)
	require.Equal(t, "error", page.last.Type)
	require.Equal(t, http.StatusNoContent, one.resume(t, "a").StatusCode)
}

// TestServerChatApproval: a person decides on the page. The session knows who, and MayAnswer
// of the workers holds.
func TestServerChatApproval(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk(tool.NeedsApproval())
	var b bus
	model := llmtest.NewScript(llmtest.Calls("charge", order{"W1"}), llmtest.Text("All done."))
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Watch: b.Live, Runner: runner.Runner{
		Model: model,
		MayAnswer: func(_ context.Context, p runner.Pending, d runner.Decision) error {
			if d.Person == "trainee" {
				return errors.New("trainees charge nothing")
			}
			return nil
		},
	}}.Run)
	sessions := sessions(t, c)
	one := b.open(t, sessions, desk)
	var approval string
	page := one.say(t, "a", "x1", "Charge.")
	page.until(t, func() bool { approval = page.last.ApprovalID; return approval != "" })
	page.whole(t)
	refused := one.decide(t, "trainee", "a", approval, true)
	require.Equal(t, http.StatusForbidden, refused.StatusCode, textOf(t, refused.Response))
	require.Equal(t, http.StatusConflict, one.decide(t, "ada", "a", "r9.t1.c0@5", true).StatusCode)
	page = one.decide(t, "ada", "a", approval, true).whole(t)
	require.Equal(t, "All done.", page.said)
	require.Equal(t, []string{
		"start", "tool-input-available", "tool-output-available", "start-step", "text-start", "text-delta", "text-end", "finish-step", "finish",
	}, withoutDeltas(page.types))
	state, err := sessions.Session("a").State(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ada", state.Decisions[0].Person)
	keys, runs := s.counts()
	require.Equal(t, []int{1, 1}, []int{keys, runs})
}

// TestServerChatKill: a worker is killed in the middle of an answer, and the next deltas come from
// a new process. The page reads the answer of the next worker, from its beginning.
func TestServerChatKill(t *testing.T) {
	t.Parallel()
	c, effects := server(t), newBook(t)
	dir := filepath.Dir(effects.file)
	sessions := mortals(t, c)
	sessions.Heartbeat = 2 * time.Second
	var b bus
	one := b.open(t, sessions, storing(nil))
	ctx, cancel := context.WithCancel(t.Context())
	var passing sync.WaitGroup
	defer passing.Wait()
	defer cancel()
	passing.Go(func() { // from the workers to the web server
		for passed := 0; ctx.Err() == nil; {
			data, _ := os.ReadFile(filepath.Join(dir, "notes.live"))
			lines := strings.SplitAfter(string(data), "\n")
			for ; passed < len(lines)-1; passed++ {
				var l event.Live
				if err := json.Unmarshal([]byte(lines[passed]), &l); err != nil {
					t.Error(err)
				}
				b.Live(ctx, l)
			}
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	p := spawn(t, effects, 0)
	page := one.say(t, "a", "x1", "tell")
	page.until(t, func() bool { return page.said == "Once " })
	p.kill()
	spawn(t, effects, 0)
	page.until(t, func() bool { return page.last.Type == "data-toolloop-restart" })
	page.until(t, func() bool { return page.said == "Once " }) // of the second worker
	note(dir, "go", "on")
	page.whole(t)
	require.Equal(t, "Once upon a time.", page.said)
	require.Equal(t, "finish", page.last.Type)
}

// withoutDeltas leaves out deltas that follow a delta: their number depends on the speed.
func withoutDeltas(types []string) (out []string) {
	for _, typ := range types {
		if n := len(out); n == 0 || typ != "text-delta" || out[n-1] != typ {
			out = append(out, typ)
		}
	}
	return out
}
