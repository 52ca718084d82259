package mcp_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/memnet"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// A webFoe is a hostile server over HTTP, in memory, at every host that is asked.
type webFoe struct {
	do func(w http.ResponseWriter, r *http.Request, h heard) bool // false: it is polite

	mu     sync.Mutex
	counts map[string]int    // requests, by the method of HTTP or of the message
	tokens map[string]string // hosts, and the secrets that they got
}

func (f *webFoe) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var h heard
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &h)
	if h.Method == "" {
		h.Method = r.Method
	}
	f.mu.Lock()
	f.counts[h.Method]++
	if token := r.Header.Get("Authorization"); token != "" {
		f.tokens[r.Host] = token
	}
	f.mu.Unlock()
	if f.do(w, r, h) {
		return
	}
	switch {
	case r.Method == http.MethodGet:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case len(h.ID) == 0:
		w.WriteHeader(http.StatusAccepted)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Mcp-Session-Id", "s1")
		(&foe{out: w}).polite(h)
	}
}

// client serves the foe, and returns an HTTP client for it. The end of t closes it.
func (f *webFoe) client(t *testing.T) *http.Client {
	t.Helper()
	f.counts, f.tokens = map[string]int{}, map[string]string{}
	return handledBy(t, f)
}

// handledBy returns an HTTP client for a server in memory. The end of t closes it.
func handledBy(t *testing.T, h http.Handler) *http.Client {
	t.Helper()
	l := memnet.Listen()
	server := &http.Server{ReadHeaderTimeout: time.Hour}
	transport := &http.Transport{DialContext: l.Dial}
	var serving sync.WaitGroup
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serving.Add(1)
		defer serving.Done()
		h.ServeHTTP(w, r)
	})
	serving.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		serving.Wait()
	})
	return &http.Client{Transport: transport}
}

// with is an outcome with notices.
func (o outcome) with(notices string) outcome {
	o.Notices = notices
	return o
}

type webMisdeed func(w http.ResponseWriter, r *http.Request, h heard) bool

// webAt is a misdeed in the place of the answer to one method.
func webAt(method string, do func(w http.ResponseWriter, r *http.Request, h heard)) webMisdeed {
	return func(w http.ResponseWriter, r *http.Request, h heard) bool {
		if h.Method != method {
			return false
		}
		do(w, r, h)
		return true
	}
}

// writes is a misdeed that writes to the response until nobody reads any more.
func writes(kind, begin, again string, every time.Duration) func(http.ResponseWriter, *http.Request, heard) {
	return func(w http.ResponseWriter, r *http.Request, _ heard) {
		w.Header().Set("Content-Type", kind)
		_, err := io.WriteString(w, begin)
		for err == nil && r.Context().Err() == nil {
			_, err = io.WriteString(w, again)
			if every > 0 {
				_ = http.NewResponseController(w).Flush()
				time.Sleep(every) // synctest: exact in a bubble
			}
		}
	}
}

// status is a misdeed that answers with it.
func status(code int, header ...string) func(http.ResponseWriter, *http.Request, heard) {
	return func(w http.ResponseWriter, _ *http.Request, _ heard) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "no \x1b[2J"+foeSecret)
	}
}

// body is a misdeed that answers with it.
func bodyOf(kind, text string) func(http.ResponseWriter, *http.Request, heard) {
	return func(w http.ResponseWriter, _ *http.Request, h heard) {
		w.Header().Set("Content-Type", kind)
		_, _ = io.WriteString(w, strings.ReplaceAll(text, "$id", string(h.ID)))
	}
}

func hangs(_ http.ResponseWriter, r *http.Request, _ heard) { <-r.Context().Done() }

// breaks ends the connection without an answer.
func breaks(http.ResponseWriter, *http.Request, heard) { panic(http.ErrAbortHandler) }

