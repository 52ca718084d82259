package llmtest

import (
	"testing"

	"github.com/seed-916e8f6a/toolloop/internal/netguard"
)

// NoNetwork forbids this library the network until t ends: a request of an
// openai client to another machine is not sent, but fails t, names its URL, and
// gets an error of kind not_found, which nobody tries again. No name is looked up
// and no proxy asked. Requests to this machine (127.0.0.0/8, ::1, localhost) go
// on, and so do those through an HTTPClient with a Transport of its own,
// such as [Model.Client], or a replaced [http.DefaultTransport].
//
// It holds for the whole process. Of tests that run in parallel all are under it
// as long as one is, and those that called it fail for a request of any of them.
func NoNetwork(t testing.TB) {
	t.Helper()
	t.Cleanup(netguard.Forbid(func(url string) {
		t.Errorf("llmtest: %s was asked for, and the network is forbidden in this test", url)
	}))
}
