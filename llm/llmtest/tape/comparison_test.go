package tape_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest/tape"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// recordTexts records an answer "1", "2" … for each request.
func recordTexts(t *testing.T, reqs ...*llm.Request) (dir string) {
	t.Helper()
	dir = t.TempDir()
	var steps []llmtest.Step
	for i := range reqs {
		steps = append(steps, llmtest.Text(fmt.Sprint(i+1)))
	}
	require.Empty(t, complaints(func(tb testing.TB) {
		sendAll(tb, tape.Record(tb, dir).Model(llmtest.Script(t, steps...)), reqs...)
	}))
	return dir
}

const advice = "\n(-update or TOOLLOOP_UPDATE=1 records anew; the doc of tape.Tape says what is compared)"

func TestTapeDiffers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("The same words again. ", 20)
	one := ask(long + "It is 22 °C.")
	one.Tools = []llm.ToolDef{{Name: "f", Schema: json.RawMessage(`{"a":1,"b/c~":2}`)}}
	dir := recordTexts(t, one, ask("two"))

	other := ask(long + "It is 23 °C.")
	other.Tools = []llm.ToolDef{{Name: "f", Schema: json.RawMessage(`{"a":1,"b/c~":3}`)}}
	other.Temperature = new(0.5)
	var err error
	require.Equal(t, []string{
		"tape: request 1 is not that of " + dir + "/001.json:" + `
  /messages/0/parts/0/text
    recorded: …rds again. The same words again. It is 22 °C."
    got:      …rds again. The same words again. It is 23 °C."
  /temperature
    recorded: (nothing)
    got:      0.5
  /tools/0/schema/b~1c~0
    recorded: 2
    got:      3` + advice,
		"tape: 1 of 2 interactions in " + dir + " not used: 001.json",
	}, complaints(func(tb testing.TB) {
		m := tape.Replay(tb, dir).Model(nil)
		_, err = m.Generate(t.Context(), other, nil)
		sendAll(tb, m, ask("two"))
	}))
	require.Equal(t, &llm.APIError{
		Kind: llm.KindInvalidRequest, Provider: "llmtest", StatusCode: 400, Type: "invalid_request_error", Code: "request_differs",
		Retries: -1, Message: "request 1 is not in the recording " + dir,
	}, err)
}

func TestTapeManyDifferences(t *testing.T) {
	t.Parallel()
	req := func(text string, n int) *llm.Request {
		r := ask("hi")
		for range n {
			r.Messages = append(r.Messages, llm.User(text))
		}
		return r
	}
	dir := recordTexts(t, req("a", 7))
	got := complaints(func(tb testing.TB) { sendAll(tb, tape.Replay(tb, dir).Model(nil), req("b", 6)) })
	require.Contains(t, got[0], "/messages/1/parts/0/text\n    recorded: \"a\"\n    got:      \"b\"\n")
	require.Contains(t, got[0], "\n  … and 2 more differences"+advice)
	require.NotContains(t, got[0], "/messages/6/")
}

func TestTapeBeyond(t *testing.T) {
	t.Parallel()
	dir := recordTexts(t, ask("one"))
	require.Equal(t, []string{
		"tape: request 2 is beyond the recording of 1 interaction in " + dir + `:
  {"model":"m","messages":[{"role":"user","parts":[{"type":"text","text":"more"}]}]}` + advice,
	}, complaints(func(tb testing.TB) { sendAll(tb, tape.Replay(tb, dir).Model(nil), ask("one"), ask("more")) }))
}

// A client that retries what a transport reports asks once: the tape's refusal is
// one of the provider's.
func TestTapeTransportIsNotRetried(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := llmtest.Script(t, llmtest.Text("hi")).Serve()
	client := func(tp *tape.Tape) llm.Model {
		return openai.Config{BaseURL: server.BaseURL, HTTPClient: &http.Client{Transport: tp.Transport(nil)}}.Model("m")
	}
	require.Empty(t, complaints(func(tb testing.TB) { sendAll(tb, client(tape.Record(tb, dir)), ask("one")) }))
	var got []interaction
	failures := complaints(func(tb testing.TB) { got = sendAll(tb, client(tape.Replay(tb, dir)), ask("two")) })
	require.Equal(t, []interaction{{err: "openai: 400 invalid_request: request 1 is not in the recording " + dir}}, got)
	require.Equal(t, []string{
		"tape: request 1 is not that of " + dir + "/001.json:\n  /body/messages/0/content\n    recorded: \"one\"\n    got:      \"two\"" + advice,
		"tape: 1 of 1 interaction in " + dir + " not used: 001.json",
	}, failures)
}

// Equal requests are answered in their order; of others the order is free.
func TestTapeOrder(t *testing.T) {
	t.Parallel()
	dir := recordTexts(t, ask("a"), ask("b"), ask("a"), ask("c"))
	require.Empty(t, complaints(func(tb testing.TB) {
		var texts []string
		for _, e := range sendAll(tb, tape.Replay(tb, dir).Model(nil), ask("c"), ask("a"), ask("a"), ask("b")) {
			texts = append(texts, e.resp.Message.Text())
		}
		require.Equal(t, []string{"4", "1", "3", "2"}, texts)
	}))
}

