//go:build unix

package openai

import (
	"net/http"
	"sync"
	"time"
)

// A barePool has idle connections. The newest is used first, so that connections beyond the
// need grow old.
type barePool struct {
	mu     sync.Mutex
	idle   map[string]*bareConn // lists by address, the last one first
	n      int
	sweeps time.Time // when the next sweep is
}

var bareConns = &barePool{idle: map[string]*bareConn{}}

// sweepEach is the time between two searches for connections that are too old, or that their
// servers have closed.
const sweepEach = 30 * time.Second

// get returns an idle connection, or nil. The connection may be stale.
func (p *barePool) get(address string) *bareConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.idle[address]
	if c == nil {
		return nil
	}
	if c.since < time.Now().Add(-idleTime()).UnixNano() { // the machine slept, and no timer ran
		for ; c != nil; c = c.next { // the others are older
			c.close()
			p.n--
		}
		delete(p.idle, address)
		return nil
	}
	p.n--
	if c.next == nil {
		delete(p.idle, address)
	} else {
		p.idle[address], c.next = c.next, nil
	}
	return c
}

// put keeps an idle connection.
func (p *barePool) put(c *bareConn) {
	now := time.Now()
	c.stage, c.since = checking, now.UnixNano()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n >= maxIdle {
		c.close()
		return
	}
	p.n++
	c.next, p.idle[c.address] = p.idle[c.address], c
	p.sweepLater(now)
}

// sweepLater starts the timer of the next sweep. A timer may belong to a testing/synctest
// bubble that has ended, with a clock of its own. So a timer is never changed, and if its time
// has passed or is too far ahead, a new timer is started.
func (p *barePool) sweepLater(now time.Time) {
	if in := p.sweeps.Sub(now); in <= 0 || in > sweepEach {
		p.sweeps = now.Add(sweepEach)
		time.AfterFunc(sweepEach, p.sweep)
	}
}

// sweep closes the connections that are too old, or that their servers have closed.
func (p *barePool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	oldest := now.Add(-idleTime()).UnixNano()
	for address, list := range p.idle {
		var kept *bareConn
		end := &kept
		for ; list != nil; list = list.next {
			if list.since < oldest || !list.isAlive() {
				list.close()
				p.n--
				continue
			}
			*end, end = list, &list.next
		}
		*end = nil
		if p.idle[address] = kept; kept == nil {
			delete(p.idle, address)
		}
	}
	if p.n > 0 {
		p.sweepLater(now)
	}
}

// idleTime is how long an idle connection is kept.
func idleTime() time.Duration {
	if t, ok := sharedTransport().(*http.Transport); ok && t.IdleConnTimeout > 0 {
		return t.IdleConnTimeout
	}
	return 1<<63 - 1
}
