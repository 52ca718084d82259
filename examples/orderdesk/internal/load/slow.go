package load

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"runtime"
	"time"
)

// The times of the provider for each reply.
const (
	Reply     = 500 * time.Millisecond // from the request to the last byte
	FirstByte = 200 * time.Millisecond // from the request to the first byte
	Pieces    = 10                     // of the body, at equal intervals
)

// slow is a provider that waits before a reply and then sends it in pieces.
type slow struct {
	http.RoundTripper
	at chan struct{} // limits the replies that are computed at once
}

// newSlow makes a slow provider of a fast provider. The fast provider uses this
// machine's processors, unlike a real provider. So slow computes only a few replies
// at once: otherwise the work under measurement would wait behind them.
func newSlow(fast http.RoundTripper) slow {
	return slow{fast, make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// RoundTrip delivers the reply on schedule: the time of a piece does not depend on
// when the reader fetched the piece before.
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

// A paced body makes its reader wait.
type paced struct {
	ctx   context.Context // the context of the request
	began time.Time
	all   []byte
	piece int // the number of the piece in rest, from 1
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

// until waits until a time, or until ctx ends.
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
