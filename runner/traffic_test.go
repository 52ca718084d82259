package runner_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// leastSessions is the number of sessions that the test needs at least, unless
// TOOLLOOP_TRAFFIC names another folder.
const leastSessions = 196

// TestTrafficSessions walks recorded conversations from start to final text:
// the providers' bytes over HTTP, the recorded tools, and each request compared
// with the one that the recorded client sent.
func TestTrafficSessions(t *testing.T) {
	t.Parallel()
	dir := recordingsDir(t, "traffic", "TOOLLOOP_TRAFFIC")
	total, replayed := replaySessions(t, dir, func(ctx context.Context, s *replay) error { return chatReplay{s}.run(ctx) })
	fmt.Printf("sessions: %d of %d replayed\n", replayed, total)
	require.Positive(t, total)
	if os.Getenv("TOOLLOOP_TRAFFIC") == "" {
		require.GreaterOrEqual(t, replayed, leastSessions)
	}
}

// chatReplay replays a session over Chat Completions.
type chatReplay struct{ session *replay }

func (s chatReplay) run(ctx context.Context) error {
	s.session.path = "/chat/completions"
	s.session.cutOff = strings.Contains(s.session.recording.Note, "cut off: length")
	start, err := llmtest.ParseRequest(s.session.turns[0].Request)
	if err != nil {
		return err
	}
	err = s.session.run(ctx, start.Messages, func(server *httptest.Server) (*agent.Agent, error) {
		tools, err := s.session.tools(chatTools, s.result)
		return &agent.Agent{Tools: tools, Model: s.config(server).Model(cmp.Or(start.Model, "recorded"))}, err
	})
	if err != nil {
		return err
	}
	return s.compare()
}

// chatTools returns the tools of a request.
func chatTools(request []byte) ([]llm.ToolDef, error) {
	req, err := llmtest.ParseRequest(request)
	if err != nil {
		return nil, err
	}
	return req.Tools, nil
}

// config is for the host of the recording, under the profile that is known of it.
// What is sent goes to the server.
func (s chatReplay) config(server *httptest.Server) openai.Config {
	base, ok := strings.CutSuffix(s.session.turns[0].URI, "/chat/completions")
	if !ok {
		base = "https://" + s.session.turns[0].Host + "/v1"
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

// result is what the recorded client answered the call that ctx is for: by its
// id, or by its position where the response gave none.
func (s chatReplay) result(ctx context.Context, _ json.RawMessage) (string, error) {
	call := tool.CallFrom(ctx)
	if call.Turn >= len(s.session.turns) {
		return "", errors.New("no recorded request holds this call's result")
	}
	next, err := messagesOf(s.session.turns[call.Turn].Request)
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
	if id := s.session.turns[call.Turn-1].ids()[at]; id != "" {
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
func (s chatReplay) compare() error {
	for k, body := range s.session.bodies {
		got, err := conversation(body)
		if err != nil {
			return fmt.Errorf("request %d: %w", k, err)
		}
		want, err := conversation(s.session.turns[k].Request)
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
func (s chatReplay) shareIDs(all []said, k int) error {
	turn := k
	for i := len(all) - 1; i >= 0 && turn > 0; i-- {
		if len(all[i].calls) == 0 {
			continue
		}
		turn--
		ids := s.session.turns[turn].ids()
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
func (s chatReplay) sameArguments(body []byte, k int) error {
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
	want := s.session.turns[k-1].Want.Calls
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
