package llmtest

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/memnet"
)

// Pipe serves the script in memory, and returns an HTTP client for it, at any
// host and over any scheme, as of [Model.RoundTrip]. On both sides is what is
// there in earnest, an [http.Transport] and an [http.Server]; between them are
// pipes and no network. So it keeps exact time in a bubble of testing/synctest,
// which a loopback port does not. The end of t closes it: in a bubble, that is
// the t of the bubble.
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
		_ = server.Close() // of a listener that nobody reads from any more
		serving.Wait()
	})
	return &http.Client{Transport: transport}
}
