package openai

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"reflect"
	"sync"

	"github.com/seed-916e8f6a/toolloop/internal/prompt"
)

// Prompt implements the method of package prompt. With the transport of this package, every
// wait of a request ends with its context: net/http dials, resolves names and makes TLS
// connections on goroutines of their own, and a bareConn waits in the poller. A client, a token,
// a trace or a proxy of the program is code that may hang.
func (c *client) Prompt(ctx context.Context, _ prompt.Promise) bool {
	return c.Token == nil && c.keepsRequests() && httptrace.ContextClientTrace(ctx) == nil && usualProxy()
}

// usualProxy reports whether the transport of this package asks only the environment for a
// proxy.
var usualProxy = sync.OnceValue(func() bool {
	t, ok := sharedTransport().(*http.Transport)
	if !ok {
		return false
	}
	address := func(f any) uintptr { return reflect.ValueOf(f).Pointer() }
	return t.Proxy == nil || address(t.Proxy) == address(http.ProxyFromEnvironment)
})
