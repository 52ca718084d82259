package runner_test

import (
	"bufio"
	"bytes"
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
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// The recordings that TestTrafficSessions and TestResponsesSessions replay, one JSON
// object a line.
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
			Text  string
			Calls []struct{ ID, Name, Arguments string }
		}
	}
	recording struct {
		Repo, File  string
		First, Last int
		Turns       []int
		Stream      bool
		Final, Note string
		Results     []struct { // of the Responses API
			ID     string
			Output json.RawMessage
		}
	}
	interactionKey struct {
		repo, file string
		i          int
	}
)

// recordingsDir returns the directory of recordings: beside the repository, or the
// directory that the variable names.
func recordingsDir(t *testing.T, name, variable string) string {
	t.Helper()
	dir := os.Getenv(variable)
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", name)
	}
	if _, err := os.Stat(filepath.Join(dir, "sessions.jsonl")); err != nil {
		if os.Getenv("TOOLLOOP_REQUIRE_SHARED") != "" {
			t.Fatalf("no recorded %s, and TOOLLOOP_REQUIRE_SHARED is set: %v", name, err)
		}
		t.Skipf("skipped: no recorded %s in %s; %s names another directory", name, dir, variable)
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

// replaySessions replays the sessions of a directory, and returns how many there are and
// how many were equal to the recording.
func replaySessions(t *testing.T, dir string, run func(context.Context, *replay) error) (total, replayed int) {
	t.Helper()
	turns := map[interactionKey]interaction{}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	require.NoError(t, err)
	for _, file := range files {
		if !slices.Contains([]string{"sessions.jsonl", "excluded.jsonl", "made.jsonl"}, filepath.Base(file)) {
			readLines(t, file, func(i interaction) { turns[interactionKey{i.Repo, i.File, i.I}] = i })
		}
	}
	readLines(t, filepath.Join(dir, "sessions.jsonl"), func(r recording) {
		total++
		where := fmt.Sprintf("%s %s %d-%d", r.Repo, r.File, r.First, r.Last)
		s := &replay{recording: r}
		for _, i := range r.Turns {
			turn, ok := turns[interactionKey{r.Repo, r.File, i}]
			require.True(t, ok, "%s: turn %d is missing", where, i)
			s.turns = append(s.turns, turn)
		}
		if err := run(t.Context(), s); err != nil {
			t.Errorf("differs: %s: %v", where, err)
			return
		}
		replayed++
	})
	return total, replayed
}

// replay is one recorded conversation, walked by our loop.
type replay struct {
	recording recording
	turns     []interaction
	path      string // end of the path of each request
	cutOff    bool   // the recorded run ended with an answer that was cut off

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
	if k >= len(s.turns) || !strings.HasSuffix(r.URL.Path, s.path) {
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

// run starts the server of the recording and runs the agent as the recording was run. The
// text must be the recorded text.
func (s *replay) run(ctx context.Context, start []llm.Message, agentOf func(*httptest.Server) (*agent.Agent, error)) error {
	server := httptest.NewServer(s)
	defer server.Close()
	a, err := agentOf(server)
	if err != nil {
		return err
	}
	text, err := s.finalText(ctx, a, start)
	if err != nil && !s.cutOff {
		return err
	}
	if text != s.recording.Final {
		return fmt.Errorf("final text %q, want %q", text, s.recording.Final)
	}
	if len(s.bodies) != len(s.turns) {
		return fmt.Errorf("%d requests, want %d", len(s.bodies), len(s.turns))
	}
	return nil
}

// finalText runs the agent, streamed or not.
func (s *replay) finalText(ctx context.Context, a *agent.Agent, start []llm.Message) (string, error) {
	if !s.recording.Stream {
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

// tools returns the tools that any request of the session declares.
func (s *replay) tools(
	declared func(request []byte) ([]llm.ToolDef, error),
	result func(context.Context, json.RawMessage) (string, error),
) (tools []tool.Tool, err error) {
	seen := map[string]bool{}
	for _, turn := range s.turns {
		defs, err := declared(turn.Request)
		if err != nil {
			return nil, err
		}
		for _, d := range defs {
			if seen[d.Name] {
				continue
			}
			seen[d.Name] = true
			made, err := tool.NewRaw(d.Name, d.Description, d.Schema, result)
			if err != nil {
				return nil, err
			}
			tools = append(tools, made)
		}
	}
	return tools, nil
}
