package llmtest

import (
	"testing"

	"github.com/seed-916e8f6a/toolloop/internal/netguard"
)

// NoNetwork forbids this library the network until t ends. If an openai client
// sends a request to another machine, the request is not sent: t fails with the
// URL, and the client gets an error of kind not_found, which no client retries.
// NoNetwork also prevents look-ups of names and requests to proxies. Requests to
// this machine (127.0.0.0/8, ::1, localhost) are allowed, and so are requests
// through an HTTPClient with its own Transport, such as [Model.Client], or
// through a replaced [http.DefaultTransport].
//
// NoNetwork applies to the whole process. If one of several parallel tests forbids
// the network, the network is forbidden to all parallel tests, and a request of any
// test fails every test that called NoNetwork.
func NoNetwork(t testing.TB) {
	t.Helper()
	t.Cleanup(netguard.Forbid(func(url string) {
		t.Errorf("llmtest: a request to %s was stopped, because the network is forbidden in this test", url)
	}))
}
