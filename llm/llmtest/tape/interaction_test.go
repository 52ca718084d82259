package tape_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/faketb"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest/tape"
)

func writeFiles(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func TestBrokenTapes(t *testing.T) {
	t.Parallel()
	const request = `"seat":"transport","request":{"method":"GET","path":"/"}`
	for name, c := range map[string]struct {
		files map[string]string
		want  string // behind the directory
	}{
		"nothing":          {nil, ": there is no recording: record with -update or TOOLLOOP_UPDATE=1"},
		"a gap":            {map[string]string{"002.json": "{}"}, "/001.json is missing, and there is 002.json"},
		"an odd name":      {map[string]string{"0001.json": "{}"}, ": 0001.json is not a name of ours"},
		"cut off":          {map[string]string{"001.json": "{\n\"seat\":\n"}, "/001.json: line 3: the file ends within the document"},
		"empty":            {map[string]string{"001.json": ""}, "/001.json: line 1: the file ends within the document"},
		"no JSON":          {map[string]string{"001.json": "{\n\"seat\": model\n}"}, "/001.json: line 2: invalid character 'm' looking for beginning of value"},
		"no UTF-8":         {map[string]string{"001.json": "{\"seat\":\"\xff\"}"}, "/001.json: is not UTF-8"},
		"more behind":      {map[string]string{"001.json": "{" + request + `,"cut":true}` + "\n{}"}, "/001.json: line 2: there is text behind the document"},
		"a type":           {map[string]string{"001.json": "{\n\n\"seat\":1}"}, "/001.json: line 3: seat: got a number"},
		"unknown":          {map[string]string{"001.json": `{"seats":1}`}, `/001.json: json: unknown field "seats"`},
		"no seat":          {map[string]string{"001.json": `{"request":{},"cut":true}`}, `/001.json: seat: got "", want "model" or "transport"`},
		"no request":       {map[string]string{"001.json": `{"seat":"model"}`}, "/001.json: request: is missing"},
		"no answer":        {map[string]string{"001.json": `{"seat":"model","request":{}}`}, "/001.json: response: is missing, and so is an error"},
		"a silent error":   {map[string]string{"001.json": `{"seat":"model","request":{},"error":{"text":""}}`}, "/001.json: error: says nothing"},
		"no delta":         {map[string]string{"001.json": `{"seat":"model","request":{},"deltas":[{"text":""},{}],"cut":true}`}, "/001.json: deltas/1: is not a delta"},
		"a bad response":   {map[string]string{"001.json": "{\"seat\":\"model\",\"request\":{},\n\"response\":{\n\"id\":1}}"}, "/001.json: response: line 3: id: got a number"},
		"no status":        {map[string]string{"001.json": "{" + request + `,"response":{}}`}, "/001.json: response: the status is 0"},
		"a model's answer": {map[string]string{"001.json": "{" + request + `,"response":{"message":{}}}`}, `/001.json: response: json: unknown field "message"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := writeFiles(t, c.files)
			require.Equal(t, []string{"tape: " + dir + c.want}, complaints(func(tb testing.TB) { tape.Replay(tb, dir) }))
		})
	}
	missing := filepath.Join(t.TempDir(), "none")
	require.Equal(t, []string{"tape: " + missing + ": there is no recording: record with -update or TOOLLOOP_UPDATE=1"},
		complaints(func(tb testing.TB) { tape.Replay(tb, missing) }))
	require.NoDirExists(t, missing)
}

func TestTapeDirectories(t *testing.T) {
	t.Parallel()
	file := filepath.Join(writeFiles(t, map[string]string{"file": ""}), "file")
	for dir, want := range map[string]string{
		"":              `the directory of a tape is "": it may not be empty or hold ".."`,
		"testdata/../x": `the directory of a tape is "testdata/../x": it may not be empty or hold ".."`,
		"../x":          `the directory of a tape is "../x": it may not be empty or hold ".."`,
		file:            "mkdir " + file + ": not a directory",
	} {
		got := complaints(func(tb testing.TB) { tape.Record(tb, dir) })
		require.Equal(t, []string{"tape: " + want}, got)
		got = complaints(func(tb testing.TB) { tape.Replay(tb, dir) })
		require.Len(t, got, 1)
	}
	t.Run("a link that leads elsewhere", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		require.NoError(t, os.Symlink(file, filepath.Join(dir, "001.json")))
		got := complaints(func(tb testing.TB) { tape.Replay(tb, dir) })
		require.Len(t, got, 1)
		require.Contains(t, got[0], "path escapes")
	})
	t.Run("one that cannot be written", func(t *testing.T) {
		t.Parallel()
		if os.Getuid() == 0 {
			t.Skip("root may write everywhere")
		}
		dir := t.TempDir()
		require.NoError(t, os.Chmod(dir, 0o500))
		got := complaints(func(tb testing.TB) { tape.Record(tb, dir) })
		require.Len(t, got, 1)
		require.Contains(t, got[0], "permission denied")
	})
}

// A recording takes the place of the old one as a whole, or not at all.
func TestTapeReplacesFiles(t *testing.T) {
	t.Parallel()
	old := map[string]string{"001.json": "a", "002.json": "b", "003.json": "c", "1.json": "other", "README": "other"}
	record := func(tb testing.TB, dir string, n int) {
		m := tape.Record(tb, dir).Model(llmtest.NewScript(llmtest.Text("hi").Forever()))
		for range n {
			sendAll(tb, m, ask("hi"))
		}
	}
	t.Run("when the test passed", func(t *testing.T) {
		t.Parallel()
		dir := writeFiles(t, old)
		require.Empty(t, complaints(func(tb testing.TB) { record(tb, dir, 2) }))
		files := tapeFiles(t, dir)
		require.Len(t, files, 4)
		require.Equal(t, "other", files["README"])
		require.Equal(t, "other", files["1.json"])
		require.Equal(t, strings.ReplaceAll(files["001.json"], "_1", "_2"), strings.ReplaceAll(files["002.json"], "chatcmpl-2", "chatcmpl-1"))
	})
	t.Run("not when it failed", func(t *testing.T) {
		t.Parallel()
		dir := writeFiles(t, old)
		tb := &faketb.TB{}
		require.Equal(t, []string{"no good"}, tb.Run(func(tb testing.TB) {
			record(tb, dir, 2)
			tb.Error("no good")
		}))
		require.Equal(t, []string{"tape: the test failed, " + dir + " is left as it was"}, tb.Logs())
		require.Equal(t, old, tapeFiles(t, dir))
	})
	t.Run("not when it was skipped", func(t *testing.T) {
		t.Parallel()
		dir := writeFiles(t, old)
		require.Empty(t, (&faketb.TB{IsSkipped: true}).Run(func(tb testing.TB) { record(tb, dir, 2) }))
		require.Equal(t, old, tapeFiles(t, dir))
	})
	t.Run("not without an interaction", func(t *testing.T) {
		t.Parallel()
		dir := writeFiles(t, old)
		require.Equal(t, []string{"tape: no request came: " + dir + " is left as it was"},
			complaints(func(tb testing.TB) { record(tb, dir, 0) }))
		require.Equal(t, old, tapeFiles(t, dir))
	})
	t.Run("not with one that is still on", func(t *testing.T) {
		t.Parallel()
		dir := writeFiles(t, old)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hi") }))
		defer server.Close()
		var resp *http.Response
		require.Equal(t, []string{"tape: interaction 1 had not ended with the test: " + dir + " is left as it was"},
			complaints(func(tb testing.TB) {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
				require.NoError(t, err)
				resp, err = tape.Record(tb, dir).Transport(nil).RoundTrip(req)
				require.NoError(t, err)
			}))
		require.NoError(t, resp.Body.Close())
		require.Equal(t, old, tapeFiles(t, dir))
	})
	t.Run("nor when its place is taken", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, "002.json"), 0o700))
		require.Len(t, complaints(func(tb testing.TB) { record(tb, dir, 2) }), 1)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 2, "no temporary file is left")
	})
}

func TestTapeUpdates(t *testing.T) {
	t.Parallel()
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.Bool("no", false, "")
	flags.Bool("yes", true, "")
	flags.String("text", "true", "")
	flags.Func("func", "", func(string) error { return nil })
	require.False(t, tape.Updating(nil, ""))
	require.False(t, tape.Updating(nil, "0"))
	require.True(t, tape.Updating(nil, "1"))
	require.True(t, tape.Updating(nil, "true"), "as for golden files")
	require.False(t, tape.Updating(nil, "please"))
	require.True(t, tape.Updating(flags.Lookup("yes"), ""))
	require.True(t, tape.Updating(flags.Lookup("no"), "1"))
	for _, name := range []string{"no", "text", "func"} {
		require.False(t, tape.Updating(flags.Lookup(name), ""), name)
	}
}

func TestTapeUpdatesByEnvironment(t *testing.T) {
	t.Setenv("TOOLLOOP_UPDATE", "1")
	dir := t.TempDir()
	require.Empty(t, complaints(func(tb testing.TB) {
		sendAll(tb, tape.Replay(tb, dir).Model(llmtest.Script(t, llmtest.Text("hi"))), ask("hi"))
	}))
	require.Len(t, tapeFiles(t, dir), 1)
}

func TestTapeNeedsAModel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.Equal(t, []string{"tape: no request came: " + dir + " is left as it was"}, complaints(func(tb testing.TB) {
		got := sendAll(tb, tape.Record(tb, dir).Model(nil), ask("hi"), &llm.Request{})
		require.Equal(t, []interaction{
			{err: "tape: recording needs a real model, and the one given to Tape.Model is nil"},
			{err: "llm: the request has no messages"},
		}, got)
	}))
}

// Errors that are no APIErrors, and those around one, are what they were to
// errors.AsType and to eyes.
func TestTapeErrors(t *testing.T) {
	t.Parallel()
	inner := &llm.APIError{Kind: llm.KindServer, StatusCode: 500, Err: errors.New("boom")}
	all := []error{errors.New("no API error"), inner, errorsAround(inner)}
	dir := t.TempDir()
	asked := 0
	failing := llm.ModelFunc(func(_ context.Context, _ *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		sink(llm.TextDelta{Text: "a"})
		sink(llm.Restarted{Err: inner})
		sink(llm.Restarted{})
		sink(llm.Notice{Text: "n"})
		asked++
		return nil, all[asked-1]
	})
	check := func(m llm.Model) {
		for _, want := range all {
			_, deltas, err := collect(t.Context(), m, ask("hi"))
			require.EqualError(t, err, want.Error())
			require.Equal(t, []llm.Delta{llm.TextDelta{Text: "a"}, llm.Restarted{Err: inner}, llm.Restarted{}, llm.Notice{Text: "n"}}, deltas)
			var api *llm.APIError
			if errors.As(want, &api) {
				require.ErrorAs(t, err, &api)
				require.Equal(t, inner, api)
			}
		}
	}
	require.Empty(t, complaints(func(tb testing.TB) { check(tape.Record(tb, dir).Model(failing)) }))
	require.Empty(t, complaints(func(tb testing.TB) { check(tape.Replay(tb, dir).Model(nil)) }))
}

func errorsAround(err error) error { return errors.Join(errors.New("around"), err) }

// Where the caller cancelled, a replay waits for the next cancellation.
func TestTapeOfACallerThatGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		tired := errors.New("tired")
		slow := llmtest.NewScript(llmtest.Text("one two three").Delay(time.Second))
		for _, tp := range []func(testing.TB, string) *tape.Tape{tape.Record, tape.Replay} {
			require.Empty(t, complaints(func(tb testing.TB) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), 1500*time.Millisecond, tired)
				defer cancel()
				begun := time.Now()
				_, deltas, err := collect(ctx, tp(tb, dir).Model(slow), streamed(ask("hi")))
				require.Equal(t, tired, err)
				require.Equal(t, []llm.Delta{llm.TextDelta{Text: "one "}}, deltas)
				require.Equal(t, 1500*time.Millisecond, time.Since(begun))
			}))
		}
	})
}

// A transport's errors and broken bodies are replayed as such.
func TestTapeOfABrokenConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half ")
			_ = http.NewResponseController(w).Flush()
		}
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	dir := t.TempDir()
	type outcome struct{ err, body, bodyErr string }
	get := func(rt http.RoundTripper, path string) (o outcome) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		require.NoError(t, err)
		resp, err := rt.RoundTrip(req)
		if err != nil {
			return outcome{err: err.Error()}
		}
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, resp.Body.Close())
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		return outcome{body: string(body), bodyErr: err.Error()}
	}
	var got [2][]outcome
	for i, tp := range []func(testing.TB, string) *tape.Tape{tape.Record, tape.Replay} {
		require.Empty(t, complaints(func(tb testing.TB) {
			rt := tp(tb, dir).Transport(nil)
			got[i] = []outcome{get(rt, "/body"), get(rt, "/")}
		}))
	}
	require.Equal(t, []outcome{{body: "half ", bodyErr: "unexpected EOF"}, {err: "EOF"}}, got[0])
	require.Equal(t, got[0], got[1])
}

// A caller that goes away within a body, or before it, does so again.
func TestTapeOfABodyThatIsLeft(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "half ")
			_ = http.NewResponseController(w).Flush()
		}
		<-gone
	}))
	defer server.Close()
	defer close(gone)
	dir := t.TempDir()
	for _, tp := range []func(testing.TB, string) *tape.Tape{tape.Record, tape.Replay} {
		require.Empty(t, complaints(func(tb testing.TB) {
			rt := tp(tb, dir).Transport(nil)
			ctx, cancel := context.WithCancel(t.Context())
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/body", nil)
			require.NoError(t, err)
			resp, err := rt.RoundTrip(req)
			require.NoError(t, err)
			half := make([]byte, 5)
			_, err = io.ReadFull(resp.Body, half)
			require.NoError(t, err)
			require.Equal(t, "half ", string(half))
			cancel()
			_, err = io.ReadAll(resp.Body)
			require.ErrorIs(t, err, context.Canceled)
			require.NoError(t, resp.Body.Close())

			ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			req, err = http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/header", nil)
			require.NoError(t, err)
			_, err = rt.RoundTrip(req)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}))
	}
}

// A client that asks for compressed answers gets plain ones; what is compressed
// all the same is not recorded.
func TestTapeOfCompressedAnswers(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") == "br" || r.URL.Path == "/always" {
			w.Header().Set("Content-Encoding", "br")
		}
		_, _ = io.WriteString(w, "hi")
	}))
	defer server.Close()
	get := func(tp *tape.Tape, path string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		require.NoError(t, err)
		req.Header.Set("Accept-Encoding", "br")
		resp, err := tp.Transport(nil).RoundTrip(req)
		require.NoError(t, err)
		require.Equal(t, "hi", readAll(t, resp))
		require.Equal(t, "br", req.Header.Get("Accept-Encoding"), "the request stays the caller's")
	}
	dir := t.TempDir()
	require.Empty(t, complaints(func(tb testing.TB) { get(tape.Record(tb, dir), "/") }))
	require.Contains(t, tapeFiles(t, dir)["001.json"], `"lines": ["hi"]`)
	require.Equal(t, []string{"tape: interaction 1: the answer came with the Content-Encoding br, which cannot be recorded: " + dir + " is left as it was"},
		complaints(func(tb testing.TB) { get(tape.Record(tb, dir), "/always") }))
}

// A body that is neither JSON nor a stream of events comes back byte for byte.
func TestTapeBodies(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty": "", "text": "a\r\nb\n", "binary": "\x00\xff", "indented": "{\n  \"a\": 1\n}", "compact": `{"a":1.0,"a":"\u0041<"}`,
		"string": `"a"`, "events": "data: {\"a\":1}\n\ndata: x\n\ndata: \"s\"\n\n", "events with blanks": "data: {\"a\": 1}\n\n",
		"events otherwise": ": hello\n\nevent: x\ndata:{\"a\":1}\n\n", "an event cut off": "data: {\"a\":1}\n\ndata: {\"a",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
			defer server.Close()
			dir := t.TempDir()
			for _, tp := range []func(testing.TB, string) *tape.Tape{tape.Record, tape.Replay} {
				require.Empty(t, complaints(func(tb testing.TB) {
					client := &http.Client{Transport: tp(tb, dir).Transport(nil)}
					req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
					require.NoError(t, err)
					resp, err := client.Do(req)
					require.NoError(t, err)
					require.Equal(t, body, readAll(t, resp))
					require.NoError(t, resp.Body.Close())
				}))
			}
		})
	}
}
