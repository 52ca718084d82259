package openai_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// These are the quirks of streams that a file of testdata/wire/quirks cannot
// hold: time between bytes, the borders of reads, and bodies without an end.

// A bodyTransport answers every request with status 200 and a body of its own.
type bodyTransport struct {
	wait   time.Duration // before the header
	header http.Header   // nil: a stream of events
	body   func(ctx context.Context) io.Reader
	closed int
}

func (b *bodyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := sleep(r.Context(), b.wait); err != nil {
		return nil, err
	}
	h := b.header
	if h == nil {
		h = http.Header{"Content-Type": {"text/event-stream"}}
	}
	return &http.Response{StatusCode: http.StatusOK, Header: h, Body: &countedBody{b.body(r.Context()), b}, Request: r}, nil
}

type countedBody struct {
	io.Reader
	of *bodyTransport
}

func (c *countedBody) Close() error { c.of.closed++; return nil }

func (b *bodyTransport) config() openai.Config {
	return openai.Config{BaseURL: "http://provider.test/v1", HTTPClient: &http.Client{Transport: b}, Retry: wrap.Retry{Attempts: 1}}
}

func askStream() *llm.Request {
	req := hello()
	req.Stream = true
	return req
}

// sleep waits as a connection does: until d is over or the request is given up.
func sleep(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// paced is a body whose pieces come with a wait before each.
type paced struct {
	ctx    context.Context
	pieces []pace
	left   string
}

type pace struct {
	wait time.Duration
	text string
}

func (p *paced) Read(b []byte) (int, error) {
	for p.left == "" {
		if len(p.pieces) == 0 {
			return 0, io.EOF
		}
		if err := sleep(p.ctx, p.pieces[0].wait); err != nil {
			return 0, err
		}
		p.left, p.pieces = p.pieces[0].text, p.pieces[1:]
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}

func pacedBody(pieces ...pace) func(context.Context) io.Reader {
	return func(ctx context.Context) io.Reader { return &paced{ctx: ctx, pieces: pieces} }
}

const forever = 1000 * time.Hour

// TestQuirkQ074IdleGap is about silence: how long it may last before the header,
// before the body and inside it, and that any byte ends it.
func TestQuirkQ074IdleGap(t *testing.T) {
	t.Parallel()
	whole := events(delta(`{"content":"Hello"}`), finishStop, "[DONE]")
	drip := make([]pace, 0, 200)
	for range 144 { // two hours
		drip = append(drip, pace{50 * time.Second, ": keep-alive\n\n"})
	}
	finished := strings.Index(whole, "data: [DONE]") // the bytes up to the end of the event with the finish reason
	// The empty line after [DONE] is left out: it is not waited for.
	bytewise := make([]pace, 0, len(whole))
	for _, c := range []byte(whole[:len(whole)-1]) {
		bytewise = append(bytewise, pace{50 * time.Second, string(c)})
	}
	minute := openai.Config{FirstByteTimeout: time.Minute, StallTimeout: time.Minute, Timeout: -1}
	for _, tt := range []struct {
		name   string
		config openai.Config
		wait   time.Duration
		pieces []pace
		after  time.Duration // the end
		field  string        // whose bound it was; empty: there is an answer
	}{
		{"no header", minute, forever, nil, time.Minute, "FirstByteTimeout"},
		{"no first byte", minute, 40 * time.Second, []pace{{forever, whole}}, time.Minute, "FirstByteTimeout"},
		{"a late first byte", minute, 20 * time.Second, []pace{{39 * time.Second, whole}}, 59 * time.Second, ""},
		{"silence after the first event", minute, 0, []pace{{0, events(delta(`{"content":"Hel"}`))}, {forever, whole}}, time.Minute, "StallTimeout"},
		{"silence after a comment", minute, 0, []pace{{30 * time.Second, ": ping\n\n"}, {59 * time.Second, ": ping\n\n"}, {61 * time.Second, whole}}, 149 * time.Second, "StallTimeout"},
		{"silence inside a line", minute, 0, []pace{{0, whole[:20]}, {61 * time.Second, whole[20:]}}, time.Minute, "StallTimeout"},
		{"comments for two hours", minute, 0, append(drip, pace{50 * time.Second, whole}), 145 * 50 * time.Second, ""},
		{"a byte every 50 seconds, and ten after the finish reason", minute, 0, bytewise, time.Duration(finished)*50*time.Second + 10*time.Second, ""},
		{"the default before the first byte", openai.Config{}, forever, nil, openai.DefaultFirstByteTimeout, "FirstByteTimeout"},
		{"the default inside", openai.Config{}, 0, []pace{{0, ": ping\n\n"}, {forever, whole}}, openai.DefaultStallTimeout, "StallTimeout"},
		{"the default for all", openai.Config{}, 0, append(drip, pace{50 * time.Second, whole}), openai.DefaultTimeout, "Timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := &bodyTransport{wait: tt.wait, body: pacedBody(tt.pieces...)}
				c := b.config()
				c.FirstByteTimeout, c.StallTimeout, c.Timeout = tt.config.FirstByteTimeout, tt.config.StallTimeout, tt.config.Timeout
				start := time.Now()
				resp, err := c.Model("m").Generate(t.Context(), askStream(), nil)
				require.Equal(t, tt.after, time.Since(start))
				if tt.field == "" {
					require.NoError(t, err)
					require.Equal(t, "Hello", resp.Message.Text())
					return
				}
				api := requireKind(t, llm.KindTimeout, err)
				require.True(t, api.Retryable())
				require.ErrorContains(t, err, "Config."+tt.field+" of")
			})
		})
	}
	t.Run("HTTP/2 is asked whether it lives", func(t *testing.T) {
		t.Parallel()
		h2 := openai.SharedTransport().(*http.Transport).HTTP2
		require.NotNil(t, h2)
		require.NotZero(t, h2.SendPingTimeout)
		require.Less(t, h2.SendPingTimeout+h2.PingTimeout, openai.DefaultStallTimeout)
	})
}

