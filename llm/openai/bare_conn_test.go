//go:build unix

package openai_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// TestBareRoutes: what is unusual goes through net/http.
func TestBareRoutes(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"http://127.0.0.1:8000":            true,
		"http://[::1]:8000/v1":             true,
		"http://vllm.cluster.local/v1?a=b": true,
		"http://localhost:11434/v1":        true,
		"https://127.0.0.1:8000":           false,
		"http://user:pass@127.0.0.1:8000":  false,
		"http://Upper.test":                false,
		"http://bücher.test":               false,
		"http://127.0.0.1:":                false,
		"http://127.0.0.1:0":               false,
		"http://[fe80::1%25eth0]:80":       false,
		"http://a%20b":                     false,
	} {
		require.Equal(t, want, openai.IsBare(url, nil), url)
	}
	for name, value := range map[string]string{
		"Connection": "close", "Expect": "100-continue", "Host": "other", "Te": "trailers", "Trailer": "X", "Upgrade": "x",
		"Transfer-Encoding": "chunked", "Content-Length": "1", "Range": "bytes=0-", "Accept-Encoding": "br", "Keep-Alive": "x",
		"X-Long": strings.Repeat("x", 64<<10),
	} {
		require.False(t, openai.IsBare("http://127.0.0.1:8000", http.Header{name: {value}}), name)
	}
	require.True(t, openai.IsBare("http://127.0.0.1:8000", http.Header{"X-Team": {"a", "b"}, "User-Agent": nil}))
}

// TestBareTrace: a trace of the program gets its reports, from net/http.
func TestBareTrace(t *testing.T) {
	t.Parallel()
	c := loopback(t, func(w http.ResponseWriter, _ *http.Request) { say(w, ok) })
	var got int
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { got++ }})
	_, err := c.Model("m").Generate(ctx, hello(), nil)
	require.NoError(t, err)
	require.Equal(t, 1, got)
	require.Zero(t, openai.IdleBare(strings.TrimPrefix(c.BaseURL, "http://")))
}

// idling is a server with n idle connections.
func idling(t *testing.T, n int) (s *rawServer) {
	s = newRawServer(t, []byte(said), 0, false, n)
	t.Cleanup(s.close)
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if e := openai.Exchange(t.Context(), s.url(), true, math.MaxInt64, []byte("first")); e.Err != nil {
				t.Error(e.Err)
			}
		})
	}
	all.Wait()
	require.Equal(t, n, s.accepted())
	require.Equal(t, n, openai.IdleBare(s.address()))
	return s
}

// TestBareIdle: the server ends the idle connections. No request notices, and none is sent
// twice.
func TestBareIdle(t *testing.T) {
	t.Parallel()
	const n = 100
	for name, test := range map[string]struct{ says, answer string }{
		"ended":           {},
		"ended, answered": {says: "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"},
		"said something":  {says: said + said},
	} {
		t.Run(name, func(t *testing.T) {
			s := idling(t, n)
			s.hangUp(test.says)
			for openai.AliveBare(s.address()) > 0 {
				runtime.Gosched()
			}
			for i := range n {
				e := openai.Exchange(t.Context(), s.url(), true, math.MaxInt64, fmt.Append(nil, "second ", i))
				require.NoError(t, e.Err)
				require.Equal(t, ok, e.Body)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			require.Equal(t, n+1, s.conns)
			require.Len(t, s.sent, 2*n)
		})
	}
}

// TestBareRestart: the server ends all idle connections while requests begin on them. Each
// request has an answer.
func TestBareRestart(t *testing.T) {
	t.Parallel()
	s := idling(t, 100)
	s.mu.Lock()
	old := s.open
	s.open = nil
	s.mu.Unlock()
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			e := openai.Exchange(t.Context(), s.url(), true, math.MaxInt64, fmt.Append(nil, i))
			if e.Err != nil || e.Body != ok {
				t.Errorf("%v %q", e.Err, e.Body)
			}
		})
	}
	for _, conn := range old {
		_ = conn.Close()
	}
	all.Wait()
}

// TestBareSweep: idle connections are closed when they are old, and when their server has
// closed them. Not parallel, because it changes all idle connections.
func TestBareSweep(t *testing.T) {
	openai.SweepBare(math.MaxInt32 * 1e9)
	s := idling(t, 50)
	require.Equal(t, 50, openai.SweepBare(0))
	s.hangUp("")
	for openai.AliveBare(s.address()) > 0 {
		runtime.Gosched()
	}
	require.Zero(t, openai.SweepBare(0))
	s = idling(t, 50)
	require.Zero(t, openai.SweepBare(91e9))
	require.Zero(t, openai.IdleBare(s.address()))
}

