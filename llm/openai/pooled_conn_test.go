package openai_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// plainConn is a connection that counts its reads and writes.
type plainConn struct {
	net.Conn // embedded: nil, for the methods that nobody calls

	in, out       io.ReadWriter
	reads, writes int
	refuses       error // of writes
}

func (c *plainConn) Read(p []byte) (int, error) { c.reads++; return c.in.Read(p) }

func (c *plainConn) Write(p []byte) (int, error) {
	c.writes++
	if c.refuses != nil {
		return 0, c.refuses
	}
	return c.out.Write(p)
}

// piecewise reads pieces of random sizes, often as long as asked for, and fails at its end.
type piecewise struct {
	io.Writer // embedded: nil, for io.ReadWriter

	random *rand.Rand
	rest   []byte
	end    error
}

func (r *piecewise) Read(p []byte) (int, error) {
	if r.random.IntN(3) == 0 && len(p) > 0 {
		p = p[:1+r.random.IntN(len(p))]
	}
	n := copy(p, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) == 0 && (n == 0 || r.random.IntN(2) == 0) {
		return n, r.end
	}
	return n, nil
}

// TestReadAhead: a reader gets the bytes and the error of the connection, however both read.
func TestReadAhead(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		want := make([]byte, random.IntN(200_000))
		for i := range want {
			want[i] = byte(random.Uint32())
		}
		end := []error{io.EOF, errors.New("reset")}[random.IntN(2)]
		c := &openai.PooledConn{Conn: &plainConn{in: &piecewise{random: random, rest: want, end: end}}}
		var got []byte
		var err error
		for p := make([]byte, 4096); err == nil; {
			var n int
			n, err = c.Read(p[:1+random.IntN(len(p))])
			got = append(got, p[:n]...)
		}
		require.Equal(t, want, got, "seed %d", seed)
		require.Equal(t, end, err)
		require.False(t, c.HasBuffer(), "the buffer is not given back")
	}
}

// TestReadAheadIsRare: bytes that wait cost few reads, and a connection that brings less than
// the reader asks for has no buffer.
func TestReadAheadIsRare(t *testing.T) {
	t.Parallel()
	for _, size := range []int{576, 4096} { // of TLS for short records, and of net/http
		plain := &plainConn{in: bytes.NewBuffer(make([]byte, 1<<20))}
		c := &openai.PooledConn{Conn: plain}
		for p := make([]byte, size); ; {
			if _, err := c.Read(p); err != nil {
				break
			}
		}
		require.LessOrEqual(t, plain.reads, 2+2<<20/openai.AheadSize, "reads of %d", size)
	}

	c := &openai.PooledConn{Conn: &plainConn{in: struct {
		io.Reader
		io.Writer
	}{iotest.HalfReader(bytes.NewReader(make([]byte, 1<<20))), nil}}}
	for p := make([]byte, 4096); ; {
		_, err := c.Read(p)
		require.False(t, c.HasBuffer())
		if err != nil {
			break
		}
	}
}

// TestHeaderWithBody: the server gets the header and the body, in one write where both fit.
func TestHeaderWithBody(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		joins  bool
		header []string
		body   int
		writes int
	}{
		"together":          {joins: true, header: []string{"header"}, body: 60_000, writes: 1},
		"apart":             {header: []string{"header"}, body: 60_000, writes: 2},
		"a long body":       {joins: true, header: []string{"header"}, body: 200_000, writes: 4},
		"a header in parts": {joins: true, header: []string{"head", "er"}, body: 60_000, writes: 3},
		"no body":           {joins: true, header: []string{"header"}, writes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			plain := &plainConn{out: &out}
			c := &openai.PooledConn{Conn: plain}
			c.Join(test.joins)
			for _, part := range test.header {
				n, err := c.Write([]byte(part))
				require.NoError(t, err)
				require.Equal(t, len(part), n)
			}
			body := bytes.Repeat([]byte("b"), test.body)
			n, err := c.ReadFrom(io.LimitReader(bytes.NewReader(body), int64(len(body))))
			require.NoError(t, err)
			require.Equal(t, int64(len(body)), n)
			require.Equal(t, "header"+string(body), out.String())
			require.Equal(t, test.writes, plain.writes)
			require.False(t, c.HasBuffer(), "the buffer is not given back")

			_, err = c.Write([]byte("next")) // not held
			require.NoError(t, err)
			require.Equal(t, test.writes+1, plain.writes)
		})
	}
}

// TestHeaderWithBodyFails: an error of the body or of the connection is the error of the
// request, and counts no byte of the header.
func TestHeaderWithBodyFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		body    io.Reader
		refuses error
	}{
		"the body":       {body: iotest.ErrReader(broken)},
		"the connection": {body: bytes.NewReader([]byte("body")), refuses: broken},
	} {
		c := &openai.PooledConn{Conn: &plainConn{out: new(bytes.Buffer), refuses: test.refuses}}
		c.Join(true)
		_, err := c.Write([]byte("header"))
		require.NoError(t, err)
		n, err := c.ReadFrom(test.body)
		require.Equal(t, broken, err, name)
		require.Zero(t, n, name)
		require.False(t, c.HasBuffer())
	}
}

// TestIdleHasNoBuffer: an idle connection holds no buffer, however the last answer came.
func TestIdleHasNoBuffer(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS() // makes a certificate
	defer s.Close()
	for _, size := range []int{500, 4096, 12_000} {
		for _, secure := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				here, there := net.Pipe()
				c := &openai.PooledConn{Conn: here}
				transport := &http.Transport{
					DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil },
					DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
						return tls.Client(c, &tls.Config{InsecureSkipVerify: true}), nil
					},
				}
				url := "http://pipe.invalid"
				if secure {
					there, url = tls.Server(there, &tls.Config{Certificates: s.TLS.Certificates}), "https://pipe.invalid"
				}
				doc := `{"id":"1","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"` + strings.Repeat("x", size) + `"}}]}`
				go func() {
					req, err := http.ReadRequest(bufio.NewReader(there))
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					_, _ = fmt.Fprintf(there, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(doc))
					_, _ = io.WriteString(there, doc[:len(doc)/2])
					_, _ = io.WriteString(there, doc[len(doc)/2:])
				}()
				defer transport.CloseIdleConnections()
				m := openai.Config{BaseURL: url, Key: "k", HTTPClient: &http.Client{Transport: transport}}.Model("m")
				_, err := m.Generate(t.Context(), hello(), nil)
				require.NoError(t, err)
				synctest.Wait() // net/http waits for the next answer
				require.False(t, c.HasBuffer(), "%d bytes, TLS %t", size, secure)
			})
		}
	}
}
