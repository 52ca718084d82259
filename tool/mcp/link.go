package mcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// A link manages one server: the connection, remade on demand, and the last list of
// tools.
type link struct {
	server         Server // with defaults filled in
	base           context.Context
	secrets        *secrets
	log            *serverLog
	progress       progressRouter
	serverRequests chan struct{} // a token for each running function of the caller
	changeSignal   chan struct{} // holds a token if the list has changed since the last listing

	work sync.WaitGroup // goroutines; none starts after closed is set

	mu             sync.Mutex // never held while waiting
	closed         bool
	conn           *connection // nil if there is no connection
	attempt        *attempt    // the running attempt, or nil
	list           *list       // the last list, or nil
	stale          bool
	burstFull      time.Time // when a full burst of listings is available again
	lastCall       time.Time // when the last call was answered
	listChanges    bool      // the server has announced a changed list before
	down           outage
	useOldProtocol bool              // connect with oldProtocol
	attempted      bool              // an attempt has ended
	known          map[string]string // fingerprints by the server's names
}

// An attempt connects to the server and lists its tools, for all callers who wait for
// done.
type attempt struct {
	done chan struct{}
	view view
}

// A view is the state of a server at one time.
type view struct {
	conn *connection // nil if there is no connection
	list *list       // nil if the tools were never listed
	err  error       // why the connection or a new list is missing
}

var errClosed = errors.New("the client is closed")

func newLink(base context.Context, s Server) *link {
	s = s.withDefaults()
	l := &link{server: s, base: base, secrets: secretsOf(s), serverRequests: make(chan struct{}, maxServerRequests), changeSignal: make(chan struct{}, 1), known: map[string]string{}}
	l.log = &serverLog{server: s.Name, log: s.Log, secrets: l.secrets}
	for name, fingerprint := range s.Known {
		l.known[name] = fingerprint
	}
	return l
}

// tools lists the tools for a tool.Set. With an error, it returns the tools of the last
// list.
func (l *link) tools(ctx context.Context) ([]tool.Tool, error) {
	l.awaitChange(ctx)
	v := l.view(ctx, listBurst)
	if down, ok := errors.AsType[*downError](v.err); ok {
		v.err = down.why // without the time, so that repeated notices are equal
	}
	if v.list == nil {
		return nil, v.err
	}
	if v.err == nil && !l.server.Required { // the run of a required server fails on an error, so warnings are left out
		v.err = v.list.warning()
	}
	return v.list.tools, v.err
}

// warning returns the reason why a list is incomplete, and the changed definitions.
// Every listing returns the warning, because every run has to report it; within a run,
// equal warnings are reported once.
func (l *list) warning() error {
	switch {
	case l.changed == "":
		return l.partial
	case l.partial == nil:
		return errors.New(l.changed)
	}
	return fmt.Errorf("%w; %s", l.partial, l.changed)
}

func (l *link) status(ctx context.Context) Status {
	v := l.view(ctx, listBurst)
	s := Status{Server: l.server.Name, Err: v.err}
	if v.list != nil {
		s.Definitions, s.LeftOut = v.list.offered(), v.list.omitted()
		if s.Err == nil {
			s.Err = v.list.partial
		}
	}
	return s
}

// start begins to connect, without waiting.
func (l *link) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nextAttempt(listBurst)
}

const (
	// listBurst is how many listings may follow each other at once if the list changes
	// that often. After the burst there is one listing per listInterval; listings for a
	// run wait.
	listBurst = 10
	// callBurst is how many listings of the burst are available to calls. A call can
	// use an older list, since the server itself knows the current state of the tool.
	callBurst    = 5
	listInterval = time.Second
	// changeDelay is how long after the response to a call a notification may come that
	// the call has changed the list, because servers collect such notifications for
	// some milliseconds. Servers without such a notification so far cause no wait.
	changeDelay = 50 * time.Millisecond
)

