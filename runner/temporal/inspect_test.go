package temporal_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/inspect"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// inspector is the inspector of docs/outgrow.md. The name of a visitor is the user of the
// request, and everybody with a name may answer.
func inspector(sessions temporal.Client, desk *agent.Agent) *inspect.Handler {
	return &inspect.Handler{
		Reader: sessions,
		Visitor: func(r *http.Request) inspect.Visitor {
			name, _, _ := r.BasicAuth()
			return inspect.Visitor{Name: name, Answers: name != ""}
		},
		Answer: func(ctx context.Context, session string, in runner.Input) error {
			for _, err := range sessions.Session(session).Stream(ctx, desk, in) {
				return err // the first event is the answer; the run goes on without its reader
			}
			return nil
		},
	}
}

// browse sends a request to a page, as a user. Values are the form of a post.
func browse(t *testing.T, address, user string, form url.Values) *http.Response {
	t.Helper()
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address, body)
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if user != "" {
		r.SetBasicAuth(user, "")
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func textOf(t *testing.T, r *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(data)
}

// said returns the final answer of a session so far.
func said(t *testing.T, s *temporal.Session) string {
	t.Helper()
	state, err := s.State(t.Context())
	require.NoError(t, err)
	return state.Text
}

// filled is the form with which a page answers a question.
func filled(p runner.Pending, do string) url.Values {
	return url.Values{"do": {do}, "seq": {strconv.FormatInt(p.Seq, 10)}, "hash": {p.Hash}, "text": {"not now"}}
}

// awaitQuestion reads the changes of a page until a single call waits.
func awaitQuestion(t *testing.T, live *bufio.Reader) {
	t.Helper()
	for asks := false; !asks; {
		line, err := live.ReadString('\n')
		require.NoError(t, err)
		var change struct{ Waits []string }
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			require.NoError(t, json.Unmarshal([]byte(data), &change))
			asks = len(change.Waits) == 1
		}
	}
}

// TestServerInspector: the inspector lists the sessions, follows a session, and answers its
// questions.
func TestServerInspector(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk(tool.NeedsApproval())
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{
		Model: charging(),
		MayAnswer: func(_ context.Context, p runner.Pending, d runner.Decision) error {
			if d.Person == "trainee" {
				return errors.New("trainees charge nothing")
			}
			return nil
		},
	}}.Run)
	sessions := sessions(t, c)
	pages := httptest.NewServer(inspector(sessions, desk))
	t.Cleanup(func() { pages.CloseClientConnections(); pages.Close() }) // a page follows for ever
	result, err := sessions.Session("order-17").Run(t.Context(), desk, question)
	require.ErrorIs(t, err, runner.ErrPaused)
	eventually(t, func() bool {
		text := textOf(t, browse(t, pages.URL, "", nil))
		return strings.Contains(text, "order-17") && strings.Contains(text, "paused")
	})
	address := pages.URL + "/?session=order-17"
	require.Contains(t, textOf(t, browse(t, address, "ada", nil)), "Charge and ship.")

	live := bufio.NewReader(browse(t, address+"&live="+strconv.FormatInt(result.Events[len(result.Events)-1].Seq, 10), "ada", nil).Body)
	for i, step := range []struct {
		user, do string
		status   int
		text     string
	}{
		{"", "approve", http.StatusForbidden, "you may not answer"},
		{"trainee", "approve", http.StatusForbidden, "trainees charge nothing"},
		{"ada", "approve", http.StatusSeeOther, ""},
		{"bob", "deny", http.StatusConflict, "approved by ada"},
	} {
		answer := browse(t, address, step.user, filled(result.Pending[0], step.do))
		text := textOf(t, answer)
		require.Equal(t, step.status, answer.StatusCode, "%d: %s", i, text)
		require.Contains(t, text, step.text)
	}
	eventually(t, func() bool { // a conflict while the run goes on with the answer of ada
		return browse(t, address, "bob", filled(result.Pending[1], "deny")).StatusCode == http.StatusSeeOther
	})
	awaitQuestion(t, live) // about the call of the next turn
	var pending []runner.Pending
	eventually(t, func() bool { // the page may have shown a question of the turn before
		pending, err = sessions.Session("order-17").Pending(t.Context())
		require.NoError(t, err)
		return len(pending) == 1
	})
	edited := filled(pending[0], "edit")
	edited.Set("text", `{"order": "W3"}`)
	require.Equal(t, http.StatusSeeOther, browse(t, address, "ada", edited).StatusCode)
	eventually(t, func() bool { return said(t, sessions.Session("order-17")) == "All done." })
	calls, err := runner.CallsOf(sessions.Read(t.Context(), "order-17", 0))
	require.NoError(t, err)
	require.Len(t, calls, 3)
	require.JSONEq(t, `{"order": "W3"}`, string(calls[2].ToolCall.Arguments))
	keys, _ := s.counts()
	require.Equal(t, 2, keys)
}