// TestBareMany: a thousand requests at once have no goroutine of their own, and leave nothing
// open. Not parallel, because it counts for the whole process.
func TestBareMany(t *testing.T) {
	openai.SweepBare(math.MaxInt32 * 1e9)
	open := openFiles()
	goroutines := runtime.NumGoroutine()
	const n = 1000
	s := newRawServer(t, []byte(said), 0, false, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			e := openai.Exchange(t.Context(), s.url(), true, math.MaxInt64, fmt.Append(nil, i))
			if e.Err != nil || e.Body != ok {
				t.Errorf("%v %q", e.Err, e.Body)
			}
		})
	}
	all.Wait()
	require.Equal(t, n, s.accepted())
	require.Equal(t, n, openai.IdleBare(s.address()))
	require.Zero(t, openai.SweepBare(91e9))
	s.close()
	require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+5)
	require.LessOrEqual(t, openFiles(), open+5)
}

// openFiles counts the open files of the process, where the system tells.
func openFiles() int {
	files, _ := os.ReadDir("/proc/self/fd")
	return len(files)
}

// TestBareCancel: the end of the context ends each wait at once, with its cause.
func TestBareCancel(t *testing.T) {
	t.Parallel()
	reason := errors.New("the user pressed a key")
	long := make([]byte, 64<<20) // more than the system takes
	for name, test := range map[string]struct {
		body  []byte
		serve func(conn net.Conn, cancel func())
		most  int64
	}{
		"written":    {[]byte("body"), func(conn net.Conn, cancel func()) { readRequest(conn); cancel() }, math.MaxInt64},
		"in writing": {long, func(conn net.Conn, cancel func()) { _, _ = conn.Read(make([]byte, 1<<20)); cancel() }, math.MaxInt64},
		"in the header": {[]byte("body"), func(conn net.Conn, cancel func()) {
			readRequest(conn)
			_, _ = io.WriteString(conn, said[:20])
			cancel()
		}, math.MaxInt64},
		"in the body": {[]byte("body"), func(conn net.Conn, cancel func()) {
			readRequest(conn)
			_, _ = io.WriteString(conn, said[:len(said)-5])
			cancel()
		}, math.MaxInt64},
	} {
		for _, bare := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", bare ", bare), func(t *testing.T) {
				t.Parallel()
				l, err := net.Listen("tcp", "127.0.0.1:0")
				require.NoError(t, err)
				defer l.Close()
				ctx, cancel := context.WithCancelCause(t.Context())
				ended := make(chan error, 1)
				go func() {
					conn, err := l.Accept()
					if err != nil {
						ended <- err
						return
					}
					defer conn.Close()
					test.serve(conn, func() { cancel(reason) })
					_, err = io.Copy(io.Discard, conn) // until the client closes the connection
					ended <- err
				}()
				e := openai.Exchange(ctx, "http://"+l.Addr().String(), bare, test.most, test.body)
				require.ErrorIs(t, e.Err, reason)
				<-ended
				require.Zero(t, openai.IdleBare(l.Addr().String()))
			})
		}
	}
}

func readRequest(conn net.Conn) {
	if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
}

// TestBareEarlyAnswer: a server answers without reading the whole request. The answer counts,
// and the connection serves no other request.
func TestBareEarlyAnswer(t *testing.T) {
	t.Parallel()
	long := make([]byte, 64<<20)
	for _, bare := range []bool{false, true} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = conn.Read(make([]byte, 1))
			_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")
			<-t.Context().Done()
		}()
		ctx, cancel := context.WithCancel(t.Context())
		e := openai.Exchange(ctx, "http://"+l.Addr().String(), bare, math.MaxInt64, long)
		cancel()
		require.NoError(t, e.Err)
		require.Equal(t, "413 Too Large{}", e.Status+e.Body)
		require.Zero(t, openai.IdleBare(l.Addr().String()))
		require.NoError(t, l.Close())
	}
}

// TestBareNotReused: a connection serves no other request after an answer that ends it, or
// that has bytes behind it, although the server keeps it open.
func TestBareNotReused(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + strings.Repeat("x", 40_000),
		"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse",
	} {
		s := newRawServer(t, []byte(answer), 0, false, 1)
		for range 2 {
			e := openai.Exchange(t.Context(), s.url(), true, math.MaxInt64, []byte("body"))
			require.NoError(t, e.Err)
			require.Equal(t, "hello", e.Body)
			require.Zero(t, openai.IdleBare(s.address()))
		}
		require.Equal(t, 2, s.accepted())
		s.close()
	}
}

