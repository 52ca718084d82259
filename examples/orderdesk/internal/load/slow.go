package load

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"runtime"
	"time"
)

// What the provider takes for each reply.
const (
	Reply     = 500 * time.Millisecond // from the request to the last byte
	FirstByte = 200 * time.Millisecond // of these
	Pieces    = 10                     // of the body, which come at equal distances
)

// slow is a provider that thinks, and then types.
type slow struct {
	http.RoundTripper
	at chan struct{} // as many as it looks at together
}

// newSlow makes a provider of one that has its answers at once. That is work for
// this machine, which a provider's is not: it is done for a few at a time, or what
// has to be done in time here would wait behind all of it.
func newSlow(fast http.RoundTripper) slow {
	return slow{fast, make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// RoundTrip hands the answer out by the clock: when a piece comes does not depend
// on when the one before was fetched.
func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, all, err := s.fetch(r)
	if err != nil {
		return nil, err
	}
	if err := until(r.Context(), began.Add(FirstByte)); err != nil {
		return nil, err
	}
	resp.Body = &paced{ctx: r.Context(), began: began, all: all}
	return resp, nil
}

func (s slow) fetch(r *http.Request) (*http.Response, []byte, error) {
	select {
	case s.at <- struct{}{}:
	case <-r.Context().Done():
		return nil, nil, context.Cause(r.Context())
	}
	defer func() { <-s.at }()
	resp, err := s.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	return resp, all, err
}

// A paced body lets its reader wait.
type paced struct {
	ctx   context.Context // of the request, whose answer this is
	began time.Time
	all   []byte
	piece int // the one that rest is of, from 1
	rest  bytes.Reader
}

func (p *paced) Read(b []byte) (int, error) {
	for p.rest.Len() == 0 {
		if p.piece == Pieces {
			return 0, io.EOF
		}
		p.piece++
		if err := until(p.ctx, p.began.Add(FirstByte+(Reply-FirstByte)*time.Duration(p.piece)/Pieces)); err != nil {
			return 0, err
		}
		p.rest.Reset(p.all[len(p.all)*(p.piece-1)/Pieces : len(p.all)*p.piece/Pieces])
	}
	return p.rest.Read(b)
}

func (*paced) Close() error { return nil }

// until waits until then, or until ctx ends.
func until(ctx context.Context, then time.Time) error {
	timer := time.NewTimer(time.Until(then))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
