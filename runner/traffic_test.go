package runner_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
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
		Host, URI  string
		Status     int
		CType      string
		Request    json.RawMessage
		Response   string
		Want       struct {
			Calls []struct{ ID, Arguments string }
		}
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

// leastSessions is the number of sessions that the test needs at least, unless
// TOOLLOOP_TRAFFIC names another folder.
const leastSessions = 196

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
	if os.Getenv("TOOLLOOP_TRAFFIC") == "" {
		require.GreaterOrEqual(t, replayed, leastSessions)
	}
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
	a := &agent.Agent{Tools: tools, Model: s.config(server).Model(cmp.Or(start.Model, "recorded"))}
	text, err := s.loop(ctx, a, start.Messages)
	if err != nil && !strings.Contains(s.Note, "cut off: length") {
		return err
	}
	if text != s.Final {
		return fmt.Errorf("final text %q, want %q", text, s.Final)
	}
	return s.compare()
}

// config is for the host of the recording, under the profile that is known of it.
// What is sent goes to the server.
func (s *replay) config(server *httptest.Server) openai.Config {
	base, ok := strings.CutSuffix(s.turns[0].URI, "/chat/completions")
	if !ok {
		base = "https://" + s.turns[0].Host + "/v1"
	}
	return openai.Config{
		BaseURL: base, Key: "sk-of-the-traffic-test", Retry: wrap.Retry{Attempts: 1},
		HTTPClient: &http.Client{Transport: toServer(server.Listener.Addr().String())},
	}
}

// toServer sends all requests to the server at that address.
type toServer string

func (addr toServer) RoundTrip(r *http.Request) (*http.Response, error) {
	to := r.Clone(r.Context())
	to.URL.Scheme, to.URL.Host = "http", string(addr)
	return http.DefaultTransport.RoundTrip(to)
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
	var results []wireMessage // behind the last message with calls
	for _, m := range next {
		switch {
		case len(m.ToolCalls) > 0:
			results = nil
		case m.Role == "tool":
			results = append(results, m)
		}
	}
	_, position, _ := strings.Cut(call.Key, ".c")
	at, err := strconv.Atoi(position)
	if err != nil {
		return "", err
	}
	if id := s.turns[call.Turn-1].ids()[at]; id != "" {
		at = slices.IndexFunc(results, func(m wireMessage) bool { return m.ToolCallID == id })
	}
	if at < 0 || at >= len(results) {
		return "", fmt.Errorf("the recording has no result for call %q", call.ID)
	}
	return results[at].text(), nil
}

// ids are those of the calls of the answer; "" for one that is missing, or that
// several calls have: then any id is right that call and result share.
func (i interaction) ids() []string {
	ids, seen := make([]string, len(i.Want.Calls)), map[string]int{}
	for _, c := range i.Want.Calls {
		seen[c.ID]++
	}
	for n, c := range i.Want.Calls {
		if seen[c.ID] == 1 {
			ids[n] = c.ID
		}
	}
	return ids
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
		if len(got) < len(want) { // see mergeHead
			want = mergeHead(want)
			got = mergeHead(got)
		}
		if err := errors.Join(s.shareIDs(got, k), s.shareIDs(want, k)); err != nil {
			return fmt.Errorf("request %d: %w", k, err)
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

// shareIDs gives the calls of the k answers before a request names of their place
// where the answer had no id of their own, and their results the same.
func (s *replay) shareIDs(all []said, k int) error {
	turn := k
	for i := len(all) - 1; i >= 0 && turn > 0; i-- {
		if len(all[i].calls) == 0 {
			continue
		}
		turn--
		ids := s.turns[turn].ids()
		if len(ids) != len(all[i].calls) {
			return fmt.Errorf("message %d has %d calls, and the answer %d", i, len(all[i].calls), len(ids))
		}
		result := i
		for n := range all[i].calls {
			result++
			if ids[n] != "" {
				continue
			}
			c := &all[i].calls[n]
			if result >= len(all) || c.id == "" || all[result].callID != c.id {
				return fmt.Errorf("message %d: call %d and its result share no id", i, n)
			}
			c.id = fmt.Sprintf("call %d of answer %d", n, turn)
			all[result].callID = c.id
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
		var text string
		if err := json.Unmarshal(c.Function.Arguments, &text); err != nil || text != args {
			return fmt.Errorf("call %d: arguments %s, want %q", i, c.Function.Arguments, args)
		}
	}
	return nil
}
