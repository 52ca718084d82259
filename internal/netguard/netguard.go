// Package netguard lets a test forbid the network to this library. It holds the
// one state of the process that the library can be set by, and is the exception
// to the rule that there is none: a test cannot reach into each client that the
// code under test may make. Nothing but llmtest.NoNetwork sets it.
package netguard

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"sync"
)

// ErrForbidden is what an address is refused with while the network is forbidden.
var ErrForbidden = errors.New("the network is forbidden in this test")

var (
	mu     sync.Mutex
	guards []*func(url string)
)

// Forbid forbids the network, but for this machine, until allow is called. report
// is called with each URL that was asked for, without its credentials and query;
// perhaps by several goroutines, and never after allow has returned.
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

// Check returns ErrForbidden if u is elsewhere and the network is forbidden.
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

// here tells this machine by its name or its address; no name is looked up.
func here(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
