package wrap

import (
	"math"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// providerLimits holds what a provider has said about its limits.
type providerLimits struct {
	closed time.Time // no request before: from a RetryAfter
	limits map[string]*providerLimit
}

// A providerLimit is an [llm.RateLimit] with the time of its response. Requests since are
// taken off Remaining.
type providerLimit struct {
	llm.RateLimit // embedded: the entry is the limit, brought up to date
	at            time.Time
	refill        int64 // what comes back, evenly, until the reset; 0: all comes back at the reset
}

// learn replaces what is known by what a response says.
func (p *providerLimits) learn(now time.Time, limits []llm.RateLimit, retryAfter time.Duration) {
	if until := now.Add(retryAfter); until.After(p.closed) {
		p.closed = until
	}
	for _, r := range limits {
		l := &providerLimit{RateLimit: r, at: now}
		if r.Reset <= 0 || l.unit(1) == 0 {
			delete(p.limits, r.Name)
			continue
		}
		if r.Name == "requests" || r.Name == "tokens" { // OpenAI and its kin refill all the time
			l.refill = max(0, r.Limit-r.Remaining)
		}
		if p.limits == nil {
			p.limits = map[string]*providerLimit{}
		}
		p.limits[r.Name] = l
	}
}

// take takes a request of n tokens off the limits.
func (p *providerLimits) take(n int64) {
	for _, l := range p.limits {
		l.Remaining -= l.unit(n)
	}
}

// wait returns how long a request of n tokens has to wait.
func (p *providerLimits) wait(now time.Time, n int64) time.Duration {
	wait := p.closed.Sub(now)
	for name, l := range p.limits {
		if now.Sub(l.at) >= l.Reset {
			delete(p.limits, name) // full again
			continue
		}
		wait = max(wait, l.wait(n)-now.Sub(l.at))
	}
	return max(0, wait)
}

// wait returns the time from the response until a request of n tokens may go.
func (l *providerLimit) wait(n int64) time.Duration {
	need := l.unit(n)
	if l.Limit > 0 {
		need = min(need, l.Limit)
	}
	missing := need - l.Remaining
	switch {
	case missing <= 0:
		return 0
	case 0 < l.refill && missing < l.refill:
		return time.Duration(math.Ceil(float64(l.Reset) * float64(missing) / float64(l.refill)))
	}
	return l.Reset
}

// unit returns how much a request of n tokens takes, or 0 if the limit counts other things.
func (l *providerLimit) unit(n int64) int64 {
	switch {
	case l.Name == "" || strings.HasPrefix(l.Name, "request"):
		return 1
	case strings.HasPrefix(l.Name, "token"):
		return max(1, n)
	}
	return 0
}