// awaitChange waits while a notification may come that the last call has changed the
// list.
func (l *link) awaitChange(ctx context.Context) {
	l.mu.Lock()
	wait, changes := time.Until(l.lastCall.Add(changeDelay)), l.listChanges
	l.mu.Unlock()
	if wait <= 0 || !changes {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-l.changeSignal:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// view returns the current state of the server. If a connection or a listing is due,
// view makes it first. burst is the number of consecutive listings that this caller may
// cause. When ctx ends, view returns the last list.
func (l *link) view(ctx context.Context, burst int) view {
	l.mu.Lock()
	v, a := l.nextAttempt(burst)
	l.mu.Unlock()
	if a == nil {
		return v
	}
	select {
	case <-a.done:
		return a.view
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		return view{list: l.list, err: context.Cause(ctx)}
	}
}

// nextAttempt returns the running attempt, or starts an attempt if one is due. Without
// an attempt it returns the current view.
func (l *link) nextAttempt(burst int) (view, *attempt) {
	now := time.Now()
	wait := l.burstFull.Sub(now) - time.Duration(burst-1)*listInterval
	switch {
	case l.closed:
		return view{err: errClosed}, nil
	case l.attempt != nil:
		return view{}, l.attempt
	case now.Before(l.down.until):
		return view{conn: l.conn, list: l.list, err: &downError{l.down.why, l.down.until.Sub(now)}}, nil
	case l.conn != nil && (!l.stale || wait > 0 && burst < listBurst):
		return view{conn: l.conn, list: l.list}, nil
	case l.conn == nil:
		wait = 0 // an outage has its own delay
	}
	l.attempt = &attempt{done: make(chan struct{})}
	a := l.attempt
	l.work.Go(func() { l.runAttempt(a, wait) })
	return view{}, a
}

// beginListing records that a listing begins, and returns the connection and the
// protocol to use.
func (l *link) beginListing() (conn *connection, old bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.burstFull.Before(now) {
		l.burstFull = now
	}
	l.burstFull = l.burstFull.Add(listInterval)
	l.stale = false // later notifications concern the next list
	select {
	case <-l.changeSignal:
	default:
	}
	return l.conn, l.useOldProtocol
}

// runAttempt connects, if there is no connection, and lists the tools.
func (l *link) runAttempt(a *attempt, wait time.Duration) {
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-l.base.Done():
		}
	}
	conn, old := l.beginListing()
	ctx, cancel := l.startContext()
	defer cancel()
	var found *list
	var err error
	if conn == nil {
		conn, err = l.connect(ctx, old)
	}
	if err == nil {
		if found, err = l.fetch(ctx, conn); err != nil && !isServerError(err) && ctx.Err() == nil {
			err = conn.explain(connectionError(err))
		}
	}
	l.finishAttempt(a, conn, found, err)
}

func (l *link) startContext() (context.Context, context.CancelFunc) {
	if l.server.StartTimeout == -1 {
		return context.WithCancel(l.base)
	}
	late := fmt.Errorf("the server was not ready within %v", l.server.StartTimeout)
	return context.WithTimeoutCause(l.base, l.server.StartTimeout, late)
}

// connect opens a connection. A server that exits on an unknown method is started again
// with the old protocol.
func (l *link) connect(ctx context.Context, old bool) (*connection, error) {
	version := ""
	if old {
		version = oldProtocol
	}
	conn, err := l.open(ctx, version)
	if err != nil && !old && ctx.Err() == nil && errors.Is(err, errEnded) {
		conn, err = l.open(ctx, oldProtocol)
	}
	if err != nil {
		return nil, err
	}
	l.work.Go(func() { // ends with the connection; close and connectionEnded see to that
		_ = conn.session.Wait()
		l.connectionEnded(conn)
		close(conn.gone)
		conn.abort()
		_ = conn.wait()
	})
	return conn, nil
}

