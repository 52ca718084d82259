package runner_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// The recordings that TestTrafficSessions replays, one JSON object a line.
type (
	interaction struct {
		Repo, File string
		I          int
		Status     int
		CType      string
		Request    json.RawMessage
		Response   string
		Want       struct{ Calls []struct{ Arguments string } }
	}
	recording struct {
		Repo, File  string
		First, Last int
		Turns       []int
		Stream      bool
		Final, Note string
	}
	interactionKey struct {
		repo, file string
		i          int
	}
)

// trafficDir is where the recordings are, beside the repository or where
// TOOLLOOP_TRAFFIC says.
func trafficDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TOOLLOOP_TRAFFIC")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "traffic")
	}
	if _, err := os.Stat(filepath.Join(dir, "sessions.jsonl")); err != nil {
		if os.Getenv("TOOLLOOP_REQUIRE_SHARED") != "" {
			t.Fatalf("no recorded traffic, and TOOLLOOP_REQUIRE_SHARED is set: %v", err)
		}
		t.Skipf("skipped: no recorded traffic in %s; TOOLLOOP_TRAFFIC names another directory", dir)
	}
	return dir
}

func readLines[T any](t *testing.T, file string, add func(T)) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var v T
			require.NoError(t, json.Unmarshal(line, &v), file)
			add(v)
		}
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

// TestTrafficSessions walks recorded conversations from start to final text:
// the providers' bytes over HTTP, the recorded tools, and each request compared
// with the one that the recorded client sent.
func TestTrafficSessions(t *testing.T) {
	t.Parallel()
	dir := trafficDir(t)
	turns := map[interactionKey]interaction{}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	require.NoError(t, err)
	for _, file := range files {
		if base := filepath.Base(file); base != "sessions.jsonl" && base != "excluded.jsonl" {
			readLines(t, file, func(i interaction) { turns[interactionKey{i.Repo, i.File, i.I}] = i })
		}
	}
	total, replayed := 0, 0
	readLines(t, filepath.Join(dir, "sessions.jsonl"), func(r recording) {
		total++
		where := fmt.Sprintf("%s %s %d-%d", r.Repo, r.File, r.First, r.Last)
		s := &replay{recording: r}
		for _, i := range r.Turns {
			turn, ok := turns[interactionKey{r.Repo, r.File, i}]
			require.True(t, ok, "%s: turn %d is missing", where, i)
			s.turns = append(s.turns, turn)
		}
		if err := s.run(t.Context()); err != nil {
			t.Errorf("differs: %s: %v", where, err)
			return
		}
		replayed++
	})
	fmt.Printf("sessions: %d of %d replayed\n", replayed, total)
	require.Positive(t, total)
}

// replay is one recorded conversation, walked by our loop.
type replay struct {
	recording
	turns []interaction

	mu     sync.Mutex
	bodies [][]byte // the requests of the run
}

// ServeHTTP answers request k as the provider answered turn k.
func (s *replay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	k := len(s.bodies)
	s.bodies = append(s.bodies, body)
	s.mu.Unlock()
	if k >= len(s.turns) {
		http.Error(w, "beyond the recording", http.StatusTeapot)
		return
	}
	turn := s.turns[k]
	w.Header()["Content-Type"] = nil // none, unless the recording has one
	if turn.CType != "" {
		w.Header().Set("Content-Type", turn.CType)
	}
	w.WriteHeader(turn.Status)
	_, _ = io.WriteString(w, turn.Response)
}

func (s *replay) run(ctx context.Context) error {
	server := httptest.NewServer(s)
	defer server.Close()
	start, err := llmtest.ParseRequest(s.turns[0].Request)
	if err != nil {
		return err
	}
	tools, err := s.tools()
	if err != nil {
		return err
	}
	a := &agent.Agent{Tools: tools, Model: openai.Config{BaseURL: server.URL, Retry: wrap.Retry{Attempts: 1}}.Model("recorded")}
	text, err := s.loop(ctx, a, start.Messages)
	if err != nil && !strings.Contains(s.Note, "cut off: length") {
		return err
	}
	if text != s.Final {
		return fmt.Errorf("final text %q, want %q", text, s.Final)
	}
	return s.compare()
}

// loop runs the agent as the recording was run, streamed or not.
func (s *replay) loop(ctx context.Context, a *agent.Agent, start []llm.Message) (string, error) {
	if !s.Stream {
		result, err := runner.Run(ctx, a, start...)
		return result.Text, err
	}
	text := ""
	for e, err := range runner.Stream(ctx, a, start...) {
		if err != nil {
			return text, err
		}
		if b, ok := e.Body.(event.ModelAnswered); ok {
			text = b.Message.Text()
		}
	}
	return text, nil
}

// tools are those that any request of the session declares.
func (s *replay) tools() ([]tool.Tool, error) {
	var tools []tool.Tool
	seen := map[string]bool{}
	for _, turn := range s.turns {
		req, err := llmtest.ParseRequest(turn.Request)
		if err != nil {
			return nil, err
		}
		for _, d := range req.Tools {
			if seen[d.Name] {
				continue
			}
			seen[d.Name] = true
			made, err := tool.NewRaw(d.Name, d.Description, d.Schema, s.result)
			if err != nil {
				return nil, err
			}
			tools = append(tools, made)
		}
	}
	return tools, nil
}

