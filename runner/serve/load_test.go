package serve_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
)

// A crowd is 100 conversations, each with a page that asked, three that watch, and one that
// never reads.
const (
	conversations = 100
	watchers      = 3
	pieceSize     = 2000
)

// TestManyBrowsers: no run waits for a reader, and what a run keeps does not grow with its
// readers. TOOLLOOP_CROWD is the time of an answer; the default is half a second.
func TestManyBrowsers(t *testing.T) {
	t.Parallel()
	length := 500 * time.Millisecond
	if text := os.Getenv("TOOLLOOP_CROWD"); text != "" {
		var err error
		length, err = time.ParseDuration(text)
		require.NoError(t, err)
	}
	const pieces = 50
	piece := strings.Repeat("x", pieceSize-1) + " "
	var longest atomic.Int64 // time in which the model waited for us
	answered := make(chan struct{}, conversations)
	model := llm.ModelFunc(func(ctx context.Context, _ *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		for range pieces {
			began := time.Now()
			sink(llm.TextDelta{Text: piece})
			longest.Store(max(longest.Load(), int64(time.Since(began))))
			select {
			case <-time.After(length / pieces):
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		answered <- struct{}{}
		return &llm.Response{Message: llm.Assistant(strings.Repeat(piece, pieces)), Finish: llm.Finish{Reason: llm.FinishStop}}, nil
	})
	chat, err := serve.Config{Agent: &agent.Agent{Model: model}, Session: func(_ *http.Request, id string) (string, error) { return id, nil }}.Chat()
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/chat", chat.UIStream())
	mux.Handle("/chat/", chat.UIStream())
	server := httptest.NewUnstartedServer(mux)
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		_ = c.(*net.TCPConn).SetWriteBuffer(4096) //nolint:forcetypeassert // so that a reader that does not read blocks its writer
		return ctx
	}
	server.Start()
	defer server.Close()
	defer server.CloseClientConnections()
	before := heap()

	began := time.Now()
	var reading sync.WaitGroup
	texts := make(chan int, conversations*(1+watchers))
	for i := range conversations {
		reading.Go(func() {
			id := fmt.Sprint("c", i)
			first := begin(t, server.URL, id)
			for range watchers {
				reading.Go(func() { texts <- textLength(t, get(t, server.URL+"/chat/"+id+"/stream")) })
			}
			stuck(t, server.Listener.Addr().String(), id)
			texts <- textLength(t, first)
		})
	}
	for range conversations {
		<-answered
	}
	took := time.Since(began)
	reading.Wait()
	close(texts)
	for n := range texts {
		require.Equal(t, pieces*pieceSize, n)
	}
	kept := heap() - before
	fmt.Printf("browsers: %d on %d sessions: answers of %v took %v, a delta took the model at most %v, the heap grew by %d KB\n",
		conversations*(2+watchers), conversations, length, took.Round(time.Millisecond), time.Duration(longest.Load()).Round(time.Millisecond), kept>>10)
	require.Less(t, kept, int64(100<<20))
	require.NoError(t, chat.Shutdown(context.WithoutCancel(t.Context())))
}

// heap returns the bytes that are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // far below the limit
}

func begin(t *testing.T, url, id string) *http.Response {
	t.Helper()
	body := `{"id":"` + id + `","messages":[{"id":"a","role":"user","parts":[{"type":"text","text":"Go."}]}]}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/chat", strings.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
		var resp *http.Response
		if resp, err = http.DefaultClient.Do(req); err == nil {
			return resp
		}
	}
	t.Error(err)
	return nil
}

func get(t *testing.T, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err == nil {
		var resp *http.Response
		if resp, err = http.DefaultClient.Do(req); err == nil {
			return resp
		}
	}
	t.Error(err)
	return nil
}

// textLength reads a stream to its end and returns the length of its text. A page that comes when
// the answer is there gets none.
func textLength(t *testing.T, resp *http.Response) (n int) {
	t.Helper()
	if resp == nil {
		return 0
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return 50 * pieceSize
	}
	for r := bufio.NewReader(resp.Body); ; {
		line, err := r.ReadString('\n')
		if err == io.EOF { //nolint:errorlint // ReadString returns it as it is
			return n
		}
		if err != nil {
			t.Error(err)
			return n
		}
		var c struct{ Type, Delta string }
		if data, ok := strings.CutPrefix(line, "data: "); ok && json.Unmarshal([]byte(data), &c) == nil && c.Type == "text-delta" {
			n += len(c.Delta)
		}
	}
}

// stuck opens a stream and never reads.
func stuck(t *testing.T, address, id string) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(4096) //nolint:forcetypeassert // it is one
	if _, err := fmt.Fprintf(conn, "GET /chat/%s/stream HTTP/1.1\r\nHost: chat\r\n\r\n", id); err != nil {
		t.Error(err)
	}
}
