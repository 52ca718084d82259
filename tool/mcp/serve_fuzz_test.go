package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// lines are messages of clients, in old and new versions of the protocol.
var lines = []string{
	`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`,
	`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
	`{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"cursor":""}}`,
	`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"refund","arguments":{"order":"W1","cents":250},"_meta":{"progressToken":"p","toolloop/key":"k"}}}`,
	`{"jsonrpc":"2.0","id":"4","method":"tools/call","params":{"name":"refund","arguments":{"order":"W1","cents":-1}}}`,
	`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"sleep","_meta":{"progressToken":5}}}`,
	`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5,"reason":"enough"}}`,
	`{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"refund","arguments":null,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`,
	`{"jsonrpc":"2.0","id":7,"method":"ping"}`,
}

// FuzzServed: whatever a client writes, the server answers in JSON-RPC or disconnects,
// calls functions only with valid arguments, and goes on serving other clients.
func FuzzServed(f *testing.F) {
	whole := strings.Join(lines, "\n") + "\n"
	corpus := [][]byte{[]byte(whole)}
	for _, line := range lines[2:] {
		corpus = append(corpus, []byte(strings.Join(lines[:2], "\n")+"\n"+line+"\n"))
	}
	for _, m := range append(corpus, mutant.Of(corpus, 300)...) {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, sleeper("sleep", time.Hour), made(tool.New("refund", "", func(ctx context.Context, in refundArgs) (refundArgs, error) {
				require.Positive(t, in.Cents)
				tool.CallFrom(ctx).Progress(1, 2, "refunding")
				return in, nil
			})))
			answers := s.write(t, data)
			dec := json.NewDecoder(bytes.NewReader(answers))
			for dec.More() {
				var answer struct{ JSONRPC string }
				require.NoError(t, dec.Decode(&answer), "%s", answers)
				require.Equal(t, "2.0", answer.JSONRPC)
			}
			text, failure := said(t, call(t, s.client(t, nil), "refund", `{"order":"W1","cents":1}`))
			require.Equal(t, `{"order":"W1","cents":1}`, text)
			require.Empty(t, failure)
		})
	})
}

// write sends data to the server, and returns its answers until no more come.
func (s *served) write(t *testing.T, data []byte) []byte {
	t.Helper()
	in, out := io.Pipe()
	answers := new(lockedBuffer)
	session, err := s.Connect(t.Context(), &sdk.IOTransport{Reader: in, Writer: answers}, nil)
	require.NoError(t, err)
	_, _ = out.Write(data) // it may hang up before the end
	synctest.Wait()
	require.NoError(t, out.Close())
	_ = session.Wait() // says what was malformed
	return answers.b.Bytes()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) Close() error { return nil }

// TestServedLines: the server answers the seeds of FuzzServed.
func TestServedLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, sleeper("sleep", time.Hour), made(tool.New("refund", "", refund)))
		ids := map[string]bool{} // whether the answer is a result
		dec := json.NewDecoder(bytes.NewReader(s.write(t, []byte(strings.Join(lines, "\n")+"\n"))))
		for dec.More() {
			var answer struct{ ID, Result json.RawMessage }
			require.NoError(t, dec.Decode(&answer))
			ids[string(answer.ID)] = answer.Result != nil
		}
		require.Equal(t, map[string]bool{"1": true, "2": true, "3": true, `"4"`: true, "5": false, "6": true, "7": true}, ids, "5 was cancelled")
	})
}
