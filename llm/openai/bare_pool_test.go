//go:build unix

package openai_test

import (
	"bufio"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// TestBareSweepSome: a sweep that keeps some connections forgets those that it closes.
// Not parallel, because it changes all idle connections.
func TestBareSweepSome(t *testing.T) {
	openai.SweepBare(math.MaxInt32 * 1e9)
	s := idling(t, 50)
	require.Equal(t, 50, openai.SweepBare(60e9))
	require.NoError(t, openai.Exchange(t.Context(), s.url(), true, math.MaxInt64, []byte("x")).Err) // makes one young
	require.Equal(t, 1, openai.SweepBare(60e9))
	require.Equal(t, 1, openai.IdleBare(s.address()))
	require.Equal(t, 1, openai.AliveBare(s.address()))
}

// TestBareOld: a connection that became too old while no timer ran is not used.
func TestBareOld(t *testing.T) {
	t.Parallel()
	s := idling(t, 3)
	openai.AgeBare(s.address(), time.Hour)
	require.NoError(t, openai.Exchange(t.Context(), s.url(), true, math.MaxInt64, []byte("x")).Err)
	require.Equal(t, 4, s.accepted())
	require.Equal(t, 1, openai.IdleBare(s.address()))
}

// TestBareWrote: the time at which a long request was written is not the time at which its loss
// shows. The request would otherwise be sent again after any time of the server's work.
func TestBareWrote(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	ends := make(chan time.Time, 1)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
			}
			for began := time.Now(); time.Since(began) < 50*time.Millisecond; { // works
				runtime.Gosched()
			}
			ends <- time.Now()
			_ = conn.Close()
		}
	}()
	for range 20 { // a loaded machine may run the writer late
		wrote, err := openai.WroteBare(t.Context(), "http://"+l.Addr().String(), make([]byte, 4<<20), false)
		require.NoError(t, err)
		if wrote.Before(<-ends) {
			return
		}
	}
	t.Fatal("the time is that of the loss")
}

// TestBareWriteFails: a request that cannot be written any more fails at once, and does not wait
// for an answer of the server, which waits for the rest.
func TestBareWriteFails(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, err = openai.WroteBare(t.Context(), "http://"+l.Addr().String(), make([]byte, 4<<20), true)
	var failed *net.OpError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "write", failed.Op)
}