func TestTapeParallel(t *testing.T) {
	t.Parallel()
	const n = 8
	dir := t.TempDir()
	parrot := llmtest.NewScript(llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		return llmtest.Text("You said " + req.Messages[0].Text()).Response()
	}).Forever())
	all := func(m llm.Model) {
		var helpers sync.WaitGroup
		for i := range n {
			helpers.Go(func() {
				text := fmt.Sprint("helper ", i)
				if resp, err := m.Generate(t.Context(), streamed(ask(text)), nil); err != nil || resp.Message.Text() != "You said "+text {
					t.Errorf("%s: %v, %v", text, resp, err)
				}
			})
		}
		helpers.Wait()
	}
	require.Empty(t, complaints(func(tb testing.TB) { all(tape.Record(tb, dir).Model(parrot)) }))
	for range 3 {
		require.Empty(t, complaints(func(tb testing.TB) { all(tape.Replay(tb, dir).Model(nil)) }))
	}
	require.Len(t, tapeFiles(t, dir), n)
}

// What counts of a request, and what does not.
func TestTapeComparesRequests(t *testing.T) {
	t.Parallel()
	history := func(first, second, order string) string {
		return `{"messages":[{"role":"assistant","tool_calls":[{"id":"` + first + `"},{"id":"` + second + `"}]},
			{"role":"tool","tool_call_id":"` + order + `","content":"x"}]}`
	}
	for name, c := range map[string]struct {
		recorded, got string // "[METHOD] path [body]"
		differs       string
	}{
		"order of members":        {"POST /v1 {\"a\":1,\"b\":{\"c\":2,\"d\":[]}}", "POST /v1 {\"b\": {\"d\":[], \"c\":2},\n\"a\":1}", ""},
		"order of elements":       {"POST /v1 [1,2]", "POST /v1 [2,1]", "/body/0"},
		"spelling":                {`POST /v1 ["\u0041\/",1.0,1e2,100000000000000000001]`, `POST /v1 ["A/",1,100,100000000000000000001]`, ""},
		"large numbers":           {`POST /v1 [100000000000000000001]`, `POST /v1 [100000000000000000002]`, "/body/0"},
		"types":                   {`POST /v1 {"a":"1"}`, `POST /v1 {"a":1}`, "/body/a"},
		"null is a value":         {`POST /v1 {"a":null}`, `POST /v1 {}`, "/body/a"},
		"method":                  {"POST /v1 {}", "PUT /v1 {}", "/method"},
		"path":                    {"POST /v1 {}", "POST /v2 {}", "/path"},
		"query":                   {"POST /v1?api-version=1&b=2 {}", "POST /v1?b=2&api-version=1 {}", ""},
		"another query":           {"POST /v1?api-version=1 {}", "POST /v1?api-version=2 {}", "/path"},
		"keys in the query":       {"POST /v1?api-key=a&a=b {}", "POST /v1?api-key=b&a=b {}", ""},
		"no body":                 {"GET /v1/models", "GET /v1/models", ""},
		"text":                    {"POST /v1 a=b", "POST /v1 a=c", "/lines/0"},
		"ids of calls":            {"POST /v1 " + history("a", "b", "b"), "POST /v1 " + history("x", "y", "y"), ""},
		"ids that go together":    {"POST /v1 " + history("a", "b", "b"), "POST /v1 " + history("x", "y", "x"), "/body/messages/1/tool_call_id"},
		"ids that are the same":   {"POST /v1 " + history("a", "b", "b"), "POST /v1 " + history("x", "x", "x"), "/body/messages/0/tool_calls/1/id"},
		"other ids":               {`POST /v1 {"file":{"id":"a"}}`, `POST /v1 {"file":{"id":"b"}}`, "/body/file/id"},
		"moments":                 {`POST /v1 ["now 2026-01-02T03:04:05.678Z, 2026-01-02T03:04:05.678Z"]`, `POST /v1 ["now 2027-01-02 13:04:05+02:00, 2027-01-02 13:04:05+02:00"]`, ""},
		"moments that are two":    {`POST /v1 ["2026-01-02T03:04:05Z","2026-01-02T03:04:05Z"]`, `POST /v1 ["2026-01-02T03:04:05Z","2026-01-02T03:04:06Z"]`, "/body/1"},
		"a date alone":            {`POST /v1 ["2026-01-02"]`, `POST /v1 ["2026-01-03"]`, "/body/0"},
		"ids do not depend on it": {`POST /v1 {"a":{"call_id":"1"},"b":{"call_id":"2"},"c":{"call_id":"2"}}`, `POST /v1 {"c":{"call_id":"8"},"b":{"call_id":"8"},"a":{"call_id":"9"}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }))
			defer server.Close()
			require.Empty(t, complaints(func(tb testing.TB) { sendLine(t, tape.Record(tb, dir), server.URL, c.recorded) }))
			var status int
			got := complaints(func(tb testing.TB) { status = sendLine(t, tape.Replay(tb, dir), "http://elsewhere.test", c.got) })
			if c.differs == "" {
				require.Empty(t, got)
				require.Equal(t, 200, status)
				return
			}
			require.Equal(t, 400, status)
			require.Contains(t, got[0], "\n  "+c.differs+"\n")
		})
	}
}

// sendLine sends what "METHOD path body" says, with a header of its own each time.
func sendLine(t *testing.T, tp *tape.Tape, base, line string) (status int) {
	words := append(strings.SplitN(line, " ", 3), "")
	req, err := http.NewRequestWithContext(t.Context(), words[0], base+words[1], strings.NewReader(words[2]))
	require.NoError(t, err)
	req.Header.Set("X-Request-Start", t.Name()+base)
	resp, err := (&http.Client{Transport: tp.Transport(nil)}).Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	_, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode
}
