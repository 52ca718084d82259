//go:build unix

package openai

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"time"
)

// An Exchanged is a request without TLS with its answer.
type Exchanged struct {
	Status, Proto   string
	Header, Trailer http.Header
	Length          int64
	Encoding        []string
	Close           bool
	Body            string
	Err             error
}

// Exchange sends a request and reads the answer, or most bytes of it, with a bareConn or with
// net/http.
func Exchange(ctx context.Context, base string, bare bool, most int64, segments ...[]byte) (e Exchanged) {
	c := newClient(Config{BaseURL: base, Key: "sk-test"}, "m")
	x := new(exchange)
	x.prepare()
	x.client = c
	x.limits.start(ctx, &c.Config)
	defer x.limits.stop()
	r, err := c.route("m", APIChat)
	if err != nil {
		return Exchanged{Err: err}
	}
	if r.bare == nil {
		return Exchanged{Err: errors.New("the URL is unusual")}
	}
	if !bare {
		r.bare = nil
	}
	if err := x.request("m", encoding{api: APIChat, body: segments}); err != nil {
		return Exchanged{Err: err}
	}
	resp, err := x.do()
	if err != nil {
		return Exchanged{Err: err}
	}
	defer resp.Body.Close()
	e = Exchanged{
		Status: resp.Status, Proto: resp.Proto, Header: resp.Header, Length: resp.ContentLength,
		Encoding: resp.TransferEncoding, Close: resp.Close,
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	e.Body, e.Err, e.Trailer = string(body), err, resp.Trailer
	return e
}

// IsBare reports whether requests to a URL with that header avoid net/http.
func IsBare(base string, h http.Header) bool {
	r, err := newClient(Config{BaseURL: base, Key: "sk-test", Header: h}, "m").route("m", APIChat)
	return err == nil && r.bare != nil
}

// IdleBare returns how many idle connections without a goroutine there are to an address.
func IdleBare(address string) (n int) {
	bareConns.mu.Lock()
	defer bareConns.mu.Unlock()
	for c := bareConns.idle[address]; c != nil; c = c.next {
		n++
	}
	return n
}

// SweepBare makes the idle connections older, and closes those that are too old or dead. It
// returns how many are left.
func SweepBare(older time.Duration) int {
	bareConns.mu.Lock()
	for _, c := range slices.Collect(maps.Values(bareConns.idle)) {
		for ; c != nil; c = c.next {
			c.since -= int64(older)
		}
	}
	bareConns.mu.Unlock()
	bareConns.sweep()
	bareConns.mu.Lock()
	defer bareConns.mu.Unlock()
	return bareConns.n
}

// AliveBare returns how many of the idle connections to an address are as they were.
func AliveBare(address string) (n int) {
	bareConns.mu.Lock()
	defer bareConns.mu.Unlock()
	for c := bareConns.idle[address]; c != nil; c = c.next {
		if c.isAlive() {
			n++
		}
	}
	return n
}

// IsUsualHeader reports whether an answer has a header that is read without net/http.
func IsUsualHeader(answer string) bool {
	resp, _ := new(usualHeader).read([]byte(answer), nil)
	return resp != nil
}

// AgeBare makes the idle connections of an address older.
func AgeBare(address string, by time.Duration) {
	bareConns.mu.Lock()
	defer bareConns.mu.Unlock()
	for c := bareConns.idle[address]; c != nil; c = c.next {
		c.since -= int64(by)
	}
}

// WroteBare sends a request to a server that ends without an answer, and returns when the last
// byte was written. A goroutine writes the rest of the request. If fails, what that goroutine
// writes fails, as in a system without memory.
func WroteBare(ctx context.Context, base string, segment []byte, fails bool) (time.Time, error) {
	r, err := newClient(Config{BaseURL: base, Key: "sk-test"}, "m").route("m", APIChat)
	if err != nil {
		return time.Time{}, err
	}
	c, err := dialBare(ctx, r.bare.address)
	if err != nil {
		return time.Time{}, err
	}
	defer c.close()
	if err := c.tcp.SetWriteBuffer(4 << 10); err != nil { // so that the system never takes all at once
		return time.Time{}, err
	}
	if fails {
		if err := c.tcp.SetWriteDeadline(time.Unix(1, 0)); err != nil {
			return time.Time{}, err
		}
	}
	err = c.send(r.bare, body{segment}, int64(len(segment)))
	if c.writer == nil {
		return time.Time{}, errors.New("no goroutine wrote the rest")
	}
	if err != io.EOF { //nolint:errorlint // our own
		return time.Time{}, err
	}
	for !c.hasWritten() {
		runtime.Gosched()
	}
	return c.wrote, nil
}
