package llmtest

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/memnet"
)

// Pipe serves the script in memory and returns an HTTP client for any host and
// scheme, like [Model.Client]. Unlike Client, Pipe uses a real [http.Transport] and a
// real [http.Server], joined by pipes in memory in place of a network. Therefore Pipe
// keeps exact time in a bubble of testing/synctest. The end of t closes server and
// client; in a bubble, pass the t of the bubble.
func (m *Model) Pipe(t testing.TB) *http.Client {
	t.Helper()
	l := memnet.Listen()
	seat := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := (&Server{Model: m}).reply(r, isChat(r)); p != nil {
			p.write(w, r)
		}
	})
	server := &http.Server{Handler: seat, ReadHeaderTimeout: time.Minute}
	transport := &http.Transport{DialContext: l.Dial, DialTLSContext: l.Dial}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) }) // ends when l is closed
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close() // the error is about a listener that is not used any more
		serving.Wait()
	})
	return &http.Client{Transport: transport}
}