// result is what the recorded client answered the call that ctx is for: by its
// id, or by its position where the response gave none.
func (s *replay) result(ctx context.Context, _ json.RawMessage) (string, error) {
	call := tool.CallFrom(ctx)
	if call.Turn >= len(s.turns) {
		return "", errors.New("no recorded request holds this call's result")
	}
	next, err := messagesOf(s.turns[call.Turn].Request)
	if err != nil {
		return "", err
	}
	var last []wireMessage // the results after the last message with calls
	for _, m := range next {
		switch {
		case m.Role != "tool":
			last = nil
		case m.ToolCallID == call.ID && call.ID != "":
			return m.text(), nil
		default:
			last = append(last, m)
		}
	}
	_, position, _ := strings.Cut(call.Key, ".c")
	if i, err := strconv.Atoi(position); err == nil && call.ID == "" && i < len(last) {
		return last[i].text(), nil
	}
	return "", fmt.Errorf("the recording has no result for call %q", call.ID)
}

// compare holds the requests of the run against the recorded ones.
func (s *replay) compare() error {
	if len(s.bodies) != len(s.turns) {
		return fmt.Errorf("%d requests, want %d", len(s.bodies), len(s.turns))
	}
	for k, body := range s.bodies {
		got, err := conversation(body)
		if err != nil {
			return fmt.Errorf("request %d: %w", k, err)
		}
		want, err := conversation(s.turns[k].Request)
		if err != nil {
			return fmt.Errorf("recorded request %d: %w", k, err)
		}
		if err := sameConversation(got, want); err != nil {
			return fmt.Errorf("request %d: %w", k, err)
		}
		if k > 0 {
			if err := s.sameArguments(body, k); err != nil {
				return fmt.Errorf("request %d: %w", k, err)
			}
		}
	}
	return nil
}

// sameArguments: the arguments of the answer before request k went back byte
// for byte, save that nothing and null become {}.
func (s *replay) sameArguments(body []byte, k int) error {
	messages, err := messagesOf(body)
	if err != nil {
		return err
	}
	var sent []wireCall
	for _, m := range messages {
		if len(m.ToolCalls) > 0 {
			sent = m.ToolCalls
		}
	}
	want := s.turns[k-1].Want.Calls
	if len(sent) != len(want) {
		return fmt.Errorf("%d calls, want %d", len(sent), len(want))
	}
	for i, c := range sent {
		args := want[i].Arguments
		if args == "" || args == "null" {
			args = "{}"
		}
		if c.Function.Arguments != args {
			return fmt.Errorf("call %d: arguments %q, want %q", i, c.Function.Arguments, args)
		}
	}
	return nil
}

// The members of a request that two conversations are compared by.
type (
	wireCall struct {
		ID       string
		Function struct{ Name, Arguments string }
	}
	wireMessage struct {
		Role       string
		Content    json.RawMessage
		ToolCalls  []wireCall `json:"tool_calls"`
		ToolCallID string     `json:"tool_call_id"`
	}
	// said is a message in the form in which two are compared.
	said struct {
		role, text string
		parts      []any // content that is not text alone
		calls      []saidCall
		callID     string
	}
	saidCall struct {
		id, name  string
		arguments any
	}
)

func messagesOf(body []byte) ([]wireMessage, error) {
	var req struct{ Messages []wireMessage }
	err := json.Unmarshal(body, &req)
	return req.Messages, err
}

// text is the content as a string, with the texts of a list joined.
func (m wireMessage) text() string {
	text, _, _ := m.content()
	return text
}

func (m wireMessage) content() (text string, parts []any, err error) {
	if len(m.Content) == 0 || string(m.Content) == "null" {
		return "", nil, nil
	}
	if m.Content[0] == '"' {
		err = json.Unmarshal(m.Content, &text)
		return text, nil, err
	}
	value, err := exact(m.Content)
	if err != nil {
		return "", nil, err
	}
	list, ok := value.([]any)
	if !ok {
		return "", nil, fmt.Errorf("content %s", m.Content)
	}
	for _, p := range list {
		part, _ := p.(map[string]any)
		t, isText := part["text"].(string)
		if part["type"] != "text" || !isText {
			return "", list, nil
		}
		text += t
	}
	return text, nil, nil
}

// conversation brings a request's messages into the form in which two are
// compared: assistant messages in a row are one.
func conversation(body []byte) ([]said, error) {
	messages, err := messagesOf(body)
	if err != nil {
		return nil, err
	}
	var all []said
	for i, m := range messages {
		s := said{role: m.Role, callID: m.ToolCallID}
		if s.text, s.parts, err = m.content(); err != nil {
			return nil, fmt.Errorf("message %d: %w", i, err)
		}
		for _, c := range m.ToolCalls {
			args, err := exact([]byte(c.Function.Arguments))
			if err != nil {
				return nil, fmt.Errorf("message %d: arguments %q: %w", i, c.Function.Arguments, err)
			}
			s.calls = append(s.calls, saidCall{c.ID, c.Function.Name, args})
		}
		if n := len(all); n > 0 && s.role == "assistant" && all[n-1].role == "assistant" {
			last := &all[n-1]
			last.text += s.text
			last.parts = append(last.parts, s.parts...)
			last.calls = append(last.calls, s.calls...)
			continue
		}
		all = append(all, s)
	}
	for i := range all {
		if all[i].role == "assistant" {
			all[i].text = strings.TrimSpace(all[i].text)
		}
	}
	return all, nil
}

func sameConversation(got, want []said) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d messages, want %d", len(got), len(want))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i]) {
			return fmt.Errorf("message %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	return nil
}

// exact decodes JSON with numbers by their value.
func exact(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the JSON value")
	}
	return withRationals(v), nil
}

func withRationals(v any) any {
	switch v := v.(type) {
	case json.Number:
		if r, ok := new(big.Rat).SetString(v.String()); ok {
			return r.String()
		}
	case []any:
		for i := range v {
			v[i] = withRationals(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = withRationals(v[k])
		}
	}
	return v
}
