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

// A link is the way to one server: a connection while there is one, and the last
// list of its tools.
type link struct {
	server  Server // with its defaults
	base    context.Context
	secrets *secrets
	diary   *diary
	reports reports
	asked   chan struct{} // a token for each function of the caller that runs
	news    chan struct{} // a token if the list has changed since somebody looked

	work sync.WaitGroup // goroutines; none begins once it is closed

	mu      sync.Mutex // held across no wait
	closed  bool
	live    *live    // nil: none
	attempt *attempt // that runs; nil: none
	list    *list    // the last one; nil: none
	stale   bool
	rested  time.Time // when all listings that may be made at once may be
	called  time.Time // when the last call was answered
	changes bool      // the server has changed its list before
	down    outage
	old     bool              // the server is spoken to in the old protocol
	tried   bool              // an attempt has ended
	known   map[string]string // fingerprints by the server's names
}

// An attempt connects to the server and lists its tools, for all who wait for it.
type attempt struct {
	done chan struct{}
	view
}

// A view is what there is of a server at a time.
type view struct {
	live *live // nil: no connection
	list *list // nil: never listed
	err  error // why there is no connection, or no new list
}

var errClosed = errors.New("the client is closed")

func newLink(base context.Context, s Server) *link {
	s = s.withDefaults()
	l := &link{server: s, base: base, secrets: secretsOf(s), asked: make(chan struct{}, maxAsked), news: make(chan struct{}, 1), known: map[string]string{}}
	l.diary = &diary{server: s.Name, log: s.Log, secrets: l.secrets}
	for name, fingerprint := range s.Known {
		l.known[name] = fingerprint
	}
	return l
}

// tools lists the tools as a set does: with an error, those of the last list.
func (l *link) tools(ctx context.Context) ([]tool.Tool, error) {
	l.awaitNews(ctx)
	v := l.view(ctx, atOnce)
	if down, ok := errors.AsType[*downError](v.err); ok {
		v.err = down.why // without the time, so that it is told once
	}
	if v.list == nil {
		return nil, v.err
	}
	if v.err == nil && !l.server.Required { // who is required has at least a list
		v.err = v.list.remarks()
	}
	return v.list.tools, v.err
}

// remarks are what whoever is offered a list should know: why it is not whole, and
// which definitions are not the known ones. Each listing says it, since each run has
// to hear it; a run tells what stays the same once.
func (l *list) remarks() error {
	switch {
	case l.changed == "":
		return l.partial
	case l.partial == nil:
		return errors.New(l.changed)
	}
	return fmt.Errorf("%w; %s", l.partial, l.changed)
}

func (l *link) status(ctx context.Context) Status {
	v := l.view(ctx, atOnce)
	s := Status{Server: l.server.Name, Err: v.err}
	if v.list != nil {
		s.Definitions, s.LeftOut = v.list.offered(), v.list.others()
		if s.Err == nil {
			s.Err = v.list.partial
		}
	}
	return s
}

// begin starts to connect, and does not wait.
func (l *link) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next(atOnce)
}

const (
	// atOnce is how many listings follow upon each other if the list changes as often.
	// Then there is one in pace, and who must have the list waits for it.
	atOnce = 10
	// ofCalls is how many of these are for calls, which can do with an older list: what
	// has become of the tool in this moment the server knows itself.
	ofCalls = 5
	pace    = time.Second
	// settling is how long after the answer to a call the notice may come that the call
	// has changed the list: servers collect such notices for some milliseconds. Only those
	// that have changed their list before are waited for.
	settling = 50 * time.Millisecond
)