// TestQuirkQ071Cap is a line, an event and a chain of comments without an end.
func TestQuirkQ071Cap(t *testing.T) {
	t.Parallel()
	const most, slack = 1 << 20, 64 << 10
	for _, tt := range []struct{ name, start, repeat, kind string }{
		{"a line", `data: {"choices":[{"index":0,"delta":{"content":"`, "x", "an event of the stream is longer than the limit"},
		{"a comment", ":", "x", "an event of the stream is longer than the limit"},
		{"an event of many lines", `data: {"choices":[`, "\ndata: 1,", "an event of the stream is longer than the limit"},
		{"many comments", ":\n\n", ": ping\n\n", "the answer is larger than MaxResponseBytes"},
		{"many events", ":\n\n", events(delta(`{"content":""}`)), "the answer is larger than MaxResponseBytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rest := &endless{s: tt.repeat}
			b := &bodyTransport{body: func(context.Context) io.Reader { return io.MultiReader(strings.NewReader(tt.start), rest) }}
			c := b.config()
			c.MaxEventBytes, c.MaxResponseBytes = most, 4*most
			_, err := c.Model("m").Generate(t.Context(), askStream(), nil)
			requireKind(t, llm.KindMalformed, err)
			require.ErrorContains(t, err, tt.kind)
			require.Less(t, rest.at, 4*most+slack)
			if strings.Contains(tt.kind, "event") {
				require.LessOrEqual(t, rest.at, 3*most) // much of it may be "data:"
			}
			require.Equal(t, 1, b.closed)
		})
	}
	t.Run("the default", func(t *testing.T) {
		t.Parallel()
		rest := &endless{s: "x"}
		b := &bodyTransport{body: func(context.Context) io.Reader { return io.MultiReader(strings.NewReader("data: "), rest) }}
		_, err := b.config().Model("m").Generate(t.Context(), askStream(), nil)
		requireKind(t, llm.KindMalformed, err)
		require.Less(t, rest.at, openai.DefaultMaxEventBytes+slack)
	})
}