// TestBareTimeLimit: a time limit of Config ends a wait.
func TestBareTimeLimit(t *testing.T) {
	t.Parallel()
	c := loopback(t, func(w http.ResponseWriter, r *http.Request) {
		if _, _ = io.Copy(io.Discard, r.Body); r.Header.Get("X-Wait") != "" {
			<-r.Context().Done()
		}
		say(w, ok)
	})
	_, err := c.Model("m").Generate(t.Context(), hello(), nil)
	require.NoError(t, err)
	c.FirstByteTimeout, c.Header = 50*time.Millisecond, http.Header{"X-Wait": {"yes"}}
	_, err = c.Model("m").Generate(t.Context(), hello(), nil)
	requireKind(t, llm.KindTimeout, err)
	require.ErrorContains(t, err, "FirstByteTimeout of 50ms is over")
}

// TestBareLongBody: the server gets each byte of a body that the system does not take at once.
func TestBareLongBody(t *testing.T) {
	t.Parallel()
	segments := make([][]byte, 0, 1000)
	for i := range cap(segments) {
		segments = append(segments, []byte(strings.Repeat(fmt.Sprint(i, " "), i*5)))
	}
	var want, wrong atomic.Int64
	for _, segment := range segments {
		want.Add(int64(len(segment)))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := bufio.NewReader(r.Body)
		for _, segment := range segments {
			p := make([]byte, len(segment))
			if _, err := io.ReadFull(body, p); err != nil || string(p) != string(segment) {
				wrong.Add(1)
			}
		}
		say(w, ok)
	}))
	defer server.Close()
	for range 4 {
		e := openai.Exchange(t.Context(), server.URL, true, math.MaxInt64, segments...)
		require.NoError(t, e.Err)
		require.Equal(t, ok, e.Body)
	}
	require.Zero(t, wrong.Load())
	require.Greater(t, want.Load(), int64(8<<20))
}

// TestBareAndNetHTTPAgree compares the errors of both where there is no answer.
func TestBareAndNetHTTPAgree(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := "http://" + l.Addr().String()
	require.NoError(t, l.Close())
	for _, url := range []string{nobody, "http://nobody.invalid"} {
		want := openai.Exchange(t.Context(), url, false, math.MaxInt64)
		got := openai.Exchange(t.Context(), url, true, math.MaxInt64)
		require.Error(t, want.Err)
		require.Equal(t, want.Err.Error(), got.Err.Error())
		require.IsType(t, want.Err, got.Err)
	}
	_, err = openai.Config{BaseURL: nobody, Retry: wrap.Retry{Attempts: 1}}.Model("m").Generate(t.Context(), hello(), nil)
	requireKind(t, llm.KindNetwork, err)
}

// TestBareHeaders: the headers of usual servers are read without net/http.
func TestBareHeaders(t *testing.T) {
	t.Parallel()
	for _, usual := range []string{
		said, // of Go
		"HTTP/1.1 200 OK\r\ndate: Mon, 30 Nov 2026 10:00:00 GMT\r\nserver: uvicorn\r\ncontent-length: 5\r\ncontent-type: application/json\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: application/json\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=100\r\nAccess-Control-Allow-Origin: \r\nContent-Length: 5\r\n\r\n",
	} {
		require.True(t, openai.IsUsualHeader(usual), usual)
	}
	for _, unusual := range []string{
		"", said[:40], "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n folded\r\n\r\nhello",
	} {
		require.False(t, openai.IsUsualHeader(unusual), unusual)
	}
}

// TestBareBubbles: a program's tests use the client in synctest bubbles and outside, one after
// the other. No timer leaves its bubble.
func TestBareBubbles(t *testing.T) {
	t.Parallel()
	c := loopback(t, func(w http.ResponseWriter, _ *http.Request) { say(w, ok) })
	ask := func(t *testing.T) {
		resp, err := c.Model("m").Generate(t.Context(), hello(), nil)
		require.NoError(t, err)
		require.Equal(t, "ok", resp.Message.Text())
	}
	for range 3 {
		ask(t)
		synctest.Test(t, ask)
	}
}

// TestBareCancelDial: the end of the context ends the wait for a connection.
func TestBareCancelDial(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("other systems refuse connections that nobody accepts")
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	conn, err := net.Dial("tcp", address) // takes the only place in the queue
	require.NoError(t, err)
	defer conn.Close()
	reason := errors.New("the user pressed a key")
	for _, bare := range []bool{false, true} {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			runtime.Gosched()
			cancel(reason)
		}()
		e := openai.Exchange(ctx, "http://"+address, bare, math.MaxInt64, []byte("body"))
		require.ErrorIs(t, e.Err, reason)
	}
}

// TestBareHeaderIsNew: the memory of a header serves the next request, without the lines of
// the last one.
func TestBareHeaderIsNew(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	c := loopback(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%2 == 1 {
			w.Header().Set("X-Request-Id", "odd")
		}
		_, _ = io.WriteString(w, ok) // with its length
	})
	for i := range 10 {
		resp, err := c.Model("m").Generate(t.Context(), hello(), nil)
		require.NoError(t, err)
		require.Equal(t, []string{"odd", ""}[i%2], resp.RequestID)
	}
}
