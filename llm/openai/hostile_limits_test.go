package openai_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// TestHostileServer has servers that never end, over real connections. The
// default limits hold: there is a typed error, the memory stays bounded, and
// nothing waits. It runs alone, as it measures the heap of the process.
func TestHostileServer(t *testing.T) {
	if raced {
		t.Skip("the race detector makes the heap another one, and this ten times as slow")
	}
	const mb = 1 << 20
	for _, tt := range []struct {
		name  string
		serve func(w io.Writer, h http.Header)
		most  uint64 // of heap
		kind  llm.ErrorKind
		text  string
	}{
		{"comments without end", forEver("text/event-stream", ": ping\n\n"), 16 * mb, llm.KindMalformed, "larger than MaxResponseBytes"},
		{"blanks without end", forEver("application/json", "\n       "), 16 * mb, llm.KindMalformed, "larger than MaxResponseBytes"},
		{"a line of 10 GB", from("text/event-stream", `data: {"choices":[{"delta":{"content":"`, strings.Repeat("x", 1<<16), 10<<30), 200 * mb, llm.KindMalformed, "an event of the stream is longer than the limit"},
		{"an event of 10 GB in short lines", from("text/event-stream", "data: [\n", "data: 1,\n", 10<<30), 200 * mb, llm.KindMalformed, "an event of the stream is longer than the limit"},
		{"a document of 10 GB", from("application/json", `{"choices":[{"message":{"content":"`, strings.Repeat("x", 1<<16), 10<<30), 900 * mb, llm.KindMalformed, "larger than MaxResponseBytes"},
		{"an error of 10 GB", from("application/json", "", strings.Repeat("x", 1<<16), 10<<30, 400), 16 * mb, llm.KindInvalidRequest, "xxxx"},
		{"a gzip bomb", bomb, 900 * mb, llm.KindMalformed, "larger than MaxResponseBytes"},
		{"calls", many(`{"choices":[{"message":{"tool_calls":[`, `{}`, `]}}]}`), 200 * mb, llm.KindMalformed, "more calls, parts or members"},
		{"parts", many(`{"choices":[{"message":{"content":[`, `{}`, `]}}]}`), 200 * mb, llm.KindMalformed, "more calls, parts or members"},
		{"members", many(`{"choices":[{"message":{`, `"%d":1`, `}}]}`), 200 * mb, llm.KindMalformed, "more calls, parts or members"},
		{"members of a part", many(`{"choices":[{"message":{"content":[{"type":"text","text":"a",`, `"%d":1`, `}]}}]}`), 200 * mb, llm.KindMalformed, "more calls, parts or members"},
		{"members of a call", many(`{"choices":[{"message":{"tool_calls":[{`, `"%d":1`, `}]}}]}`), 200 * mb, llm.KindMalformed, "more calls, parts or members"},
		{"members of the document", many(`{"choices":[{"message":{}}],`, `"%d":1`, `}`), 200 * mb, llm.KindMalformed, "more calls, parts or members"},
		{"members of the usage", many(`{"choices":[{"message":{}}],"usage":{`, `"%d":1`, `}}`), 200 * mb, "", ""},
		{"choices", many(`{"choices":[{"message":{}},`, `{}`, `]}`), 200 * mb, "", ""},
		{"a text of 24 MB", many(`{"choices":[{"message":{"content":"`, `xxxxxxx`, `"}}]}`), 200 * mb, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tt.serve(w, w.Header())
			}))
			defer server.Close()
			begin := time.Now()
			var err error
			most := peak(func() {
				_, err = openai.Config{BaseURL: server.URL, Retry: wrap.Retry{Attempts: 1}}.Model("m").Generate(t.Context(), hello(), nil)
			})
			t.Logf("%d MB of heap, %v", most/mb, time.Since(begin).Round(time.Millisecond))
			require.Less(t, most, tt.most)
			require.Less(t, time.Since(begin), time.Minute)
			if tt.kind == "" {
				require.NoError(t, err)
				return
			}
			requireKind(t, tt.kind, err)
			require.ErrorContains(t, err, tt.text)
		})
	}
}