// awaitNews waits while the notice may come that the last call has changed the list.
func (l *link) awaitNews(ctx context.Context) {
	l.mu.Lock()
	wait, changes := time.Until(l.called.Add(settling)), l.changes
	l.mu.Unlock()
	if wait <= 0 || !changes {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-l.news:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// view returns what there is now of the server, after connecting and listing if
// that is due; often says how many listings may follow upon each other for it. When ctx
// ends it returns the last list.
func (l *link) view(ctx context.Context, often int) view {
	l.mu.Lock()
	v, a := l.next(often)
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

// next returns the attempt to wait for, which it starts if one is due, or else what
// there is.
func (l *link) next(often int) (view, *attempt) {
	now := time.Now()
	wait := l.rested.Sub(now) - time.Duration(often-1)*pace
	switch {
	case l.closed:
		return view{err: errClosed}, nil
	case l.attempt != nil:
		return view{}, l.attempt
	case now.Before(l.down.until):
		return view{live: l.live, list: l.list, err: &downError{l.down.why, l.down.until.Sub(now)}}, nil
	case l.live != nil && (!l.stale || wait > 0 && often < atOnce):
		return view{live: l.live, list: l.list}, nil
	case l.live == nil:
		wait = 0 // an outage has its own pace
	}
	l.attempt = &attempt{done: make(chan struct{})}
	a := l.attempt
	l.work.Go(func() { l.take(a, wait) })
	return view{}, a
}

// begun notes that the list is fetched, and returns by what.
func (l *link) begun() (lv *live, old bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.rested.Before(now) {
		l.rested = now
	}
	l.rested = l.rested.Add(pace)
	l.stale = false // what is told from now on counts for the next list
	select {
	case <-l.news:
	default:
	}
	return l.live, l.old
}

// take connects if there is no connection, and lists the tools.
func (l *link) take(a *attempt, wait time.Duration) {
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-l.base.Done():
		}
	}
	lv, old := l.begun()
	ctx, cancel := l.startContext()
	defer cancel()
	var found *list
	var err error
	if lv == nil {
		lv, err = l.connect(ctx, old)
	}
	if err == nil {
		if found, err = l.fetch(ctx, lv); err != nil && !isAnswer(err) && ctx.Err() == nil {
			err = lv.explain(orEnded(err))
		}
	}
	l.settle(a, lv, found, err)
}

func (l *link) startContext() (context.Context, context.CancelFunc) {
	if l.server.StartTimeout == -1 {
		return context.WithCancel(l.base)
	}
	late := fmt.Errorf("the server was not ready within %v", l.server.StartTimeout)
	return context.WithTimeoutCause(l.base, l.server.StartTimeout, late)
}

// connect opens a connection. A server that ends when it is asked what it does not
// know is started again and asked in the old way.
func (l *link) connect(ctx context.Context, old bool) (*live, error) {
	version := ""
	if old {
		version = oldProtocol
	}
	lv, err := l.open(ctx, version)
	if err != nil && !old && ctx.Err() == nil && errors.Is(err, errEnded) {
		lv, err = l.open(ctx, oldProtocol)
	}
	if err != nil {
		return nil, err
	}
	l.work.Go(func() { // until the connection ends, which lost and close make it
		_ = lv.session.Wait()
		l.lost(lv)
		close(lv.gone)
		lv.sever()
		_ = lv.wait()
	})
	return lv, nil
}

// settle ends an attempt. A connection that was of use is kept if the server answers
// with an error, or one request fails: calls may be running.
func (l *link) settle(a *attempt, lv *live, found *list, err error) {
	l.mu.Lock()
	again := false
	keep := err == nil || isOfOneRequest(err) && l.live == lv && lv != nil
	switch {
	case l.closed:
		err, keep = errClosed, false
	case err != nil:
		err = l.secrets.err(err)
		l.down.fail(time.Now(), err, false)
		l.stale = true
		if lv == nil {
			l.old = !l.old // it may be the protocol that the server cannot bear
		}
	case lv.ended:
		l.list, keep = found, false
		err = l.secrets.err(lv.explain(errConnection))
		l.down.fail(time.Now(), err, true)
	default:
		again = l.tried && l.live != lv
		l.live, l.list = lv, found
		l.down.until = time.Time{}
		lv.worked = true
	}
	if !keep {
		l.live = nil
	}
	l.attempt, l.tried = nil, true
	a.view = view{live: l.live, list: l.list, err: err}
	l.mu.Unlock()
	switch {
	case err != nil:
		l.diary.write(slog.LevelWarn, "mcp server cannot be listed", err.Error())
	case again:
		l.diary.write(slog.LevelInfo, "mcp server is started again", fmt.Sprintf("%d tools", len(found.tools)))
	}
	close(a.done)
	if !keep && lv != nil {
		_ = lv.close()
	}
}

// lost notes that a connection has ended.
func (l *link) lost(lv *live) {
	why := l.secrets.err(lv.explain(errConnection))
	l.mu.Lock()
	defer l.mu.Unlock()
	lv.ended = true
	if l.live == lv {
		l.live = nil
		l.down.fail(time.Now(), why, lv.worked)
		l.diary.write(slog.LevelWarn, "mcp server is gone", why.Error())
	}
}

var errConnection = errors.New("the connection to the server has ended")

// orEnded is err, or errConnection where it says no more than that: who sees the end
// first, when reading or writing, must not make another text of it each time.
func orEnded(err error) error {
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

// changed notes that the server has other tools. It is called by who reads the
// server's messages, so it asks for nothing.
func (l *link) changed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stale, l.changes = true, true
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// answered notes that the server is of use.
func (l *link) answered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down.failures = 0
	l.called = time.Now()
}

func (l *link) close() error {
	l.mu.Lock()
	lv := l.live
	l.closed, l.live = true, nil
	l.mu.Unlock()
	var err error
	if lv != nil {
		err = lv.close()
	}
	ended := make(chan struct{})
	go func() { // until the functions that the server asked return
		defer close(ended)
		l.work.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(maxEnd):
	}
	return err
}

// maxEnd bounds what close waits for beside what it ends itself.
const maxEnd = 10 * time.Second

// An outage is a time in which a server is not tried again.
type outage struct {
	failures int // without a call that was answered
	until    time.Time
	why      error
}

const maxOutage = 30 * time.Second

// fail lengthens the time: none for the first connection that was lost after it had
// been of use, else 1, 2, 4 … 30 seconds.
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

// A downError says that a server is not tried now.
type downError struct {
	why  error
	wait time.Duration
}

func (e *downError) Error() string {
	return fmt.Sprintf("%v; the server is tried again in %v at the earliest", e.why, e.wait.Round(100*time.Millisecond))
}

func (e *downError) Unwrap() error { return e.why }