// finishAttempt ends an attempt. If the listing fails with an error of the server, or
// only this request fails, a working connection is kept, because calls may be running
// on it.
func (l *link) finishAttempt(a *attempt, conn *connection, found *list, err error) {
	l.mu.Lock()
	again := false
	keep := err == nil || isOfOneRequest(err) && l.conn == conn && conn != nil
	switch {
	case l.closed:
		err, keep = errClosed, false
	case err != nil:
		err = l.secrets.err(err)
		l.down.fail(time.Now(), err, false)
		l.stale = true
		if conn == nil {
			l.useOldProtocol = !l.useOldProtocol // the server may not support the protocol version, so the next attempt uses the other
		}
	case conn.ended:
		l.list, keep = found, false
		err = l.secrets.err(conn.explain(errConnection))
		l.down.fail(time.Now(), err, true)
	default:
		again = l.attempted && l.conn != conn
		l.conn, l.list = conn, found
		l.down.until = time.Time{}
		conn.listed = true
	}
	if !keep {
		l.conn = nil
	}
	l.attempt, l.attempted = nil, true
	a.view = view{conn: l.conn, list: l.list, err: err}
	l.mu.Unlock()
	switch {
	case err != nil:
		l.log.write(slog.LevelWarn, "mcp server cannot be listed", err.Error())
	case again:
		l.log.write(slog.LevelInfo, "mcp server was restarted", fmt.Sprintf("%d tools", len(found.tools)))
	}
	close(a.done)
	if !keep && conn != nil {
		_ = conn.close()
	}
}

// connectionEnded records the end of a connection.
func (l *link) connectionEnded(conn *connection) {
	why := l.secrets.err(conn.explain(errConnection))
	l.mu.Lock()
	defer l.mu.Unlock()
	conn.ended = true
	if l.conn == conn {
		l.conn = nil
		l.down.fail(time.Now(), why, conn.listed)
		l.log.write(slog.LevelWarn, "mcp server has disconnected", why.Error())
	}
}

var errConnection = errors.New("the connection to the server has ended")

// connectionError returns errConnection if err says only that the connection has ended,
// else err. The text must not depend on whether a read or a write fails first.
func connectionError(err error) error {
	if _, request := errors.AsType[*url.Error](err); request {
		return err
	}
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed} {
		if errors.Is(err, end) {
			return errConnection
		}
	}
	if errors.Is(err, sdk.ErrConnectionClosed) && strings.HasSuffix(err.Error(), "is closing") {
		return errConnection
	}
	return err
}

// listChanged records that the server has a new list. The reader of the server's
// messages calls listChanged, so no request may be made here.
func (l *link) listChanged() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stale, l.listChanges = true, true
	select {
	case l.changeSignal <- struct{}{}:
	default:
	}
}

// callAnswered resets the outage, since the server works.
func (l *link) callAnswered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down.failures = 0
	l.lastCall = time.Now()
}

func (l *link) close() error {
	l.mu.Lock()
	conn := l.conn
	l.closed, l.conn = true, nil
	l.mu.Unlock()
	var err error
	if conn != nil {
		err = conn.close()
	}
	ended := make(chan struct{})
	go func() { // ends when the functions that the server called have returned
		defer close(ended)
		l.work.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(closeTimeout):
	}
	return err
}

// closeTimeout bounds the wait of close for functions of the caller.
const closeTimeout = 10 * time.Second

// An outage is a period in which we do not connect to a server.
type outage struct {
	failures int // consecutive, without an answered call
	until    time.Time
	why      error
}

const maxOutage = 30 * time.Second

// fail starts or extends the outage. The first loss of a connection that has worked
// causes no delay; further failures cause 1, 2, 4 … 30 seconds.
func (o *outage) fail(now time.Time, why error, worked bool) {
	doublings := o.failures
	o.failures++
	o.why = why
	if worked {
		doublings--
	}
	if doublings < 0 {
		o.until = now
		return
	}
	o.until = now.Add(min(maxOutage, time.Second<<min(doublings, 10)))
}

// A downError says that an outage prevents a connection.
type downError struct {
	why  error
	wait time.Duration
}

func (e *downError) Error() string {
	return fmt.Sprintf("%v; the server is tried again in %v at the earliest", e.why, e.wait.Round(100*time.Millisecond))
}

func (e *downError) Unwrap() error { return e.why }