// forEver sends text over and over.
func forEver(contentType, text string) func(io.Writer, http.Header) {
	return from(contentType, "", strings.Repeat(text, 4<<10), 1<<62)
}

// from sends start, and then at least n bytes of text.
func from(contentType, start, text string, n int64, status ...int) func(io.Writer, http.Header) {
	return func(w io.Writer, h http.Header) {
		h.Set("Content-Type", contentType)
		for _, s := range status {
			w.(http.ResponseWriter).WriteHeader(s)
		}
		_, err := io.WriteString(w, start)
		for sent := 0; err == nil && int64(sent) < n; sent += len(text) {
			_, err = io.WriteString(w, text)
		}
	}
}

// many sends 24 MB of items with commas between, each with its number in it if
// it has a place for one.
func many(start, item, end string) func(io.Writer, http.Header) {
	return func(w io.Writer, h http.Header) {
		h.Set("Content-Type", "application/json")
		b := bufio.NewWriterSize(w, 1<<16)
		_, err := b.WriteString(start)
		for n, sent := 0, 0; err == nil && sent < 24<<20; n++ {
			text := item
			if strings.Contains(item, "%d") {
				text = fmt.Sprintf(item, n)
			}
			if n > 0 {
				_ = b.WriteByte(',')
			}
			_, err = b.WriteString(text)
			sent += len(text) + 1
		}
		_, _ = b.WriteString(end)
		_ = b.Flush()
	}
}

func bomb(w io.Writer, h http.Header) {
	h.Set("Content-Type", "application/json")
	h.Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	from("", `{"choices":[{"message":{"content":"`, strings.Repeat("x", 1<<20), 10<<30)(z, http.Header{})
}

// peak returns how far the heap grows while f runs.
func peak(f func()) uint64 {
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	var most atomic.Uint64
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for tick := time.Tick(2 * time.Millisecond); ; {
			select {
			case <-done:
				return
			case <-tick:
				runtime.ReadMemStats(&now)
				most.Store(max(most.Load(), now.HeapAlloc))
			}
		}
	}()
	f()
	close(done)
	<-ended
	return most.Load() - min(before.HeapAlloc, most.Load())
}

// TestHostileHeader has servers whose header never ends.
func TestHostileHeader(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, start, text string }{
		{"a line", "HTTP/1.1 200 OK\r\nX-A: ", "x"},
		{"lines", "HTTP/1.1 200 OK\r\n", "X-A: x\r\n"},
		{"a status", "HTTP/1.1 200 ", "x"},
		{"informational headers", "", "HTTP/1.1 103 Early Hints\r\nX-A: x\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			sent := make(chan int, 1)
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				_, _ = c.Read(make([]byte, 1<<16)) // the request
				n, err := io.WriteString(c, tt.start)
				for text := strings.Repeat(tt.text, 1<<10); err == nil; {
					var m int
					m, err = io.WriteString(c, text)
					n += m
				}
				sent <- n
			}()
			begin := time.Now()
			config := openai.Config{BaseURL: "http://" + l.Addr().String(), Retry: wrap.Retry{Attempts: 1}}
			_, err = config.Model("m").Generate(t.Context(), hello(), nil)
			requireKind(t, llm.KindMalformed, err)
			require.Less(t, time.Since(begin), 10*time.Second)
			require.Less(t, <-sent, 32<<20) // the system's buffers are large
		})
	}
}

// TestHostileHeaderHTTP2 is the same over HTTP/2: net/http ends the connection
// and may not say why, so that it is trouble of the network.
func TestHostileHeaderHTTP2(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for n := range 100 {
			w.Header().Set(fmt.Sprintf("X-%d", n), strings.Repeat("x", 1<<10))
		}
		_, _ = io.WriteString(w, ok)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	client := server.Client()
	client.Transport.(*http.Transport).MaxResponseHeaderBytes = 1 << 16
	_, err := openai.Config{BaseURL: server.URL, HTTPClient: client, Retry: wrap.Retry{Attempts: 1}}.Model("m").Generate(t.Context(), hello(), nil)
	var api *llm.APIError
	require.ErrorAs(t, err, &api)
	require.Contains(t, []llm.ErrorKind{llm.KindMalformed, llm.KindNetwork}, api.Kind, "%v", err)
}
