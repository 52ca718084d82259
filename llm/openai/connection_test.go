package openai_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// An act is what a server does with a request on a connection.
type act struct {
	wait time.Duration
	say  string // "": nothing
	shut bool   // the connection ends behind it
}

// speaking is a server without a listener: each connection plays its acts, and
// ends with the last one. It counts the requests that each has read.
type speaking struct {
	conns [][]act

	mu   sync.Mutex
	read []int
}

func (s *speaking) dial(context.Context, string, string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.read)
	if n >= len(s.conns) {
		return nil, fmt.Errorf("connection %d is not in the script", n)
	}
	s.read = append(s.read, 0)
	ours, theirs := net.Pipe()
	go s.serve(n, theirs)
	return ours, nil
}

func (s *speaking) serve(n int, conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, d := range s.conns[n] {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		s.mu.Lock()
		s.read[n]++
		s.mu.Unlock()
		time.Sleep(d.wait) // synctest: exact in a bubble
		if _, err := io.WriteString(conn, d.say); err != nil || d.shut {
			return
		}
	}
}

// said is a whole answer on a connection that could go on.
var said = fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(ok), ok)

// TestPooledConnectionIsDead: the request that finds out goes out again at once,
// without a retry; one that may have been worked on, or that met a new
// connection, does not.
func TestPooledConnectionIsDead(t *testing.T) {
	t.Parallel()
	whole, gone := act{say: said}, act{shut: true}
	slow := act{wait: time.Second, say: said} // so that requests at the same time get a connection each
	for _, tt := range []struct {
		name  string
		conns [][]act
		warm  int // how many connections are in the pool at first
		kind  llm.ErrorKind
		took  time.Duration
		read  []int
	}{
		{name: "closed without a word", conns: [][]act{{whole, gone}, {whole}}, warm: 1, read: []int{2, 1}},
		{name: "so are all in the pool", conns: [][]act{{slow, gone}, {slow, gone}, {slow, gone}, {whole}}, warm: 3, read: []int{2, 2, 2, 1}},
		{name: "closed after a while", conns: [][]act{{whole, {wait: time.Second, shut: true}}, {whole}}, warm: 1, took: time.Second, read: []int{2, 1}},
		{name: "closed when there was time to work", conns: [][]act{{whole, {wait: time.Minute, shut: true}}}, warm: 1, took: time.Minute, kind: llm.KindNetwork, read: []int{2}},
		{name: "closed in an answer", conns: [][]act{{whole, {say: said[:20], shut: true}}}, warm: 1, kind: llm.KindNetwork, read: []int{2}},
		{name: "a new connection", conns: [][]act{{gone}}, kind: llm.KindNetwork, read: []int{1}},
		{name: "a new one behind a dead one", conns: [][]act{{whole, gone}, {gone}}, warm: 1, kind: llm.KindNetwork, read: []int{2, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &speaking{conns: tt.conns}
				transport := &http.Transport{DialContext: s.dial, MaxIdleConnsPerHost: 8}
				defer transport.CloseIdleConnections()
				m := openai.Config{BaseURL: "http://provider.test/v1", HTTPClient: &http.Client{Transport: transport}, Retry: atOnce(1)}.Model("m")
				var all sync.WaitGroup
				for range tt.warm {
					all.Go(func() {
						_, err := m.Generate(t.Context(), hello(), nil)
						require.NoError(t, err)
					})
				}
				all.Wait()
				synctest.Wait()
				begin := time.Now()
				told, err := notices(t, m, hello())
				require.Empty(t, told)
				require.Equal(t, tt.took, time.Since(begin))
				require.Equal(t, tt.read, s.read)
				if tt.kind == "" {
					require.NoError(t, err)
					return
				}
				requireKind(t, tt.kind, err)
			})
		})
	}
}

// TestPooledConnectionSendsTheWhole: what goes out again is the same request.
func TestPooledConnectionSendsTheWhole(t *testing.T) {
	t.Parallel()
	var bodies []string
	dead := true
	c := openai.Config{BaseURL: "http://provider.test/v1", Retry: atOnce(1)}
	server := func(conn net.Conn) {
		defer conn.Close()
		r := bufio.NewReader(conn)
		for n := 0; ; n++ {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			bodies = append(bodies, string(body))
			if n == 1 && dead {
				dead = false
				return
			}
			_, _ = io.WriteString(conn, said)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go server(theirs)
			return ours, nil
		}}
		defer transport.CloseIdleConnections()
		c.HTTPClient = &http.Client{Transport: transport}
		m := c.Model("m")
		for _, words := range []string{"one", strings.Repeat("two ", 1<<15)} {
			_, err := m.Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User(words)}}, nil)
			require.NoError(t, err)
			synctest.Wait()
		}
	})
	require.Len(t, bodies, 3)
	require.Equal(t, bodies[1], bodies[2])
	require.False(t, slices.Contains(bodies, ""))
}