// TestQuirkQ072ToolResult is text of a tool that is no UTF-8: a provider that is
// sent such bytes refuses the request.
func TestQuirkQ072ToolResult(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"caf\xe9":               "caf\ufffd",
		"\xff\xfe\x00b":         "\ufffd\x00b",
		"half a rune: \xe4\xb8": "half a rune: \ufffd",
		"世界":                    "世界",
	} {
		w := &wire{body: ok}
		req := &llm.Request{Messages: []llm.Message{
			llm.User("Hi."),
			{Role: llm.RoleAssistant, Parts: llm.Parts{toolCall("a", "f", "{}")}},
			{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "a", Parts: llm.Parts{llm.Text{Text: in}}}}},
		}}
		_, err := w.config().Model("m").Generate(t.Context(), req, nil)
		require.NoError(t, err)
		require.True(t, utf8.ValidString(w.bodies[0]))
		var sent struct{ Messages []struct{ Content any } }
		require.NoError(t, json.Unmarshal([]byte(w.bodies[0]), &sent))
		got := fmt.Sprint(sent.Messages[2].Content)
		require.Equal(t, strings.ReplaceAll(want, "\ufffd", ""), strings.ReplaceAll(got, "\ufffd", ""), "%q", in)
		require.Equal(t, strings.Contains(want, "\ufffd"), strings.Contains(got, "\ufffd"), "%q", in)
	}
}

// TestQuirkQ075Drain is what comes after [DONE]: little of it is read, not for
// long, and the body is closed.
func TestQuirkQ075Drain(t *testing.T) {
	t.Parallel()
	whole := events(delta(`{"content":"Hello"}`), finishStop, "[DONE]")
	t.Run("without an end", func(t *testing.T) {
		t.Parallel()
		rest := &endless{s: events(delta(`{"content":"Hello"}`))}
		b := &bodyTransport{body: func(context.Context) io.Reader { return io.MultiReader(strings.NewReader(whole), rest) }}
		resp, err := b.config().Model("m").Generate(t.Context(), askStream(), nil)
		require.NoError(t, err)
		require.Equal(t, "Hello", resp.Message.Text())
		require.Less(t, rest.at, 128<<10)
		require.Equal(t, 1, b.closed)
	})
	t.Run("silence", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := &bodyTransport{body: pacedBody(pace{0, whole}, pace{forever, "x"})}
			start := time.Now()
			resp, err := b.config().Model("m").Generate(t.Context(), askStream(), nil)
			require.NoError(t, err)
			require.Equal(t, "Hello", resp.Message.Text())
			require.LessOrEqual(t, time.Since(start), time.Second)
			require.Equal(t, 1, b.closed)
		})
	})
}

// inMemory sends the request of a fixture to a body that gives its bytes as
// reader does.
func (f *fixture) inMemory(ctx context.Context, mode string, r reply, reader func(io.Reader) io.Reader) (*llm.Response, error) {
	req, err := f.request()
	if err != nil {
		return nil, err
	}
	req.Stream = mode == "stream"
	b := &bodyTransport{header: r.header, body: func(context.Context) io.Reader { return reader(bytes.NewReader(r.body)) }}
	c := b.config()
	if host := f.head["host"]; host != "" {
		c.BaseURL = "http://" + host
	}
	resp, err := c.Model(cmp.Or(f.head["model"], "m")).Generate(ctx, req, nil)
	if b.closed != 1 {
		err = errors.Join(err, fmt.Errorf("the body was closed %d times", b.closed))
	}
	return resp, err
}

// streams calls do with all fixtures of whole, uncompressed answers.
func streams(t *testing.T, do func(t *testing.T, f *fixture)) {
	paths, err := filepath.Glob(filepath.Join(quirksDir, "Q*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			f, err := readFixture(path)
			require.NoError(t, err)
			do(t, f)
		})
	}
}

