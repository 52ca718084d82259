package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// paused begins a session that asks whether it may pay.
func paused(t *testing.T, store journal.Journal, session string) {
	t.Helper()
	pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "paid", nil }, tool.NeedsApproval()))
	desk := &agent.Agent{Name: "desk", Model: llmtest.NewScript(llmtest.Calls("pay", nil)), Tools: []tool.Tool{pay}}
	_, err := runner.Runner{Journal: store}.Session(session).Run(t.Context(), desk, runner.Once("begin", llm.User("Pay.")))
	require.ErrorIs(t, err, runner.ErrPaused)
}

// started starts the command, and returns the address that it prints.
func started(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, args, out, io.Discard)
		_ = out.CloseWithError(err) // cannot fail
		ended <- err
	}()
	line, err := bufio.NewReader(in).ReadString('\n')
	require.NoError(t, err)
	t.Cleanup(func() { cancel(); require.NoError(t, <-ended) })
	return strings.TrimSuffix(line, "\n")
}

func get(t *testing.T, address string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	return do(t, r)
}

func do(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: time.Minute}
	answer, err := client.Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, answer.Body.Close()) }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

// approve sends the form of a page.
func approve(t *testing.T, address, page string) (int, string) {
	t.Helper()
	form := url.Values{"do": {"approve"}}
	for _, name := range []string{"seq", "hash"} {
		m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page)
		require.NotNil(t, m)
		form.Set(name, m[1])
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(t, r)
}

// TestReads: the command shows the sessions of each kind of place, and changes nothing.
func TestReads(t *testing.T) {
	t.Parallel()
	dir, file, dsn := t.TempDir(), filepath.Join(t.TempDir(), "a b%20ü.db"), pgtest.Database(t)
	paused(t, journal.Dir{Path: dir}, "s/1")
	lite, err := sqljournal.OpenSQLite(t.Context(), file)
	require.NoError(t, err)
	paused(t, lite, "s/1")
	require.NoError(t, lite.Close())
	postgres, err := sqljournal.OpenPostgres(t.Context(), dsn)
	require.NoError(t, err)
	paused(t, postgres, "s/1")
	require.NoError(t, postgres.Close())
	for _, place := range []string{dir, file, dsn} {
		address := started(t, place)
		require.Regexp(t, `^http://127\.0\.0\.1:[0-9]+/[A-Z2-7]{26}/$`, address)
		code, list := get(t, address)
		require.Equal(t, http.StatusOK, code)
		require.Contains(t, list, "s/1</bdi>")
		code, page := get(t, address+"?session=s/1")
		require.Equal(t, http.StatusOK, code)
		require.Contains(t, page, "waits for approval")
		require.NotContains(t, page, "<form method")
		root := address[:strings.LastIndex(strings.TrimSuffix(address, "/"), "/")+1]
		code, _ = get(t, root)
		require.Equal(t, http.StatusNotFound, code)
	}
	p, err := open(t.Context(), file, "", false)
	require.NoError(t, err)
	defer p.close()
	_, err = p.reader.(*sqljournal.Journal).DB.ExecContext(t.Context(), "DELETE FROM toolloop_events")
	require.ErrorContains(t, err, "readonly")
	p, err = open(t.Context(), dsn, "", false)
	require.NoError(t, err)
	defer p.close()
	_, err = p.reader.(*sqljournal.Journal).DB.ExecContext(t.Context(), "DELETE FROM toolloop_events")
	require.ErrorContains(t, err, "read-only")
}

// TestAnswers: with -answer, an answer waits in the queue, and a second one does not.
func TestAnswers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "desk.db")
	store, err := sqljournal.OpenSQLite(t.Context(), file)
	require.NoError(t, err)
	q, err := queue.Open(t.Context(), store)
	require.NoError(t, err)
	paused(t, store, "s")
	ann, bob := started(t, "-answer", "ann", file)+"?session=s", started(t, "-answer", "bob", file)+"?session=s"
	_, page := get(t, bob)
	code, _ := approve(t, ann, page)
	require.Equal(t, http.StatusSeeOther, code)
	code, refused := approve(t, bob, page)
	require.Equal(t, http.StatusConflict, code)
	require.Contains(t, refused, "Somebody was first")
	inputs, err := q.Inputs(t.Context(), "s")
	require.NoError(t, err)
	require.Len(t, inputs, 1)
	require.NoError(t, store.Close())
}

// TestWrongPlaces: a place without sessions is an error, and is not made.
func TestWrongPlaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing, text := filepath.Join(dir, "none.db"), filepath.Join(dir, "s.jsonl")
	require.NoError(t, os.WriteFile(text, []byte("{}\n"), 0o600))
	plain := filepath.Join(dir, "plain.db")
	store, err := sqljournal.OpenSQLite(t.Context(), plain)
	require.NoError(t, err)
	require.NoError(t, store.Close())
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "name one place"},
		{[]string{"a", "b"}, "name one place"},
		{[]string{missing}, "no such file"},
		{[]string{text}, "name the directory"},
		{[]string{"-answer", "ann", dir}, "leave -answer out"},
		{[]string{"-answer", "ann", plain}, "has no queue"},
		{[]string{"-tables", "other_", plain}, "has no sessions that can be read"},
		{[]string{"postgres://u:s3cret@127.0.0.1:1/x?connect_timeout=1"}, "has no sessions that can be read"},
		{[]string{"postgres://u:s3cret@127.0.0.1:x/"}, "cannot be read"},
		{[]string{"-addr", "127.0.0.1:x", plain}, "unknown port"},
	} {
		err := run(t.Context(), c.args, io.Discard, io.Discard)
		require.Error(t, err)
		if c.want == "no such file" {
			require.True(t, errors.Is(err, os.ErrNotExist))
			continue
		}
		require.ErrorContains(t, err, c.want)
		require.NotContains(t, err.Error(), "s3cret")
	}
	require.NoFileExists(t, missing)
}
