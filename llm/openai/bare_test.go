//go:build unix

package openai_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// A rawServer answers each request with the same bytes, whatever they are. It keeps the
// requests as they came.
type rawServer struct {
	listener net.Listener
	answer   []byte
	cut      int  // the answer goes out in two writes
	ends     bool // the connection ends behind the answer
	atOnce   int  // requests that come before the first answer

	all   sync.WaitGroup
	mu    sync.Mutex
	open  []net.Conn
	conns int
	sent  []string
	came  chan struct{} // atOnce requests have come
}

func newRawServer(t testing.TB, answer []byte, cut int, ends bool, atOnce int) *rawServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &rawServer{listener: l, answer: answer, cut: cut, ends: ends, atOnce: atOnce, came: make(chan struct{})}
	s.all.Go(s.accept)
	return s
}

func (s *rawServer) address() string { return s.listener.Addr().String() }

// accepted returns how many connections the server has had.
func (s *rawServer) accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

func (s *rawServer) url() string { return "http://" + s.address() }

func (s *rawServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns++
		s.open = append(s.open, conn)
		s.mu.Unlock()
		s.all.Go(func() { s.serve(conn) })
	}
}

func (s *rawServer) serve(conn net.Conn) {
	defer conn.Close()
	var seen bytes.Buffer
	r := bufio.NewReader(io.TeeReader(conn, &seen))
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		s.mu.Lock()
		if s.sent = append(s.sent, strings.ReplaceAll(seen.String(), s.address(), "server")); len(s.sent) == s.atOnce {
			close(s.came)
		}
		s.mu.Unlock()
		seen.Reset()
		<-s.came
		for _, part := range [][]byte{s.answer[:s.cut], s.answer[s.cut:]} {
			if len(part) == 0 {
				continue
			}
			if _, err := conn.Write(part); err != nil {
				return
			}
		}
		if s.ends {
			return
		}
	}
}

// hangUp says something on all connections, and ends them if it says nothing.
func (s *rawServer) hangUp(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.open {
		_, _ = io.WriteString(conn, text)
		if !strings.HasPrefix(text, said) {
			_ = conn.Close()
		}
	}
	s.open = nil
}

func (s *rawServer) close() {
	_ = s.listener.Close()
	s.hangUp("")
	s.all.Wait()
}

// isWhole reports whether answer is one answer, and nothing follows.
func isWhole(answer []byte) bool {
	r := bufio.NewReader(bytes.NewReader(answer))
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.Close || resp.StatusCode == http.StatusSwitchingProtocols {
			return false
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return false
		}
		if resp.StatusCode >= 200 {
			_, err := r.Peek(1)
			return err == io.EOF
		}
	}
}

// A bareOutcome is what came of requests one after the other.
type bareOutcome struct {
	answers []openai.Exchanged
	errs    []string
	sent    []string
	conns   int
}

func bareOutcomeOf(t testing.TB, bare bool, answer []byte, cut int, ends bool, most int64) (o bareOutcome) {
	whole := isWhole(answer)
	s := newRawServer(t, answer, cut, ends || !whole, 1)
	requests := 1
	if whole && most == math.MaxInt64 { // otherwise it depends on chance what net/http does with the connection
		requests = 3
	}
	for i := range requests {
		e := openai.Exchange(t.Context(), s.url(), bare, most, []byte("body "), fmt.Append(nil, i))
		text := fmt.Sprint(e.Err)
		if e.Err != nil {
			for _, addr := range strings.Fields(text) {
				if strings.HasPrefix(addr, "127.0.0.1:") {
					text = strings.ReplaceAll(text, addr, "address")
				}
			}
		}
		e.Err = nil
		o.answers, o.errs = append(o.answers, e), append(o.errs, text)
	}
	_ = s.listener.Close()
	if bare {
		openai.SweepBare(1 << 60)
	} else {
		openai.SharedTransport().(*http.Transport).CloseIdleConnections()
	}
	s.close()
	o.sent, o.conns = s.sent, s.conns
	return o
}

// FuzzBare holds that an answer without net/http is the answer with net/http: of any bytes,
// however they arrive, and on the same number of connections.
func FuzzBare(f *testing.F) {
	old := log.Writer()
	log.SetOutput(io.Discard) // net/http reports bytes that nobody asked for
	f.Cleanup(func() { log.SetOutput(old) })
	var corpus [][]byte
	for _, text := range bareAnswers {
		corpus = append(corpus, []byte(text))
	}
	for i, answer := range append(corpus, mutant.Of(corpus, 1500)...) {
		f.Add(answer, uint16(i*7), i%3 == 0, uint8(i%5))
	}
	f.Fuzz(func(t *testing.T, answer []byte, cut uint16, ends bool, most uint8) {
		at, bytes := int(cut)%(len(answer)+1), int64(math.MaxInt64)
		if most == 1 {
			bytes = int64(cut) % 64
		}
		want := bareOutcomeOf(t, false, answer, at, ends, bytes)
		require.Equal(t, want, bareOutcomeOf(t, true, answer, at, ends, bytes))
	})
}

// bareAnswers are answers of servers, usual and unusual ones.
var bareAnswers = []string{
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\ndate: Mon\r\nserver: uvicorn\r\ncontent-length: 5\r\ncontent-type: application/json\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 05\r\nConnection: keep-alive\r\nx-a:  1 \r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\n wo\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
	"HTTP/1.1 200 OK\r\n\r\nuntil the connection ends",
	"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello",
	"HTTP/1.1 101 Switching Protocols\r\n\r\nhello",
	"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}trailing bytes",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: " + strings.Repeat("x", 5000) + "\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + strings.Repeat("x", 9000),
	"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + strings.Repeat("x", 90000),
	"HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 9000) + "\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nPragma: no-cache\r\nSet-Cookie: a=b\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\n folded: x\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nX-A: x\r\n folded\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
	"HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 2000 OK\r\n\r\n",
	"HTTP/1.1 999 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 099 OK\r\nContent-Length: 5\r\n\r\nhello",
	"<html>not HTTP</html>",
	"\x15\x03\x01\x00\x02\x02",
	"HTTP/1.1 200 OK\r\nContent-Le",
	"HTTP/1.1 200 OK\r\n",
	"\r\n",
	"",
}