// only returns the reply of a mode if it is the only one, and a plain 200.
func (f *fixture) only(t *testing.T, mode string) (reply, bool) {
	replies, err := f.replies(mode)
	require.NoError(t, err)
	if len(replies) != 1 || replies[0].status != http.StatusOK || replies[0].cut > 0 || replies[0].header.Get("Content-Encoding") != "" {
		return reply{}, false
	}
	return replies[0], true
}

// TestQuirkQ040AnySplit is the borders of reads: wherever they fall, between CR
// and LF, inside a byte order mark or a character, the outcome is the same.
func TestQuirkQ040AnySplit(t *testing.T) {
	t.Parallel()
	splits := map[string]func(io.Reader) io.Reader{
		"one byte":    iotest.OneByteReader,
		"half":        iotest.HalfReader,
		"EOF at once": iotest.DataErrReader,
		"2 bytes":     func(r io.Reader) io.Reader { return &byteReader{r, 2} },
		"3 bytes":     func(r io.Reader) io.Reader { return &byteReader{r, 3} },
		"7 bytes":     func(r io.Reader) io.Reader { return &byteReader{r, 7} },
		"61 bytes":    func(r io.Reader) io.Reader { return &byteReader{r, 61} },
	}
	streams(t, func(t *testing.T, f *fixture) {
		for _, mode := range f.modes() {
			r, plain := f.only(t, mode)
			if !plain || len(r.body) > 1<<20 {
				continue
			}
			whole, wholeErr := f.inMemory(t.Context(), mode, r, func(r io.Reader) io.Reader { return r })
			for name, split := range splits {
				resp, err := f.inMemory(t.Context(), mode, r, split)
				require.Equal(t, whole, resp, "%s, %s", mode, name)
				require.Equal(t, timeless(wholeErr), timeless(err), "%s, %s", mode, name)
			}
		}
	})
}

// timeless returns what an error says without how long to wait, which depends on
// the time of day.
func timeless(err error) string {
	var api *llm.APIError
	if errors.As(err, &api) {
		return fmt.Sprint(api.Kind, api.StatusCode, api.Code, api.Type, api.Param, api.Message)
	}
	return fmt.Sprint(err)
}

// byteReader gives at most n bytes at a time.
type byteReader struct {
	r io.Reader
	n int
}

func (b *byteReader) Read(p []byte) (int, error) { return b.r.Read(p[:min(len(p), b.n)]) }

// TestQuirkStreamIsAnswer compares the two forms of one answer, in the fixtures
// that are about answers: they give equal Responses.
func TestQuirkStreamIsAnswer(t *testing.T) {
	t.Parallel()
	streams(t, func(t *testing.T, f *fixture) {
		if _, differ := f.section("want stream"); differ || len(f.modes()) < 2 || f.name > "Q077" {
			t.Skip("has one form only, says how its forms differ, or is about HTTP and requests")
		}
		answer, ok1 := f.only(t, "answer")
		stream, ok2 := f.only(t, "stream")
		if !ok1 || !ok2 {
			t.Skip("has several exchanges, or none that is a plain 200")
		}
		same := func(r io.Reader) io.Reader { return r }
		want, err1 := f.inMemory(t.Context(), "answer", answer, same)
		got, err2 := f.inMemory(t.Context(), "stream", stream, same)
		require.Equal(t, err1 == nil, err2 == nil, "%v, %v", err1, err2)
		require.Equal(t, alike(want, got), alike(got, got))
	})
}

// alike returns resp without what the stream does not tell, and with the
// members that nobody modelled by name, as their order means nothing.
func alike(resp, stream *llm.Response) *llm.Response {
	if resp == nil || stream == nil {
		return resp
	}
	c := *resp
	if stream.ID == "" {
		c.ID = ""
	}
	if stream.Model == "" {
		c.Model = ""
	}
	if stream.Finish.Native == "" {
		c.Finish.Native = ""
	}
	if stream.RawUsage == nil {
		c.Usage, c.RawUsage = llm.Usage{}, nil
	}
	byName := func(a, b llm.Member) int { return strings.Compare(a.Name, b.Name) }
	slices.SortStableFunc(c.Extra, byName)
	slices.SortStableFunc(c.Message.Extra, byName)
	return &c
}
