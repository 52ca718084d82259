// Package netguard lets a test forbid the network to this library. The guards are the
// only state of the process that changes the library. A global is needed here, because
// a test cannot reach every client of the code under test. Only llmtest.NoNetwork sets
// a guard.
package netguard

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"sync"
)

// ErrForbidden is the error of every request while the network is forbidden.
var ErrForbidden = errors.New("the network is forbidden in this test")

var (
	mu     sync.Mutex
	guards []*func(url string)
)

// Forbid forbids the network, except for addresses of this machine, until allow is
// called. report is called with the URL of each refused request, without credentials
// and query. Several goroutines may call report at once, but never after allow has
// returned.
func Forbid(report func(url string)) (allow func()) {
	mu.Lock()
	defer mu.Unlock()
	guard := &report
	guards = append(guards, guard)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		guards = slices.DeleteFunc(guards, func(g *func(string)) bool { return g == guard })
	}
}

// Check returns ErrForbidden if the network is forbidden and u is not on this machine.
func Check(u *url.URL) error {
	mu.Lock()
	defer mu.Unlock()
	if len(guards) == 0 || here(u.Hostname()) {
		return nil
	}
	text := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	for _, g := range guards {
		(*g)(text)
	}
	return ErrForbidden
}

// here reports whether host is this machine, by its name or its address. No name is
// resolved.
func here(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