// TestHostileWeb: whatever a server over HTTP does, the run ends in time, and no other
// host gets what is for it.
func TestHostileWeb(t *testing.T) {
	t.Parallel()
	const call, list, start = "tools/call", "tools/list", "initialize"
	fine, lost := outcome{Evil: isWorked}, outcome{noTool, "unknown_tool", ""}
	late, doubt := outcome{timedOut, "timed_out", ""}, outcome{inDoubt, "outcome_unknown", ""}
	doubted := func(happened string) outcome {
		return outcome{strings.Replace(inDoubt, "disconnected before it answered", happened, 1), "outcome_unknown", ""}
	}
	const noise, maxSaid = "no [2J[redacted]", 256
	broken := func(said string) outcome {
		return doubted("answered with a server error (500 Internal Server Error: " + said + ")")
	}
	odd := func(how string) outcome { return doubted("answered 200 OK " + how) }
	const deep = `{"jsonrpc":"2.0","id":4,"result":{"content":`
	long := strings.Repeat("x", maxSaid) + "…"
	answer := `{"jsonrpc":"2.0","id":$id,"result":` + worked + `}`
	bomb := func(w http.ResponseWriter, _ *http.Request, h heard) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = fmt.Fprintf(z, `{"jsonrpc":"2.0","id":%s,"result":{"a":"`, h.ID)
		for range 100 {
			_, _ = z.Write(make([]byte, 1<<20))
		}
		_ = z.Close()
	}
	redirect := func(to string) func(http.ResponseWriter, *http.Request, heard) {
		return func(w http.ResponseWriter, r *http.Request, _ heard) {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		}
	}
	for name, tt := range map[string]struct {
		do  webMisdeed
		out outcome
	}{
		"polite":                {do: webAt("x", hangs), out: fine},
		"hangs at discover":     {do: webAt("server/discover", hangs), out: lost.with(`toolset "evil": the server was not ready within 1m0s`)},
		"hangs at initialize":   {do: webAt(start, hangs), out: lost.with(`toolset "evil": the server was not ready within 1m0s`)},
		"hangs at initialized":  {do: webAt("notifications/initialized", hangs), out: lost.with(`toolset "evil": the server was not ready within 1m0s`)},
		"hangs at list":         {do: webAt(list, hangs), out: lost.with(`toolset "evil": the server was not ready within 1m0s`)},
		"hangs at call":         {do: webAt(call, hangs), out: late},
		"hangs at its stream":   {do: webAt("GET", hangs), out: fine},
		"hangs at the end":      {do: webAt("DELETE", hangs), out: fine},
		"breaks at discover":    {do: webAt("server/discover", breaks), out: fine},
		"breaks at initialize":  {do: webAt(start, breaks), out: lost.with(`toolset "evil": calling "initialize": sending "initialize": rejected by transport: Post "http://evil.example/mcp": EOF`)},
		"breaks at initialized": {do: webAt("notifications/initialized", breaks), out: lost.with(`toolset "evil": sending "notifications/initialized": rejected by transport: Post "http://evil.example/mcp": EOF`)},
		"breaks at list":        {do: webAt(list, breaks), out: lost.with(`toolset "evil": calling "tools/list": sending "tools/list": rejected by transport: Post "http://evil.example/mcp": EOF`)},
		"breaks at call":        {do: webAt(call, breaks), out: doubt},
		"breaks at its stream":  {do: webAt("GET", breaks), out: fine},
		"begins an answer and hangs": {do: webAt(call, func(w http.ResponseWriter, r *http.Request, h heard) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"json`)
			_ = http.NewResponseController(w).Flush()
			hangs(w, r, h)
		}), out: late},
		"a redirect to another host": {do: webAt(call, redirect("http://other.example/mcp")), out: doubt},
		"a redirect to itself":       {do: webAt(call, redirect("http://evil.example/mcp")), out: doubt},
		"a redirect of the list": {do: func(w http.ResponseWriter, r *http.Request, h heard) bool {
			if h.Method != list || r.Host != "evil.example" {
				return false
			}
			redirect("http://other.example/mcp")(w, r, h)
			return true
		}, out: fine},
		"a redirect to a file":              {do: webAt(call, redirect("file:///etc/passwd")), out: doubt},
		"an endless body":                   {do: webAt(call, writes("application/json", `{"a":"`, strings.Repeat("x", 10_000), 0)), out: doubt},
		"an endless body that comes slowly": {do: webAt(call, writes("application/json", `{"a":"`, "x", time.Second)), out: late},
		"an endless body of no kind":        {do: webAt(call, writes("", "", strings.Repeat("x", 10_000), 0)), out: odd("without a content type")},
		"an endless body of text":           {do: webAt(call, writes("text/plain", "", strings.Repeat("x", 10_000), 0)), out: odd("with text/plain, which the protocol does not allow: " + long)},
		"a body of text that comes slowly":  {do: webAt(call, writes("text/plain", "no", "x", time.Hour)), out: odd("with text/plain, which the protocol does not allow: nox")},
		"an endless error": {do: webAt(call, func(w http.ResponseWriter, r *http.Request, h heard) {
			w.WriteHeader(500)
			writes("text/plain", "", strings.Repeat("x", 10_000), 0)(w, r, h)
		}), out: broken(long)},
		"an endless answer to a notification": {do: webAt("notifications/initialized", func(w http.ResponseWriter, r *http.Request, h heard) {
			w.WriteHeader(202)
			writes("text/plain", "", "x", time.Second)(w, r, h)
		}), out: fine},
		"events without data":         {do: webAt(call, writes("text/event-stream", "", ": still here\n", time.Second)), out: late},
		"events of another kind":      {do: webAt(call, writes("text/event-stream", "", "event: x\ndata: {}\n\n", time.Second)), out: late},
		"events that never end":       {do: webAt(call, writes("text/event-stream", "data: ", "x", time.Second)), out: late},
		"an event of a gigabyte":      {do: webAt(call, writes("text/event-stream", "data: ", strings.Repeat("x", 10_000), 0)), out: doubt},
		"an event name of a gigabyte": {do: webAt(call, writes("text/event-stream", "event: ", strings.Repeat("x", 10_000), 0)), out: doubt},
		"an event of many lines":      {do: webAt(call, writes("text/event-stream", "", "data: x\n", 0)), out: doubt},
		"a comment of a gigabyte":     {do: webAt(call, writes("text/event-stream", ": ", strings.Repeat("x", 10_000), 0)), out: doubt},
		"a flood of notices":          {do: webAt("GET", writes("text/event-stream", "", "data: "+`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`+"\n\n", 10*time.Millisecond)), out: fine},
		"streams that end":            {do: webAt(call, bodyOf("text/event-stream", "id: 1\nretry: 0\ndata: \n\n")), out: doubt},
		"streams that end again and again": {do: func(w http.ResponseWriter, r *http.Request, h heard) bool {
			if h.Method != call && h.Method != "GET" {
				return false
			}
			bodyOf("text/event-stream", "id: 1\nretry: 1\ndata: \n\n")(w, r, h)
			return true
		}, out: doubt},
		"streams that end and begin never": {do: func(w http.ResponseWriter, r *http.Request, h heard) bool {
			if h.Method == call {
				bodyOf("text/event-stream", "id: 1\nretry: 1000000000\ndata: \n\n")(w, r, h)
			}
			return h.Method == call
		}, out: late},
		"no session": {do: webAt(call, status(404)), out: outcome{"The call was not made, so it had no effect: the server has lost our session.", "failed", `toolset "evil": the connection to the server has ended`}},
		"no session, ever": {do: func(w http.ResponseWriter, r *http.Request, h heard) bool {
			if h.Method != call && h.Method != list {
				return false
			}
			status(404)(w, r, h)
			return true
		}, out: lost.with(`toolset "evil": calling "tools/list": sending "tools/list": failed to connect (session ID: s1): session not found`)},
		"401":                           {do: webAt(call, status(401, "WWW-Authenticate", `Bearer resource_metadata="http://other.example/meta"`)), out: outcome{"The call was not made, so it had no effect: the server refused it (401 Unauthorized: " + noise + ").", "failed", ""}},
		"403":                           {do: webAt(call, status(403)), out: outcome{"The call was not made, so it had no effect: the server refused it (403 Forbidden: " + noise + ").", "failed", ""}},
		"429 for years":                 {do: webAt(call, status(429, "Retry-After", "1000000000")), out: outcome{"The call was not made, so it had no effect: the server refused it (429 Too Many Requests: " + noise + ").", "failed", ""}},
		"500":                           {do: webAt(call, status(500)), out: broken(noise)},
		"nothing":                       {do: webAt(call, status(202)), out: doubted("answered 202 Accepted with text/plain, which the protocol does not allow: " + noise)},
		"401 at the start":              {do: webAt(start, status(401)), out: lost.with(`toolset "evil": http://evil.example/mcp answers 401 Unauthorized: ` + noise)},
		"500 for all":                   {do: func(w http.ResponseWriter, r *http.Request, h heard) bool { status(500)(w, r, h); return true }, out: lost.with(`toolset "evil": http://evil.example/mcp answers 500 Internal Server Error: ` + noise)},
		"a bomb":                        {do: webAt(call, bomb), out: doubt},
		"HTML":                          {do: webAt(call, bodyOf("text/html", "<script>")), out: odd("with text/html, which the protocol does not allow")},
		"a picture":                     {do: webAt(call, bodyOf("image/png", "\x89PNG")), out: odd("with image/png, which the protocol does not allow")},
		"no JSON":                       {do: webAt(call, bodyOf("application/json", "<html>")), out: odd("with an invalid message")},
		"no message":                    {do: webAt(call, bodyOf("application/json", `{"a":1}`)), out: odd(`with an invalid message: {"a":1}`)},
		"a message without an id":       {do: webAt(call, bodyOf("application/json", `{"jsonrpc":"2.0","id":null,"result":{}}`)), out: doubted("answered without the id of a request")},
		"an error without an id":        {do: webAt(call, bodyOf("application/json", `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no"}}`)), out: outcome{"no", "failed", ""}},
		"the answer to another":         {do: webAt(call, bodyOf("application/json", `{"jsonrpc":"2.0","id":999,"result":`+worked+`}`)), out: doubted("answered with the id 999, which no request has")},
		"an event that answers another": {do: webAt(call, bodyOf("text/event-stream", `data: {"jsonrpc":"2.0","id":999,"result":`+worked+"}\n\n")), out: doubted("answered with the id 999, which no request has")},
		"100,000 deep":                  {do: webAt(call, bodyOf("application/json", `{"jsonrpc":"2.0","id":$id,"result":{"content":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`}}`)), out: odd("with an invalid message: " + deep + strings.Repeat("[", maxSaid-len(deep)) + "…")},
		"two messages":                  {do: webAt(call, bodyOf("application/json", answer+answer)), out: fine},
		"a batch":                       {do: webAt(call, bodyOf("application/json", "["+answer+"]")), out: fine},
		"a session of control characters": {do: webAt(start, func(w http.ResponseWriter, _ *http.Request, h heard) {
			w.Header().Set("Content-Type", "application/json")
			w.Header()["Mcp-Session-Id"] = []string{"a\tb"}
			(&foe{out: w}).polite(h)
		}), out: lost.with(`toolset "evil": calling "initialize": mismatching session IDs "s1" and "a\tb"`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &webFoe{do: tt.do}
				out, all := stage{server: mcp.Server{
					URL: "http://evil.example/mcp", HTTPClient: f.client(t), Header: map[string]string{"Authorization": "Bearer " + foeSecret}, MaxMessage: 1 << 20,
				}}.play(t)
				f.mu.Lock()
				defer f.mu.Unlock()
				require.Equal(t, tt.out, out)
				require.LessOrEqual(t, all.took, 2*time.Minute)
				require.Equal(t, map[string]string{"evil.example": "Bearer " + foeSecret}, f.tokens)
				require.NotContains(t, all.everything(t), foeSecret)
				requireClean(t, all.log+all.events)
				require.LessOrEqual(t, f.counts["GET"], 20)
			})
		})
	}
}
